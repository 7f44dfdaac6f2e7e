//! What a library's policy, a user and the size of a record allow of a token.

use super::cidr;
use super::directory::{Library, UserKind};
use super::error::{Error, Reason};
use super::index::{LibrarySlot, View};
use super::judge::UserFacts;
use super::keyspace;
use super::moment::{Lifetime, Moment, Until};
use super::name::Name;
use super::permission::{PermissionSet, Reserved, ReservedSet};
use super::token::{Grant, Token};
use crate::store::MAX_VALUE_BYTES;

/// Permissions that a warning names; it counts the others, since warnings are kept for a repeat of the call.
const NAMED_IN_WARNING: usize = 8;
/// Left in the record of a token for each thing that may yet happen to it, bytes: that it takes another's place, its
/// suspension, its rotation and its revocation. Each names who did it, and when, in at most 145 bytes, or 170 with another token's id.
const EVENT_BYTES: usize = 256;

/// The expiry of a token that is made now, within what the library allows; and whether the default was held back.
///
/// # Errors
/// `InvalidFields` that names the latest time.
pub(super) fn expiry(
    asked: Option<&Until>,
    default: Moment,
    library: &Library,
    now: Moment,
) -> Result<(Moment, bool), Error> {
    let latest = latest_expiry(library, now);
    let after = |lifetime| now.checked_add(lifetime).unwrap_or(Moment(i64::MAX));
    let (field, end) = match asked {
        // "31d" passes "1mo" in a short month: nobody asked for it, so it is held back.
        None => return Ok((default.min(latest), default > latest)),
        Some(Until::Moment(end)) => ("expire_time", *end),
        Some(Until::Date(end)) => ("lifetime", *end),
        Some(Until::Lifetime(lifetime)) => ("lifetime", after(lifetime)),
    };
    if end <= now {
        return Err(Error::invalid(
            field,
            format!("must end in the future; the latest is {latest}"),
        ));
    }
    if end > latest {
        return Err(Error::invalid(
            field,
            format!(
                "must end by {latest}: the library's max_lifetime is {}",
                library.max_lifetime.as_str()
            ),
        ));
    }
    Ok((end, false))
}

/// A token's record leaves room for what may yet happen to it. The reasons given then are kept as far as there is room, and
/// in the audit event in any case.
pub(super) fn leaves_room(token: &Token) -> Result<(), Error> {
    let yet = [
        token.rotated_from.is_none(),
        token.suspension.is_none(),
        token.succession.is_none(),
        token.revocation.is_none(),
    ];
    let needed = yet.into_iter().filter(|may| *may).count() * EVENT_BYTES;
    if has_room(token, needed) {
        return Ok(());
    }
    Err(Error::invalid(
        "permissions",
        "make, with apis, allowed_cidrs and description, a record larger than 4 KiB; shorten these",
    ))
}

/// Whether a token's record may grow by this many bytes.
pub(super) fn has_room(token: &Token, bytes: usize) -> bool {
    keyspace::encode(token).len() + bytes <= MAX_VALUE_BYTES
}

/// Tokens may be made and extended in this library.
pub(super) fn tokens_allowed(library: &Library) -> Result<(), Error> {
    if !library.tokens_enabled {
        return Err(Error::new(
            Reason::TokensNotEnabled,
            "the library does not allow tokens to be made or extended; an operator can set tokens_enabled",
        ));
    }
    if library.disabled {
        return Err(Error::new(
            Reason::OwnerDisabled,
            "the library is disabled; an operator can make it active",
        ));
    }
    Ok(())
}

/// No token is made for a user that is disabled.
pub(super) fn demand_active_user(user: &UserFacts) -> Result<(), Error> {
    if user.disabled {
        return Err(Error::new(
            Reason::OwnerDisabled,
            "the user is disabled; make it active first",
        ));
    }
    Ok(())
}

/// The latest expiry that the library's policy allows.
pub(super) fn latest_expiry(library: &Library, now: Moment) -> Moment {
    now.checked_add(&library.max_lifetime)
        .unwrap_or(Moment::MAX)
}

/// The latest expiry that the library's policy allows a token now; `None` for one that is within it.
pub(super) fn held_back(view: &View<'_>, now: Moment) -> Option<Moment> {
    // A deleted library has no policy any more.
    let library = view.records.library?;
    let latest = latest_expiry(&library.value, now);
    (view.token.expire_time > latest).then_some(latest)
}

/// A warning for an expiry beyond what the library suggests.
pub(super) fn longer_than_suggested(library: &Library, now: Moment, end: Moment) -> Option<String> {
    let suggested: &Lifetime = &library.suggested_lifetime;
    now.checked_add(suggested)
        .is_some_and(|limit| end > limit)
        .then(|| {
            format!(
                "the token lasts longer than the {} that the library suggests",
                suggested.as_str()
            )
        })
}

/// A grant must mean something for this user, within the library's policy.
pub(super) fn check_grant(grant: &Grant, library: &Library, user: &UserFacts) -> Result<(), Error> {
    grant.check_list()?;
    if grant
        .pin
        .as_ref()
        .is_some_and(|pin| !user.assignments.contains(pin))
    {
        return Err(Error::invalid(
            "user_type",
            "must be, with department, one of the user's assignments",
        ));
    }
    if user.kind == UserKind::Contact {
        if library.contact_apis.is_empty() || grant.apis.is_empty() {
            return Err(Error::invalid(
                "apis",
                "must be named for a contact's token, among the library's contact_apis; set those first",
            ));
        }
        if !within_contact_apis(&grant.apis, library) {
            return Err(Error::invalid(
                "apis",
                "must be among the library's contact_apis for a contact's token",
            ));
        }
    }
    Ok(())
}

/// Whether a contact's token is good for no other APIs than the library's policy has for contacts.
pub(super) fn within_contact_apis(apis: &[Name], library: &Library) -> bool {
    !apis.is_empty() && apis.iter().all(|api| library.contact_apis.contains(api))
}

/// Whether no address is in both the networks of a token and those of its library.
pub(super) fn used_from_nowhere(grant: &Grant, library: &Library) -> bool {
    let (own, required) = (&grant.allowed_cidrs, &library.allowed_cidrs);
    let restricted = !own.is_empty() && !required.is_empty();
    restricted && cidr::common_address(own, required).is_none()
}

/// A warning for such networks.
pub(super) fn nowhere(grant: &Grant, library: &Library) -> Option<String> {
    used_from_nowhere(grant, library).then(|| {
        "no address is in both the token's allowed_cidrs and the library's: it can't be used from anywhere"
            .to_owned()
    })
}

/// A warning for a token that may do nothing, since all that its user has must be listed, and is not.
pub(super) fn unlisted(grant: &Grant, user: &UserFacts, library: &LibrarySlot) -> Option<String> {
    let has = assigned(grant, user, library);
    let only_reserved = !has.is_empty() && has.iter().all(|set| set.patterns().is_empty());
    let listed = !grant.permissions.reserved.is_empty() || !grant.permissions.patterns().is_empty();
    let held = held(&has);
    if listed || held.is_empty() || !only_reserved {
        return None;
    }
    let held: Vec<&str> = held.iter().map(Reserved::as_str).collect();
    Some(format!(
        "the token may do nothing: it has {} only if its permissions list it",
        held.join(", ")
    ))
}

/// What the user types of those assignments give that a grant leaves.
fn assigned<'a>(
    grant: &Grant,
    user: &UserFacts,
    library: &'a LibrarySlot,
) -> Vec<&'a PermissionSet> {
    user.assignments
        .iter()
        .filter(|a| grant.pin.as_ref().is_none_or(|pin| pin == *a))
        .filter_map(|a| Some(&library.user_types.get(&a.user_type)?.value.permissions))
        .collect()
}

fn held(has: &[&PermissionSet]) -> ReservedSet {
    has.iter().fold(ReservedSet::default(), |held, set| {
        held.union(set.reserved.held())
    })
}

/// A warning for permissions that are listed but that the user does not have: they give nothing.
pub(super) fn in_vain(grant: &Grant, user: &UserFacts, library: &LibrarySlot) -> Vec<String> {
    let has = assigned(grant, user, library);
    let ordinary = grant.permissions.patterns().iter().filter(|listed| {
        !has.iter().any(|set| {
            set.patterns()
                .iter()
                .any(|p| p.parts().intersect(listed.parts()).is_some())
        })
    });
    let reserved = grant.permissions.reserved.without(held(&has));
    let missing: Vec<String> = ordinary
        .map(|p| p.as_str().to_owned())
        .chain(reserved.iter().map(|r| r.as_str().to_owned()))
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let named = missing[..missing.len().min(NAMED_IN_WARNING)].join(", ");
    let more = match missing.len().saturating_sub(NAMED_IN_WARNING) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    vec![format!(
        "the user does not have {named}{more}: the token has it only once the user does"
    )]
}
