//! Tokens as they are shown.

use crate::authority::name::Name;
use crate::authority::state::TokenState;
use crate::authority::token::{
    AccessRight, Grant, Revocation, RevocationReason, Suspension, Token, TokenKind,
};
use crate::authority::uses::{FLUSH_INTERVAL_MS, Use};
use crate::grpc::convert::verify::verdict;
use crate::grpc::convert::{import_strength, texts, timestamp};
use crate::proto::v1;

pub(in crate::grpc) fn token(
    token: &Token,
    (state, revoked): (TokenState, Option<Revocation>),
    used: Option<Use>,
    etag: String,
) -> v1::Token {
    let Token {
        id,
        kind,
        library,
        library_uid: _,
        user,
        user_uid: _,
        issued_by,
        display_name,
        description,
        device_name,
        create_time,
        not_before,
        expire_time,
        suspension,
        revocation: _,
        rotated_from,
        succession,
        grant,
        tag: _,
        sealed_secret: _,
        imported,
        etag: _,
    } = token;
    let Grant {
        pin,
        access_right,
        permissions,
        apis,
        allowed_cidrs,
    } = grant;
    let (last_use, refused_uses) = used.map(uses).unwrap_or_default();
    v1::Token {
        token_id: id.to_string(),
        kind: token_kind(*kind).into(),
        library: library.to_string(),
        user: user.to_string(),
        issued_by: issued_by.clone(),
        display_name: display_name.clone(),
        description: description.clone(),
        device_name: device_name.clone(),
        create_time: Some(timestamp(*create_time)),
        not_before: not_before.map(timestamp),
        expire_time: Some(timestamp(*expire_time)),
        state: token_state(state).into(),
        suspension: suspension.as_ref().map(show_suspension),
        revocation: revoked.as_ref().map(show_revocation),
        rotated_from: rotated_from.map(|id| id.to_string()).unwrap_or_default(),
        superseded_by: succession
            .as_ref()
            .map(|s| s.superseded_by.to_string())
            .unwrap_or_default(),
        superseded_until: succession.as_ref().map(|s| timestamp(s.until)),
        department: pin
            .as_ref()
            .and_then(|p| p.department.as_ref())
            .map(Name::to_string)
            .unwrap_or_default(),
        user_type: pin
            .as_ref()
            .map(|p| p.user_type.to_string())
            .unwrap_or_default(),
        access_right: match access_right {
            AccessRight::Full => v1::AccessRight::Full,
            AccessRight::ReadOnly => v1::AccessRight::ReadOnly,
            AccessRight::Custom => v1::AccessRight::Custom,
        }
        .into(),
        permissions: permissions.texts().map(str::to_owned).collect(),
        apis: texts(apis),
        allowed_cidrs: texts(allowed_cidrs),
        imported: import_strength(imported.as_ref().map(|i| i.strength)).into(),
        etag,
        last_use,
        refused_uses,
    }
}

pub(in crate::grpc::convert) fn token_kind(kind: TokenKind) -> v1::TokenKind {
    match kind {
        TokenKind::Api => v1::TokenKind::Api,
        TokenKind::Session => v1::TokenKind::Session,
    }
}

fn token_state(state: TokenState) -> v1::TokenState {
    match state {
        TokenState::Active => v1::TokenState::Active,
        TokenState::Suspended => v1::TokenState::Suspended,
        TokenState::NotYetValid => v1::TokenState::NotYetValid,
        TokenState::Expired => v1::TokenState::Expired,
        TokenState::Revoked => v1::TokenState::Revoked,
        TokenState::OwnerDeleted => v1::TokenState::OwnerDeleted,
    }
}

/// The last use, and the refused ones.
fn uses(used: Use) -> (Option<v1::LastUse>, Vec<v1::RefusedUse>) {
    let Use {
        last,
        permissions,
        more_permissions,
        refused,
    } = used;
    let mut permissions: Vec<String> = permissions.iter().map(ToString::to_string).collect();
    permissions.sort_unstable();
    let last_use = last.map(|last| v1::LastUse {
        time: Some(timestamp(last.time)),
        client_ip: texts(last.client_ip.as_slice()).concat(),
        used_by: last.by.as_deref().unwrap_or_default().to_owned(),
        resolution: Some(prost_types::Duration {
            seconds: FLUSH_INTERVAL_MS / 1000,
            nanos: 0,
        }),
        permissions,
        more_permissions,
    });
    let mut refused_uses: Vec<v1::RefusedUse> = refused
        .iter()
        .map(|refused| v1::RefusedUse {
            verdict: verdict(refused.verdict).into(),
            count: refused.count,
            last_time: Some(timestamp(refused.last_time)),
        })
        .collect();
    refused_uses.sort_unstable_by_key(|refused| refused.verdict);
    (last_use, refused_uses)
}

fn show_suspension(suspension: &Suspension) -> v1::Suspension {
    let Suspension {
        time,
        suspended_by,
        by_administrator: _,
        reason,
    } = suspension;
    v1::Suspension {
        time: Some(timestamp(*time)),
        suspended_by: suspended_by.clone(),
        reason: reason.clone(),
    }
}

fn show_revocation(revocation: &Revocation) -> v1::Revocation {
    let Revocation {
        time,
        reason,
        revoked_by,
        comment,
    } = revocation;
    v1::Revocation {
        time: Some(timestamp(*time)),
        reason: match reason {
            RevocationReason::Unspecified => v1::RevocationReason::Unspecified,
            RevocationReason::Compromised => v1::RevocationReason::Compromised,
            RevocationReason::Superseded => v1::RevocationReason::Superseded,
            RevocationReason::NoLongerNeeded => v1::RevocationReason::NoLongerNeeded,
            RevocationReason::OwnerLeft => v1::RevocationReason::OwnerLeft,
            RevocationReason::Other => v1::RevocationReason::Other,
        }
        .into(),
        revoked_by: revoked_by.clone(),
        comment: comment.clone(),
    }
}
