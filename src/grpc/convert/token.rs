//! Tokens: what is asked of them, and how they are shown.

mod shown;

pub(in crate::grpc) use self::shown::token;
pub(super) use self::shown::token_kind;
use super::{Clear, apis, cidrs, description, display_name, known, moment, permissions, pin};
use crate::authority::change::{ExtendToken, Extension, ResumeToken, RevokeToken, SuspendToken};
use crate::authority::error::{Error, Faults, Reason};
use crate::authority::issue::CreateToken;
use crate::authority::moment::{Lifetime, Until};
use crate::authority::name::{self as names, MAX_DESCRIPTION_BYTES, MAX_DISPLAY_NAME_BYTES, Name};
use crate::authority::permission::PermissionSet;
use crate::authority::rotate::RotateToken;
use crate::authority::secret::TokenId;
use crate::authority::token::{AccessRight, RevocationReason};
use crate::authority::update::UpdateToken;
use crate::authority::watermark::RevokeAll;
use crate::proto::v1;

/// Most tokens that one call revokes.
const MAX_REVOKED: usize = 1000;

pub(in crate::grpc) fn create_token(
    message: v1::CreateTokenRequest,
    library: Name,
) -> Result<CreateToken, Error> {
    let v1::CreateTokenRequest {
        library: _,
        user,
        display_name: short,
        description: reason,
        expire_time,
        lifetime,
        not_before,
        suspended,
        department,
        user_type,
        access_right: right,
        permissions: listed,
        apis: api_names,
        allowed_cidrs,
        request_id: _,
    } = message;
    let mut faults = Faults::default();
    let user = faults.take("user", Name::parse_optional(&user)).flatten();
    if short.is_empty() && reason.is_empty() {
        faults.add(
            "display_name",
            "must be there unless there is a description",
        );
    }
    let until = until(&mut faults, expire_time, &lifetime);
    let (display_name, description) = (
        display_name(&mut faults, &short),
        description(&mut faults, "description", &reason),
    );
    let not_before = not_before.and_then(|start| faults.take("not_before", moment(start)));
    let pin = pin(&mut faults, &department, &user_type);
    let access_right = access_right(&mut faults, right);
    let permissions = permissions(&mut faults, &listed);
    let apis = apis(&mut faults, "apis", &api_names);
    let allowed_cidrs = cidrs(&mut faults, &allowed_cidrs);
    faults.check()?;
    Ok(CreateToken {
        library,
        user,
        display_name,
        description,
        until,
        not_before,
        suspended,
        pin,
        access_right,
        permissions,
        apis,
        allowed_cidrs,
    })
}

pub(in crate::grpc) fn update_token(message: v1::UpdateTokenRequest) -> Result<UpdateToken, Error> {
    const CLEARABLE: [&str; 6] = [
        "display_name",
        "description",
        "user_type",
        "permissions",
        "apis",
        "allowed_cidrs",
    ];
    let v1::UpdateTokenRequest {
        token_id: id,
        display_name,
        description,
        expire_time,
        department,
        user_type,
        access_right: right,
        permissions: listed,
        apis: api_names,
        allowed_cidrs: networks,
        clear,
        etag,
        request_id: _,
    } = message;
    let mut faults = Faults::default();
    let clear = Clear(&clear);
    clear.check(&mut faults, &CLEARABLE);
    let display_name = clear.text(&mut faults, "display_name", display_name);
    let description = clear.text(&mut faults, "description", description);
    let display_name = display_name
        .and_then(|text| faults.take("display_name", names::text(&text, MAX_DISPLAY_NAME_BYTES)));
    let description = description
        .and_then(|text| faults.take("description", names::text(&text, MAX_DESCRIPTION_BYTES)));
    let expire_time = expire_time.and_then(|end| faults.take("expire_time", moment(end)));
    let new_pin = match (department, user_type, clear.has("user_type")) {
        (None, None, false) => None,
        (None, None, true) => Some(None),
        (department, user_type, false) => Some(pin(
            &mut faults,
            &department.unwrap_or_default(),
            &user_type.unwrap_or_default(),
        )),
        (_, _, true) => {
            clear.contradicts(&mut faults, "user_type");
            None
        }
    };
    let access_right = right.and_then(|right| access_right(&mut faults, right));
    let set = permissions(&mut faults, &listed);
    let permissions = clear.list(
        &mut faults,
        "permissions",
        &listed,
        set,
        PermissionSet::default(),
    );
    let names = apis(&mut faults, "apis", &api_names);
    let apis = clear.list(&mut faults, "apis", &api_names, names, Vec::new());
    let parsed = cidrs(&mut faults, &networks);
    let allowed_cidrs = clear.list(&mut faults, "allowed_cidrs", &networks, parsed, Vec::new());
    let id = faults.take("token_id", TokenId::parse(&id));
    faults.check()?;
    Ok(UpdateToken {
        id: id.ok_or_else(|| Error::invalid("token_id", "must be given"))?,
        display_name,
        description,
        expire_time,
        pin: new_pin,
        access_right,
        permissions,
        apis,
        allowed_cidrs,
        etag,
    })
}

pub(in crate::grpc) fn extend_token(message: v1::ExtendTokenRequest) -> Result<ExtendToken, Error> {
    /// An extension for which nothing is given: one calendar year.
    const DEFAULT_EXTENSION: &str = "1y";
    let v1::ExtendTokenRequest {
        token_id: id,
        extend_by,
        expire_time,
        etag,
        request_id: _,
    } = message;
    let mut faults = Faults::default();
    let by = match (expire_time, extend_by.as_str()) {
        (None, "") => faults.take(
            "extend_by",
            Lifetime::parse(DEFAULT_EXTENSION).map(Extension::By),
        ),
        (None, text) => faults.take("extend_by", Lifetime::parse(text).map(Extension::By)),
        (Some(end), "") => faults.take("expire_time", moment(end).map(Extension::To)),
        (Some(_), _) => {
            faults.add("extend_by", "must not be given together with expire_time");
            None
        }
    };
    let id = faults.take("token_id", TokenId::parse(&id));
    faults.check()?;
    match (id, by) {
        (Some(id), Some(by)) => Ok(ExtendToken { id, by, etag }),
        _ => Err(Error::invalid("token_id", "must be given")),
    }
}

pub(in crate::grpc) fn rotate_token(message: v1::RotateTokenRequest) -> Result<RotateToken, Error> {
    /// How long the old token works on if nothing is said.
    const DEFAULT_OVERLAP: &str = "24h";
    let v1::RotateTokenRequest {
        token_id: id,
        overlap,
        lifetime,
        expire_time,
        etag,
        request_id: _,
    } = message;
    let mut faults = Faults::default();
    let overlap = match overlap.as_str() {
        "" => DEFAULT_OVERLAP,
        text => text,
    };
    let overlap = faults.take("overlap", Lifetime::parse_or_none(overlap));
    let until = until(&mut faults, expire_time, &lifetime);
    faults.check()?;
    Ok(RotateToken {
        id: token_id(&id)?,
        overlap: overlap.flatten(),
        until,
        etag,
    })
}

pub(in crate::grpc) fn suspend_token(
    message: v1::SuspendTokenRequest,
) -> Result<SuspendToken, Error> {
    let v1::SuspendTokenRequest {
        token_id: id,
        reason,
        etag,
        request_id: _,
    } = message;
    let mut faults = Faults::default();
    let reason = description(&mut faults, "reason", &reason);
    faults.check()?;
    Ok(SuspendToken {
        id: token_id(&id)?,
        reason,
        etag,
    })
}

pub(in crate::grpc) fn resume_token(message: v1::ResumeTokenRequest) -> Result<ResumeToken, Error> {
    let v1::ResumeTokenRequest {
        token_id: id,
        etag,
        request_id: _,
    } = message;
    Ok(ResumeToken {
        id: token_id(&id)?,
        etag,
    })
}

pub(in crate::grpc) fn revoke_token(message: v1::RevokeTokenRequest) -> Result<RevokeToken, Error> {
    let v1::RevokeTokenRequest {
        token_id: id,
        reason,
        comment,
        request_id: _,
    } = message;
    let mut faults = Faults::default();
    let comment = description(&mut faults, "comment", &comment);
    let reason = revocation_reason(&mut faults, reason);
    faults.check()?;
    Ok(RevokeToken {
        id: token_id(&id)?,
        reason,
        comment,
    })
}

/// The tokens to be revoked, each for itself; an id that is none is told as such, and the others are revoked.
pub(in crate::grpc) fn revoke_many(
    message: &v1::RevokeTokensRequest,
) -> Result<Vec<Result<RevokeToken, Error>>, Error> {
    let mut faults = Faults::default();
    let comment = description(&mut faults, "comment", &message.comment);
    let reason = revocation_reason(&mut faults, message.reason);
    if message.token_ids.is_empty() {
        faults.add("token_ids", "must name a token, unless `all` is given");
    }
    faults.check()?;
    if message.token_ids.len() > MAX_REVOKED {
        let why = format!("a call revokes at most {MAX_REVOKED} tokens; send more calls");
        return Err(Error::new(Reason::LimitExceeded, why));
    }
    let revoke = |text: &String| {
        Ok(RevokeToken {
            id: token_id(text)?,
            reason,
            comment: comment.clone(),
        })
    };
    Ok(message.token_ids.iter().map(revoke).collect())
}

pub(in crate::grpc) fn revoke_all(
    message: &v1::RevokeTokensRequest,
    all: &v1::RevokeAll,
    library: Name,
) -> Result<RevokeAll, Error> {
    let v1::RevokeAll {
        library: _,
        user,
        sessions_only,
        created_before,
    } = all;
    let mut faults = Faults::default();
    if !message.token_ids.is_empty() {
        faults.add("token_ids", "must not be given together with all");
    }
    let user = faults.take("all.user", Name::parse_optional(user));
    let created_before =
        created_before.and_then(|time| faults.take("all.created_before", moment(time)));
    let comment = description(&mut faults, "comment", &message.comment);
    let reason = revocation_reason(&mut faults, message.reason);
    faults.check()?;
    Ok(RevokeAll {
        library,
        user: user.flatten(),
        sessions_only: *sessions_only,
        created_before,
        reason,
        comment,
    })
}

fn revocation_reason(faults: &mut Faults, reason: i32) -> RevocationReason {
    match known::<v1::RevocationReason>(faults, "reason", reason) {
        None | Some(v1::RevocationReason::Unspecified) => RevocationReason::Unspecified,
        Some(v1::RevocationReason::Compromised) => RevocationReason::Compromised,
        Some(v1::RevocationReason::Superseded) => RevocationReason::Superseded,
        Some(v1::RevocationReason::NoLongerNeeded) => RevocationReason::NoLongerNeeded,
        Some(v1::RevocationReason::OwnerLeft) => RevocationReason::OwnerLeft,
        Some(v1::RevocationReason::Other) => RevocationReason::Other,
    }
}

pub(in crate::grpc) fn token_id(text: &str) -> Result<TokenId, Error> {
    TokenId::parse(text).map_err(|why| Error::invalid("token_id", why.to_string()))
}

/// The end that is asked for in one of two ways, or in none.
fn until(
    faults: &mut Faults,
    expire_time: Option<prost_types::Timestamp>,
    lifetime: &str,
) -> Option<Until> {
    match (expire_time, lifetime) {
        (None, "") => None,
        (None, text) => faults.take("lifetime", Until::parse(text)),
        (Some(end), "") => faults.take("expire_time", moment(end).map(Until::Moment)),
        (Some(_), _) => {
            faults.add("lifetime", "must not be given together with expire_time");
            None
        }
    }
}

fn access_right(faults: &mut Faults, right: i32) -> Option<AccessRight> {
    match known::<v1::AccessRight>(faults, "access_right", right)? {
        v1::AccessRight::Unspecified => None,
        v1::AccessRight::Full => Some(AccessRight::Full),
        v1::AccessRight::ReadOnly => Some(AccessRight::ReadOnly),
        v1::AccessRight::Custom => Some(AccessRight::Custom),
    }
}
