//! Small builders of what the domain is made of.

use crate::authority::cidr::{Address, Cidr};
use crate::authority::directory::{
    Assignment, Library, SecretDisplay, Uid, User, UserKind, UserType,
};
use crate::authority::keys::Tag;
use crate::authority::list::LibraryRef;
use crate::authority::moment::{Lifetime, Moment};
use crate::authority::name::Name;
use crate::authority::permission::{Permission, PermissionSet};
use crate::authority::secret::TokenId;
use crate::authority::token::{AccessRight, Grant, Token, TokenKind};

pub(in crate::authority) fn named(text: &str) -> LibraryRef {
    LibraryRef::Named(name(text))
}

pub(in crate::authority) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(in crate::authority) fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().map(|text| name(text)).collect()
}

pub(in crate::authority) fn demanded(text: &str) -> Permission {
    Permission::parse(text).unwrap()
}

pub(in crate::authority) fn granted(texts: &[&str]) -> PermissionSet {
    PermissionSet::parse(texts).unwrap()
}

pub(in crate::authority) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub(in crate::authority) fn networks(texts: &[&str]) -> Vec<Cidr> {
    texts
        .iter()
        .map(|text| Cidr::parse(text).unwrap())
        .collect()
}

pub(in crate::authority) fn lifetime(text: &str) -> Lifetime {
    Lifetime::parse(text).unwrap()
}

/// A moment as RFC 3339.
pub(in crate::authority) fn at(text: &str) -> Moment {
    Moment(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

/// `department/user_type`, or a user type in the whole library.
pub(in crate::authority) fn assignment(text: &str) -> Assignment {
    let (department, user_type) = text.split_once('/').unwrap_or(("", text));
    Assignment {
        department: Name::parse_optional(department).unwrap(),
        user_type: name(user_type),
    }
}

pub(in crate::authority) fn assignments(texts: &[&str]) -> Vec<Assignment> {
    let mut all: Vec<Assignment> = texts.iter().map(|text| assignment(text)).collect();
    all.sort_unstable();
    all
}

/// A grant that takes nothing away but reserved permissions.
pub(in crate::authority) fn full() -> Grant {
    Grant {
        pin: None,
        access_right: AccessRight::Full,
        permissions: PermissionSet::default(),
        apis: Vec::new(),
        allowed_cidrs: Vec::new(),
    }
}

pub(in crate::authority) fn library(of: &str, uid: u8) -> Library {
    Library {
        library: name(of),
        uid: Uid([uid; 16]),
        display_name: String::new(),
        tenant_id: "tenant-1".to_owned(),
        disabled: false,
        tokens_enabled: true,
        default_lifetime: lifetime("12mo"),
        suggested_lifetime: lifetime("12mo"),
        max_lifetime: lifetime("24mo"),
        contact_apis: Vec::new(),
        allowed_cidrs: Vec::new(),
        max_tokens_per_user: 0,
        secret_display: SecretDisplay::Once,
        has_usage: false,
        session_idle_timeout: None,
        create_time: Moment(0),
    }
}

pub(in crate::authority) fn user_type(library_uid: u8, of: &str, permissions: &[&str]) -> UserType {
    UserType {
        library_uid: Uid([library_uid; 16]),
        user_type: name(of),
        permissions: granted(permissions),
        create_time: Moment(0),
    }
}

pub(in crate::authority) fn user(library_uid: u8, of: &str, uid: u8, assigned: &[&str]) -> User {
    User {
        library_uid: Uid([library_uid; 16]),
        user: name(of),
        uid: Uid([uid; 16]),
        display_name: String::new(),
        email: String::new(),
        kind: UserKind::Standard,
        disabled: false,
        assignments: assignments(assigned),
        data_owner: String::new(),
        create_time: Moment(0),
    }
}

/// A token of the user `jane` of `acme`, made at this millisecond.
pub(in crate::authority) fn token(
    id: u8,
    create_time: i64,
    library_uid: u8,
    user_uid: u8,
) -> Token {
    Token {
        id: TokenId([id; 16]),
        kind: TokenKind::Api,
        library: name("acme"),
        library_uid: Uid([library_uid; 16]),
        user: name("jane"),
        user_uid: Uid([user_uid; 16]),
        issued_by: "acme/admin".to_owned(),
        display_name: "a token".to_owned(),
        description: String::new(),
        device_name: String::new(),
        create_time: Moment(create_time),
        not_before: None,
        expire_time: Moment(create_time + 1000),
        suspension: None,
        revocation: None,
        rotated_from: None,
        succession: None,
        grant: full(),
        tag: Tag {
            bytes: [id; 32],
            key_version: 1,
        },
        sealed_secret: Vec::new(),
        imported: None,
        etag: None,
    }
}
