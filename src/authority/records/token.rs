//! Tokens and their grants.

use prost::Message;

use super::{assignment, cidrs_from, cidrs_to, names_from, names_to, optional_to, uid};
use crate::authority::import::Cut;
use crate::authority::keys::Tag;
use crate::authority::keyspace::{self, Stored};
use crate::authority::moment::Moment;
use crate::authority::name::Name;
use crate::authority::password::SlowHash;
use crate::authority::permission::PermissionSet;
use crate::authority::secret::TokenId;
use crate::authority::token::{
    AccessRight, Grant, ImportStrength, Imported, Revocation, RevocationReason, Succession,
    Suspension, Token, TokenKind, Unproven,
};
use crate::proto::store;
use crate::store::{Key, Revision};

impl Stored for Token {
    fn key(&self) -> Key {
        keyspace::token(self.id)
    }

    fn etag(&self) -> Option<Revision> {
        self.etag
    }

    fn administer(&mut self) {
        self.etag = None;
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
            device_name,
            create_time,
            not_before,
            expire_time,
            suspension,
            revocation,
            rotated_from,
            succession,
            grant,
            tag,
            sealed_secret,
            imported,
            etag,
        } = self;
        store::TokenRecord {
            kind: match kind {
                TokenKind::Api => 1,
                TokenKind::Session => 2,
            },
            library: library.to_string(),
            library_uid: library_uid.0.to_vec(),
            user: user.to_string(),
            user_uid: user_uid.0.to_vec(),
            issued_by: issued_by.clone(),
            display_name: display_name.clone(),
            description: description.clone(),
            device_name: device_name.clone(),
            create_time: create_time.0,
            not_before: not_before.map_or(0, |m| m.0),
            expire_time: expire_time.0,
            suspension: suspension.as_ref().map(|s| store::SuspensionRecord {
                time: s.time.0,
                suspended_by: s.suspended_by.clone(),
                by_administrator: s.by_administrator,
                reason: s.reason.clone(),
            }),
            revocation: revocation.as_ref().map(|r| store::RevocationRecord {
                time: r.time.0,
                reason: reason_to(r.reason),
                revoked_by: r.revoked_by.clone(),
                comment: r.comment.clone(),
            }),
            rotated_from: rotated_from.map(|id| id.0.to_vec()).unwrap_or_default(),
            succession: succession.as_ref().map(|s| store::SuccessionRecord {
                superseded_by: s.superseded_by.0.to_vec(),
                until: s.until.0,
                rotated_by: s.rotated_by.clone(),
            }),
            grant: Some(grant_to(grant)),
            tag: tag.bytes.to_vec(),
            key_version: tag.key_version,
            sealed_secret: sealed_secret.clone(),
            imported: imported.as_ref().map(imported_to),
            etag_revision: etag.map_or(0, |revision| revision.0),
        }
        .encode_to_vec()
    }

    fn from_record(key: &[u8], bytes: &[u8]) -> Option<Self> {
        let r = store::TokenRecord::decode(bytes).ok()?;
        Some(Token {
            id: keyspace::token_id(key)?,
            kind: match r.kind {
                1 => TokenKind::Api,
                2 => TokenKind::Session,
                _ => return None,
            },
            library: Name::parse(&r.library).ok()?,
            library_uid: uid(&r.library_uid)?,
            user: Name::parse(&r.user).ok()?,
            user_uid: uid(&r.user_uid)?,
            issued_by: r.issued_by,
            display_name: r.display_name,
            description: r.description,
            device_name: r.device_name,
            create_time: Moment(r.create_time),
            not_before: (r.not_before != 0).then_some(Moment(r.not_before)),
            expire_time: Moment(r.expire_time),
            suspension: r.suspension.map(|s| Suspension {
                time: Moment(s.time),
                suspended_by: s.suspended_by,
                by_administrator: s.by_administrator,
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
            rotated_from: match r.rotated_from.as_slice() {
                [] => None,
                id => Some(TokenId(id.try_into().ok()?)),
            },
            succession: match r.succession {
                None => None,
                Some(s) => Some(Succession {
                    superseded_by: TokenId(s.superseded_by.as_slice().try_into().ok()?),
                    until: Moment(s.until),
                    rotated_by: s.rotated_by,
                }),
            },
            grant: grant_from(&r.grant?)?,
            tag: Tag {
                bytes: r.tag.as_slice().try_into().ok()?,
                key_version: r.key_version,
            },
            sealed_secret: r.sealed_secret,
            imported: match r.imported {
                None => None,
                Some(imported) => Some(imported_from(imported)?),
            },
            etag: match r.etag_revision {
                0 => None,
                revision => Some(Revision(revision)),
            },
        })
    }
}

fn imported_to(imported: &Imported) -> store::ImportRecord {
    let Imported {
        strength,
        cut,
        unproven,
    } = imported;
    let (slow_hash, sealed_hash) = match unproven {
        None => (String::new(), Vec::new()),
        Some(Unproven::Hashed(hash)) => (hash.to_string(), Vec::new()),
        Some(Unproven::Sealed(sealed)) => (String::new(), sealed.clone()),
    };
    store::ImportRecord {
        strength: match strength {
            ImportStrength::Strong => 1,
            ImportStrength::Weak => 2,
        },
        cut: cut.map_or(0, |cut| cut.code().into()),
        slow_hash,
        sealed_hash,
    }
}

fn imported_from(r: store::ImportRecord) -> Option<Imported> {
    Some(Imported {
        strength: match r.strength {
            1 => ImportStrength::Strong,
            2 => ImportStrength::Weak,
            _ => return None,
        },
        cut: match u8::try_from(r.cut).ok()? {
            0 => None,
            code => Some(Cut::of_code(code)?),
        },
        unproven: match (r.slow_hash.as_str(), r.sealed_hash.as_slice()) {
            ("", []) => None,
            (hash, []) => Some(Unproven::Hashed(SlowHash::parse(hash)?)),
            ("", _) => Some(Unproven::Sealed(r.sealed_hash)),
            _ => return None,
        },
    })
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

pub(super) fn reason_to(reason: RevocationReason) -> u32 {
    match reason {
        RevocationReason::Unspecified => 0,
        RevocationReason::Compromised => 1,
        RevocationReason::Superseded => 2,
        RevocationReason::NoLongerNeeded => 3,
        RevocationReason::OwnerLeft => 4,
        RevocationReason::Other => 5,
    }
}

pub(super) fn reason_from(reason: u32) -> Option<RevocationReason> {
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
