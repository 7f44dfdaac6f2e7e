//! Tokens: what is asked of them, and how they are shown.

mod shown;

pub(in crate::grpc) use self::shown::token;
pub(super) use self::shown::token_kind;
use super::{Clear, apis, cidrs, description, display_name, known, moment, permissions, pin};
use crate::authority::change::{ExtendToken, Extension, ResumeToken, RevokeToken, SuspendToken};
use crate::authority::directory::Uid;
use crate::authority::error::{Error, Faults};
use crate::authority::issue::CreateToken;
use crate::authority::list::{LibraryRef, TokenFilter};
use crate::authority::moment::{Lifetime, Until};
use crate::authority::name::{self as names, MAX_DESCRIPTION_BYTES, MAX_DISPLAY_NAME_BYTES, Name};
use crate::authority::permission::PermissionSet;
use crate::authority::rotate::RotateToken;
use crate::authority::secret::TokenId;
use crate::authority::token::{AccessRight, RevocationReason, TokenKind};
use crate::authority::update::UpdateToken;
use crate::proto::v1;

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
    let reason = match known::<v1::RevocationReason>(&mut faults, "reason", reason) {
        None | Some(v1::RevocationReason::Unspecified) => RevocationReason::Unspecified,
        Some(v1::RevocationReason::Compromised) => RevocationReason::Compromised,
        Some(v1::RevocationReason::Superseded) => RevocationReason::Superseded,
        Some(v1::RevocationReason::NoLongerNeeded) => RevocationReason::NoLongerNeeded,
        Some(v1::RevocationReason::OwnerLeft) => RevocationReason::OwnerLeft,
        Some(v1::RevocationReason::Other) => RevocationReason::Other,
    };
    faults.check()?;
    Ok(RevokeToken {
        id: token_id(&id)?,
        reason,
        comment,
    })
}

pub(in crate::grpc) fn token_id(text: &str) -> Result<TokenId, Error> {
    TokenId::parse(text).map_err(|why| Error::invalid("token_id", why.to_string()))
}

/// A library that is named by its uid, and by nothing else.
pub(in crate::grpc) fn library_uid(library: &str, uid: &str) -> Result<LibraryRef, Error> {
    if !library.is_empty() {
        let why = "must not be given together with library";
        return Err(Error::invalid("library_uid", why));
    }
    let uid = Uid::parse(uid).map_err(|why| Error::invalid("library_uid", why))?;
    Ok(LibraryRef::Uid(uid))
}

pub(in crate::grpc) fn token_filter(
    message: &v1::ListTokensRequest,
    library: LibraryRef,
) -> Result<TokenFilter, Error> {
    let v1::ListTokensRequest {
        library: _,
        library_uid: _,
        user,
        show_revoked,
        kind,
        page_size: _,
        page_token: _,
    } = message;
    let mut faults = Faults::default();
    let user = faults.take("user", Name::parse_optional(user)).flatten();
    let kind = match known::<v1::TokenKind>(&mut faults, "kind", *kind) {
        None | Some(v1::TokenKind::Unspecified) => None,
        Some(v1::TokenKind::Api) => Some(TokenKind::Api),
        Some(v1::TokenKind::Session) => Some(TokenKind::Session),
    };
    faults.check()?;
    Ok(TokenFilter {
        library,
        user,
        kind,
        show_revoked: *show_revoked,
    })
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
