//! Between the domain and what is stored. Every field is named on both sides, so that a new one is a compile error.

mod cuts;
mod key_version;
mod password;
mod token;
mod watermark;

use prost::Message;

use super::audit::AuditEvent;
use super::cidr::Cidr;
use super::directory::{Assignment, Library, SecretDisplay, Uid, User, UserKind, UserType};
use super::idle::IdleTimeout;
use super::keyspace::{self, Stored};
use super::moment::{Lifetime, Moment};
use super::name::Name;
use super::permission::PermissionSet;
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
            max_tokens_per_user,
            secret_display,
            has_usage,
            session_idle_timeout,
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
            revealable: *secret_display == SecretDisplay::Revealable,
            has_usage: *has_usage,
            session_idle_timeout: session_idle_timeout
                .as_ref()
                .map(|timeout| timeout.as_str().to_owned())
                .unwrap_or_default(),
            max_tokens_per_user: *max_tokens_per_user,
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
            max_tokens_per_user: r.max_tokens_per_user,
            secret_display: if r.revealable {
                SecretDisplay::Revealable
            } else {
                SecretDisplay::Once
            },
            has_usage: r.has_usage,
            session_idle_timeout: IdleTimeout::parse_optional(&r.session_idle_timeout).ok()?,
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
            acting_for,
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
            acting_for: acting_for.clone(),
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
            acting_for: r.acting_for,
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
