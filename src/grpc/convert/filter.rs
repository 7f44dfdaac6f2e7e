//! Which tokens and which audit events a list is of.

use super::import::listed_strength;
use super::{known, moment};
use crate::authority::audit::AUTHORITY;
use crate::authority::directory::Uid;
use crate::authority::error::{Error, Faults};
use crate::authority::index::Sort;
use crate::authority::list::{EventFilter, LibraryRef, TokenFilter, Window};
use crate::authority::moment::Lifetime;
use crate::authority::name::{self as names, MAX_DISPLAY_NAME_BYTES, Name};
use crate::authority::permission::Permission;
use crate::authority::secret::TokenId;
use crate::authority::state::TokenState;
use crate::authority::token::TokenKind;
use crate::proto::v1;

/// Longest action, bytes: far longer than any there is.
const MAX_ACTION_BYTES: usize = 64;

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
        page_size: _,
        page_token: _,
        states,
        department,
        user_type,
        created_after,
        created_before,
        expires_after,
        expires_before,
        expires_within,
        issued_by,
        name_contains,
        permission,
        restricted_by_ip,
        longer_than_policy,
        sort,
        kind,
        used_after,
        used_before,
        unused_since,
        imported,
    } = message;
    let mut faults = Faults::default();
    let kind = match known::<v1::TokenKind>(&mut faults, "kind", *kind) {
        None | Some(v1::TokenKind::Unspecified) => None,
        Some(v1::TokenKind::Api) => Some(TokenKind::Api),
        Some(v1::TokenKind::Session) => Some(TokenKind::Session),
    };
    if !expires_within.is_empty() && (expires_after.is_some() || expires_before.is_some()) {
        faults.add(
            "expires_within",
            "must not be given together with expires_after or expires_before",
        );
    }
    let mut name = |field: &str, text: &str| faults.take(field, Name::parse_optional(text));
    let user = name("user", user).flatten();
    let department = name("department", department).flatten();
    let user_type = name("user_type", user_type).flatten();
    let states = token_states(&mut faults, states, *show_revoked);
    let created = [
        ("created_after", *created_after),
        ("created_before", *created_before),
    ];
    let created = window(&mut faults, created);
    let expires = [
        ("expires_after", *expires_after),
        ("expires_before", *expires_before),
    ];
    let expires = window(&mut faults, expires);
    let last_used = [("used_after", *used_after), ("used_before", *used_before)];
    let last_used = window(&mut faults, last_used);
    let unused_since = unused_since.and_then(|time| faults.take("unused_since", moment(time)));
    if unused_since.is_some() && (used_after.is_some() || used_before.is_some()) {
        faults.add(
            "unused_since",
            "must not be given together with used_after or used_before",
        );
    }
    let expires_within =
        given(expires_within).and_then(|text| faults.take("expires_within", Lifetime::parse(text)));
    let issued_by = given(issued_by).and_then(|text| faults.take("issued_by", actor(text)));
    let name_contains = given(name_contains)
        .and_then(|text| faults.take("name_contains", names::text(text, MAX_DISPLAY_NAME_BYTES)));
    let permission =
        given(permission).and_then(|text| faults.take("permission", Permission::parse(text)));
    let sort = match known::<v1::TokenSort>(&mut faults, "sort", *sort) {
        None | Some(v1::TokenSort::Unspecified | v1::TokenSort::Created) => Sort::Created,
        Some(v1::TokenSort::Expires) => Sort::Expires,
    };
    let imported = listed_strength(&mut faults, *imported);
    faults.check()?;
    Ok(TokenFilter {
        kind,
        imported,
        library,
        states,
        user,
        department,
        user_type,
        created,
        expires,
        expires_within,
        issued_by,
        name_contains,
        permission,
        restricted_by_ip: *restricted_by_ip,
        longer_than_policy: *longer_than_policy,
        used: last_used,
        unused_since,
        sort,
    })
}

pub(in crate::grpc) fn event_filter(
    message: &v1::ListAuditEventsRequest,
    library: LibraryRef,
) -> Result<EventFilter, Error> {
    let v1::ListAuditEventsRequest {
        library: _,
        library_uid: _,
        page_size: _,
        page_token: _,
        token_id,
        user,
        actor: by,
        action: done,
        since,
        until,
    } = message;
    let mut faults = Faults::default();
    let of_events = chosen_events(&mut faults, library, [token_id, user, by, done]);
    let time = window(&mut faults, [("since", *since), ("until", *until)]);
    faults.check()?;
    Ok(EventFilter { time, ..of_events })
}

pub(in crate::grpc) fn watch_filter(
    message: &v1::WatchEventsRequest,
    library: LibraryRef,
) -> Result<EventFilter, Error> {
    let v1::WatchEventsRequest {
        library: _,
        library_uid: _,
        after_revision: _,
        token_id,
        user,
        actor: by,
        action: done,
    } = message;
    let mut faults = Faults::default();
    let of_events = chosen_events(&mut faults, library, [token_id, user, by, done]);
    faults.check()?;
    Ok(of_events)
}

/// What lists and watches are narrowed by alike.
fn chosen_events(
    faults: &mut Faults,
    library: LibraryRef,
    [token_id, user, by, done]: [&String; 4],
) -> EventFilter {
    EventFilter {
        token_id: given(token_id).and_then(|id| faults.take("token_id", TokenId::parse(id))),
        user: faults.take("user", Name::parse_optional(user)).flatten(),
        actor: given(by).and_then(|text| faults.take("actor", actor(text))),
        action: given(done).and_then(|text| faults.take("action", action(text))),
        ..EventFilter::of(library)
    }
}

fn given(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// The states that are asked for, each once and in their order: the same list, however it is asked for.
fn token_states(faults: &mut Faults, numbers: &[i32], show_revoked: bool) -> Vec<TokenState> {
    if show_revoked && !numbers.is_empty() {
        faults.add(
            "show_revoked",
            "must not be given together with states; name REVOKED among them",
        );
    }
    let parse = |number: &i32| match v1::TokenState::try_from(*number) {
        Ok(v1::TokenState::Active) => Ok(TokenState::Active),
        Ok(v1::TokenState::Suspended) => Ok(TokenState::Suspended),
        Ok(v1::TokenState::NotYetValid) => Ok(TokenState::NotYetValid),
        Ok(v1::TokenState::Expired) => Ok(TokenState::Expired),
        Ok(v1::TokenState::Revoked) => Ok(TokenState::Revoked),
        Ok(v1::TokenState::OwnerDeleted) => Ok(TokenState::OwnerDeleted),
        Ok(v1::TokenState::Unspecified) | Err(_) => Err("must be a state that this server knows"),
    };
    let named = faults.take_list("states", numbers, TokenState::ALL.len(), parse);
    let shown = |state: &TokenState| match numbers {
        [] => show_revoked || *state != TokenState::Revoked,
        _ => named.contains(state),
    };
    TokenState::ALL.into_iter().filter(shown).collect()
}

fn window(
    faults: &mut Faults,
    [(from_field, from), (to_field, to)]: [(&str, Option<prost_types::Timestamp>); 2],
) -> Window {
    let from = from.and_then(|time| faults.take(from_field, moment(time)));
    let to = to.and_then(|time| faults.take(to_field, moment(time)));
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        faults.add(to_field, format!("must be later than {from_field}"));
    }
    Window { from, to }
}

/// Somebody as events and tokens name it.
fn actor(text: &str) -> Result<String, &'static str> {
    let named = text
        .split_once('/')
        .is_some_and(|(library, user)| Name::parse(library).is_ok() && Name::parse(user).is_ok());
    if named || text == AUTHORITY {
        Ok(text.to_owned())
    } else {
        Err("must be a library and a user, such as \"acme/jane\", or \"token-authority\"")
    }
}

fn action(text: &str) -> Result<String, &'static str> {
    let letter = |b: u8| b.is_ascii_lowercase() || matches!(b, b'.' | b'_' | b'-');
    if text.len() <= MAX_ACTION_BYTES && text.bytes().all(letter) {
        Ok(text.to_owned())
    } else {
        Err(
            "must be an action such as \"token.create\", or the beginning of some with its dot, such as \"token.\"",
        )
    }
}
