//! Between the domain and what is stored. Every field is named on both sides, so that a new one is a compile error.

use prost::Message;

use super::audit::AuditEvent;
use super::cidr::Cidr;
use super::directory::{Assignment, Library, Uid, User, UserKind, UserType};
use super::keys::Tag;
use super::keyspace::{self, Stored};
use super::moment::{Lifetime, Moment};
use super::name::Name;
use super::permission::PermissionSet;
use super::token::{
    AccessRight, Grant, Revocation, RevocationReason, Suspension, Token, TokenKind,
};
use crate::proto::store;
use crate::store::Key;

impl Stored for Library {
    fn key(&self) -> Key {
        keyspace::library(self.library.as_str())
    }

    fn to_record(&self) -> Vec<u8> {
        let Library {
            library: _,
            uid,
            display_name,
            tenant_id,
            disabled,
            tokens_enabled,
            default_lifetime,
            suggested_lifetime,
            max_lifetime,
            contact_apis,
            allowed_cidrs,
            create_time,
        } = self;
        store::LibraryRecord {
            uid: uid.0.to_vec(),
            display_name: display_name.clone(),
            tenant_id: tenant_id.clone(),
            disabled: *disabled,
            tokens_enabled: *tokens_enabled,
            default_lifetime: default_lifetime.as_str().to_owned(),
            suggested_lifetime: suggested_lifetime.as_str().to_owned(),
            max_lifetime: max_lifetime.as_str().to_owned(),
            contact_apis: names_to(contact_apis),
            allowed_cidrs: cidrs_to(allowed_cidrs),
            create_time: create_time.0,
        }
        .encode_to_vec()
    }

    fn from_record(key: &[u8], bytes: &[u8]) -> Option<Self> {
        let r = store::LibraryRecord::decode(bytes).ok()?;
        Some(Library {
            library: keyspace::library_name(key)?,
            uid: uid(&r.uid)?,
            display_name: r.display_name,
            tenant_id: r.tenant_id,
            disabled: r.disabled,
            tokens_enabled: r.tokens_enabled,
            default_lifetime: Lifetime::parse(&r.default_lifetime).ok()?,
            suggested_lifetime: Lifetime::parse(&r.suggested_lifetime).ok()?,
            max_lifetime: Lifetime::parse(&r.max_lifetime).ok()?,
            contact_apis: names_from(&r.contact_apis)?,
            allowed_cidrs: cidrs_from(&r.allowed_cidrs)?,
            create_time: Moment(r.create_time),
        })
    }
}

impl Stored for UserType {
    fn key(&self) -> Key {
        keyspace::user_type(self.library_uid, &self.user_type)
    }

    fn to_record(&self) -> Vec<u8> {
        let UserType {
            library_uid: _,
            user_type: _,
            permissions,
            create_time,
        } = self;
        store::UserTypeRecord {
            permissions: permissions.texts().map(str::to_owned).collect(),
            create_time: create_time.0,
        }
        .encode_to_vec()
    }

    fn from_record(key: &[u8], bytes: &[u8]) -> Option<Self> {
        let r = store::UserTypeRecord::decode(bytes).ok()?;
        let (library_uid, user_type) = keyspace::uid_and_name(key)?;
        Some(UserType {
            library_uid,
            user_type,
            permissions: PermissionSet::parse(&r.permissions).ok()?,
            create_time: Moment(r.create_time),
        })
    }
}

impl Stored for User {
    fn key(&self) -> Key {
        keyspace::user(self.library_uid, &self.user)
    }

    fn to_record(&self) -> Vec<u8> {
        let User {
            library_uid: _,
            user: _,
            uid,
            display_name,
            email,
            kind,
            disabled,
            assignments,
            data_owner,
            create_time,
        } = self;
        store::UserRecord {
            uid: uid.0.to_vec(),
            display_name: display_name.clone(),
            email: email.clone(),
            kind: match kind {
                UserKind::Standard => 1,
                UserKind::ApiOnly => 2,
                UserKind::Contact => 3,
            },
            disabled: *disabled,
            assignments: assignments
                .iter()
                .map(|a| store::AssignmentRecord {
                    department: optional_to(a.department.as_ref()),
                    user_type: a.user_type.to_string(),
                })
                .collect(),
            data_owner: data_owner.clone(),
            create_time: create_time.0,
        }
        .encode_to_vec()
    }

    fn from_record(key: &[u8], bytes: &[u8]) -> Option<Self> {
        let r = store::UserRecord::decode(bytes).ok()?;
        let (library_uid, user) = keyspace::uid_and_name(key)?;
        Some(User {
            library_uid,
            user,
            uid: uid(&r.uid)?,
            display_name: r.display_name,
            email: r.email,
            kind: match r.kind {
                1 => UserKind::Standard,
                2 => UserKind::ApiOnly,
                3 => UserKind::Contact,
                _ => return None,
            },
            disabled: r.disabled,
            assignments: r
                .assignments
                .iter()
                .map(|a| assignment(&a.department, &a.user_type))
                .collect::<Option<_>>()?,
            data_owner: r.data_owner,
            create_time: Moment(r.create_time),
        })
    }
}

impl Stored for Token {
    fn key(&self) -> Key {
        keyspace::token(self.id)
    }

    fn to_record(&self) -> Vec<u8> {
        let Token {
            id: _,
            kind,
            library,
            library_uid,
            user,
            user_uid,
            issued_by,
            display_name,
            description,
            create_time,
            not_before,
            expire_time,
            suspension,
            revocation,
            grant,
            tag,
        } = self;
        store::TokenRecord {
            kind: match kind {
                TokenKind::Api => 1,
            },
            library: library.to_string(),
            library_uid: library_uid.0.to_vec(),
            user: user.to_string(),
            user_uid: user_uid.0.to_vec(),
            issued_by: issued_by.clone(),
            display_name: display_name.clone(),
            description: description.clone(),
            create_time: create_time.0,
            not_before: not_before.map_or(0, |m| m.0),
            expire_time: expire_time.0,
            suspension: suspension.as_ref().map(|s| store::SuspensionRecord {
                time: s.time.0,
                suspended_by: s.suspended_by.clone(),
                reason: s.reason.clone(),
            }),
            revocation: revocation.as_ref().map(|r| store::RevocationRecord {
                time: r.time.0,
                reason: reason_to(r.reason),
                revoked_by: r.revoked_by.clone(),
                comment: r.comment.clone(),
            }),
            grant: Some(grant_to(grant)),
            tag: tag.bytes.to_vec(),
            key_version: tag.key_version,
        }
        .encode_to_vec()
    }

    fn from_record(key: &[u8], bytes: &[u8]) -> Option<Self> {
        let r = store::TokenRecord::decode(bytes).ok()?;
        Some(Token {
            id: keyspace::token_id(key)?,
            kind: match r.kind {
                1 => TokenKind::Api,
                _ => return None,
            },
            library: Name::parse(&r.library).ok()?,
            library_uid: uid(&r.library_uid)?,
            user: Name::parse(&r.user).ok()?,
            user_uid: uid(&r.user_uid)?,
            issued_by: r.issued_by,
            display_name: r.display_name,
            description: r.description,
            create_time: Moment(r.create_time),
            not_before: (r.not_before != 0).then_some(Moment(r.not_before)),
            expire_time: Moment(r.expire_time),
            suspension: r.suspension.map(|s| Suspension {
                time: Moment(s.time),
                suspended_by: s.suspended_by,
                reason: s.reason,
            }),
            revocation: match r.revocation {
                None => None,
                Some(r) => Some(Revocation {
                    time: Moment(r.time),
                    reason: reason_from(r.reason)?,
                    revoked_by: r.revoked_by,
                    comment: r.comment,
                }),
            },
            grant: grant_from(&r.grant?)?,
            tag: Tag {
                bytes: r.tag.as_slice().try_into().ok()?,
                key_version: r.key_version,
            },
        })
    }
}

impl Stored for AuditEvent {
    fn key(&self) -> Key {
        self.key.clone()
    }

    fn to_record(&self) -> Vec<u8> {
        let AuditEvent {
            key: _,
            time,
            action,
            actor,
            actor_token_id,
            library,
            token_id,
            user,
            user_type,
            fields,
            comment,
            call_id,
        } = self;
        store::AuditRecord {
            time: time.0,
            action: action.clone(),
            actor: actor.clone(),
            actor_token_id: actor_token_id.clone(),
            library: library.clone(),
            token_id: token_id.clone(),
            user: user.clone(),
            user_type: user_type.clone(),
            fields: fields.clone(),
            comment: comment.clone(),
            call_id: call_id.clone(),
        }
        .encode_to_vec()
    }

    fn from_record(key: &[u8], bytes: &[u8]) -> Option<Self> {
        let r = store::AuditRecord::decode(bytes).ok()?;
        Some(AuditEvent {
            key: key.to_vec(),
            time: Moment(r.time),
            action: r.action,
            actor: r.actor,
            actor_token_id: r.actor_token_id,
            library: r.library,
            token_id: r.token_id,
            user: r.user,
            user_type: r.user_type,
            fields: r.fields,
            comment: r.comment,
            call_id: r.call_id,
        })
    }
}

fn grant_to(grant: &Grant) -> store::GrantRecord {
    let Grant {
        pin,
        access_right,
        permissions,
        apis,
        allowed_cidrs,
    } = grant;
    store::GrantRecord {
        department: optional_to(pin.as_ref().and_then(|p| p.department.as_ref())),
        user_type: optional_to(pin.as_ref().map(|p| &p.user_type)),
        access_right: match access_right {
            AccessRight::Full => 1,
            AccessRight::ReadOnly => 2,
            AccessRight::Custom => 3,
        },
        permissions: permissions.texts().map(str::to_owned).collect(),
        apis: names_to(apis),
        allowed_cidrs: cidrs_to(allowed_cidrs),
    }
}

fn grant_from(r: &store::GrantRecord) -> Option<Grant> {
    Some(Grant {
        pin: match (r.department.as_str(), r.user_type.as_str()) {
            ("", "") => None,
            (department, user_type) => Some(assignment(department, user_type)?),
        },
        access_right: match r.access_right {
            1 => AccessRight::Full,
            2 => AccessRight::ReadOnly,
            3 => AccessRight::Custom,
            _ => return None,
        },
        permissions: PermissionSet::parse(&r.permissions).ok()?,
        apis: names_from(&r.apis)?,
        allowed_cidrs: cidrs_from(&r.allowed_cidrs)?,
    })
}

fn reason_to(reason: RevocationReason) -> u32 {
    match reason {
        RevocationReason::Unspecified => 0,
        RevocationReason::Compromised => 1,
        RevocationReason::Superseded => 2,
        RevocationReason::NoLongerNeeded => 3,
        RevocationReason::OwnerLeft => 4,
        RevocationReason::Other => 5,
    }
}

fn reason_from(reason: u32) -> Option<RevocationReason> {
    Some(match reason {
        0 => RevocationReason::Unspecified,
        1 => RevocationReason::Compromised,
        2 => RevocationReason::Superseded,
        3 => RevocationReason::NoLongerNeeded,
        4 => RevocationReason::OwnerLeft,
        5 => RevocationReason::Other,
        _ => return None,
    })
}

fn assignment(department: &str, user_type: &str) -> Option<Assignment> {
    Some(Assignment {
        department: Name::parse_optional(department).ok()?,
        user_type: Name::parse(user_type).ok()?,
    })
}

fn uid(bytes: &[u8]) -> Option<Uid> {
    Some(Uid(bytes.try_into().ok()?))
}

fn optional_to(name: Option<&Name>) -> String {
    name.map(Name::to_string).unwrap_or_default()
}

fn names_to(names: &[Name]) -> Vec<String> {
    names.iter().map(Name::to_string).collect()
}

fn names_from(texts: &[String]) -> Option<Vec<Name>> {
    texts.iter().map(|t| Name::parse(t).ok()).collect()
}

fn cidrs_to(cidrs: &[Cidr]) -> Vec<Vec<u8>> {
    cidrs.iter().map(|c| c.to_bytes()).collect()
}

fn cidrs_from(records: &[Vec<u8>]) -> Option<Vec<Cidr>> {
    records.iter().map(|b| Cidr::from_bytes(b)).collect()
}
