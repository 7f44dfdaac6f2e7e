//! Libraries.

use super::{
    Clear, apis, cidrs, display_name, known, name, required_name, short, texts, timestamp,
};
use crate::authority::directory::{Library, SecretDisplay};
use crate::authority::error::{Error, Faults};
use crate::authority::idle::IdleTimeout;
use crate::authority::libraries::{CreateLibrary, DeleteLibrary, UpdateLibrary};
use crate::authority::moment::{Lifetime, Moment};
use crate::authority::name::{self as names, MAX_USAGE_BYTES, Name};
use crate::proto::v1;

/// The default and suggested lifetime of a library that is made without one.
const USUAL_LIFETIME: &str = "12mo";
/// The longest lifetime of a library that is made without one.
const LONGEST_LIFETIME: &str = "24mo";

pub(in crate::grpc) fn create_library(
    message: v1::CreateLibraryRequest,
) -> Result<CreateLibrary, Error> {
    let v1::CreateLibraryRequest {
        library,
        display_name: shown,
        tenant_id,
        tokens_enabled,
        default_lifetime,
        suggested_lifetime,
        max_lifetime,
        contact_apis,
        allowed_cidrs,
        secret_display: display,
        usage_instructions: usage,
        session_idle_timeout: idle,
        max_tokens_per_user,
        request_id: _,
    } = message;
    let mut faults = Faults::default();
    let library = required_name(&mut faults, "library", &library);
    let display_name = display_name(&mut faults, &shown);
    let tenant_id = short(&mut faults, "tenant_id", &tenant_id);
    let max_lifetime = lifetime(&mut faults, "max_lifetime", &max_lifetime, LONGEST_LIFETIME);
    let usual = usual_lifetime(max_lifetime.as_ref());
    let default_lifetime = lifetime(&mut faults, "default_lifetime", &default_lifetime, usual);
    let suggested_lifetime = lifetime(
        &mut faults,
        "suggested_lifetime",
        &suggested_lifetime,
        usual,
    );
    let contact_apis = apis(&mut faults, "contact_apis", &contact_apis);
    let allowed_cidrs = cidrs(&mut faults, &allowed_cidrs);
    let secret_display = secret_display(&mut faults, display).unwrap_or_default();
    let usage_instructions = faults
        .take("usage_instructions", names::text(&usage, MAX_USAGE_BYTES))
        .unwrap_or_default();
    let session_idle_timeout =
        faults.take("session_idle_timeout", IdleTimeout::parse_optional(&idle));
    faults.check()?;
    let absent = || Error::invalid("library", "must be given");
    Ok(CreateLibrary {
        library: library.ok_or_else(absent)?,
        display_name,
        tenant_id,
        tokens_enabled,
        default_lifetime: default_lifetime.ok_or_else(absent)?,
        suggested_lifetime: suggested_lifetime.ok_or_else(absent)?,
        max_lifetime: max_lifetime.ok_or_else(absent)?,
        contact_apis,
        allowed_cidrs,
        max_tokens_per_user,
        secret_display,
        usage_instructions,
        session_idle_timeout: session_idle_timeout.flatten(),
    })
}

pub(in crate::grpc) fn update_library(
    message: v1::UpdateLibraryRequest,
    library: Name,
) -> Result<UpdateLibrary, Error> {
    const CLEARABLE: [&str; 6] = [
        "display_name",
        "tenant_id",
        "contact_apis",
        "allowed_cidrs",
        "usage_instructions",
        "session_idle_timeout",
    ];
    let v1::UpdateLibraryRequest {
        library: _,
        display_name,
        tenant_id,
        state,
        tokens_enabled,
        default_lifetime,
        suggested_lifetime,
        max_lifetime,
        contact_apis: api_names,
        allowed_cidrs: networks,
        clear,
        etag,
        request_id: _,
        secret_display: display,
        usage_instructions: usage,
        session_idle_timeout: idle,
        max_tokens_per_user,
        dry_run: _,
    } = message;
    let mut faults = Faults::default();
    let clear = Clear(&clear);
    clear.check(&mut faults, &CLEARABLE);
    let display_name = clear
        .text(&mut faults, "display_name", display_name)
        .map(|t| short(&mut faults, "display_name", &t));
    let tenant_id = clear
        .text(&mut faults, "tenant_id", tenant_id)
        .map(|t| short(&mut faults, "tenant_id", &t));
    let disabled =
        state.and_then(
            |state| match known::<v1::LibraryState>(&mut faults, "state", state) {
                None | Some(v1::LibraryState::Unspecified) => None,
                Some(v1::LibraryState::Active) => Some(false),
                Some(v1::LibraryState::Disabled) => Some(true),
            },
        );
    let mut changed = |field, text: Option<String>| {
        text.and_then(|text| faults.take(field, Lifetime::parse(&text)))
    };
    let default_lifetime = changed("default_lifetime", default_lifetime);
    let suggested_lifetime = changed("suggested_lifetime", suggested_lifetime);
    let max_lifetime = changed("max_lifetime", max_lifetime);
    let names = apis(&mut faults, "contact_apis", &api_names);
    let contact_apis = clear.list(&mut faults, "contact_apis", &api_names, names, Vec::new());
    let parsed = cidrs(&mut faults, &networks);
    let allowed_cidrs = clear.list(&mut faults, "allowed_cidrs", &networks, parsed, Vec::new());
    let secret_display = display.and_then(|display| secret_display(&mut faults, display));
    let usage = clear.text(&mut faults, "usage_instructions", usage);
    let usage_instructions = usage
        .and_then(|text| faults.take("usage_instructions", names::text(&text, MAX_USAGE_BYTES)));
    let idle = clear.text(&mut faults, "session_idle_timeout", idle);
    let session_idle_timeout = idle
        .and_then(|text| faults.take("session_idle_timeout", IdleTimeout::parse_optional(&text)));
    faults.check()?;
    Ok(UpdateLibrary {
        library,
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
        usage_instructions,
        session_idle_timeout,
        etag,
    })
}

pub(in crate::grpc) fn delete_library(
    message: v1::DeleteLibraryRequest,
) -> Result<DeleteLibrary, Error> {
    let v1::DeleteLibraryRequest {
        library,
        etag,
        request_id: _,
    } = message;
    Ok(DeleteLibrary {
        library: name("library", &library)?,
        etag,
    })
}

pub(in crate::grpc) fn library(
    library: Library,
    etag: String,
    usage_instructions: String,
) -> v1::Library {
    let Library {
        library,
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
        has_usage: _,
        session_idle_timeout,
        create_time,
    } = library;
    v1::Library {
        library: library.to_string(),
        uid: uid.to_string(),
        display_name,
        tenant_id,
        state: if disabled {
            v1::LibraryState::Disabled
        } else {
            v1::LibraryState::Active
        }
        .into(),
        tokens_enabled: Some(tokens_enabled),
        default_lifetime: default_lifetime.as_str().to_owned(),
        suggested_lifetime: suggested_lifetime.as_str().to_owned(),
        max_lifetime: max_lifetime.as_str().to_owned(),
        contact_apis: texts(&contact_apis),
        allowed_cidrs: texts(&allowed_cidrs),
        create_time: Some(timestamp(create_time)),
        etag,
        secret_display: match secret_display {
            SecretDisplay::Once => v1::SecretDisplay::Once,
            SecretDisplay::Revealable => v1::SecretDisplay::Revealable,
        }
        .into(),
        usage_instructions,
        session_idle_timeout: session_idle_timeout
            .map(|timeout| timeout.as_str().to_owned())
            .unwrap_or_default(),
        max_tokens_per_user,
    }
}

fn secret_display(faults: &mut Faults, display: i32) -> Option<SecretDisplay> {
    match known::<v1::SecretDisplay>(faults, "secret_display", display)? {
        v1::SecretDisplay::Unspecified => None,
        v1::SecretDisplay::Once => Some(SecretDisplay::Once),
        v1::SecretDisplay::Revealable => Some(SecretDisplay::Revealable),
    }
}

/// What a library that is made without other lifetimes suggests: never more than it allows.
fn usual_lifetime(longest: Option<&Lifetime>) -> &str {
    let after = |lifetime: &Lifetime| Moment(0).checked_add(lifetime);
    let usual = Lifetime::parse(USUAL_LIFETIME).ok();
    let shorter = longest.filter(|longest| after(longest) <= usual.as_ref().and_then(after));
    shorter.map_or(USUAL_LIFETIME, Lifetime::as_str)
}

fn lifetime(faults: &mut Faults, field: &str, text: &str, default: &str) -> Option<Lifetime> {
    faults.take(
        field,
        Lifetime::parse(if text.is_empty() { default } else { text }),
    )
}
