//! Review: which tokens an administrator should look at, and why. Pure: what the index knows, what was used, the time.

use super::index::View;
use super::keyspace::Versioned;
use super::moment::Moment;
use super::permission::{Permission, Reserved};
use super::policy;
use super::state::TokenState;
use super::token::{ImportStrength, Token, TokenKind};
use super::uses::Use;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// A token that was never used is told of once it has been good for so long: until then it is about to be put to use.
const NEW_MS: i64 = 7 * DAY_MS;
/// One that was not used for so long may not be needed any more.
const UNUSED_MS: i64 = 90 * DAY_MS;
/// Before an expiry there is this much time to extend or to replace a token.
const SOON_MS: i64 = 30 * DAY_MS;

/// Why a token should be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReviewReason {
    /// Its user or its library is disabled.
    OwnerDisabled,
    /// It has been good for a week, and was never used.
    NeverUsed,
    /// It was not used for 90 days.
    Unused,
    /// It expires within 30 days, and no other has taken its place.
    ExpiresSoon,
    /// It lasts longer than the library's policy allows now.
    LongerThanPolicy,
    /// It has permissions that nothing so far needed.
    MoreRightsThanUsed,
    /// It may be used from anywhere.
    NoIpRestriction,
    /// It was imported, its string can be guessed, and no other has taken its place.
    ImportedWeak,
}

/// What was found of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Why it should be looked at; never empty.
    pub reasons: Vec<ReviewReason>,
    /// The permissions in effect that nothing so far needed.
    pub unused_permissions: Vec<String>,
    /// The latest expiry that policy would allow it, if it lasts longer.
    pub latest_expire_time: Option<Moment>,
}

/// A token that should be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The token.
    pub token: Versioned<Token>,
    /// What was found of it.
    pub found: Found,
}

/// Looks at a token; `None` if there is nothing to say of it, or if it has ended.
pub(super) fn review(view: &View<'_>, now: Moment) -> Option<Found> {
    match TokenState::of(view, now) {
        TokenState::Active | TokenState::Suspended | TokenState::NotYetValid => {}
        TokenState::Expired | TokenState::Revoked | TokenState::OwnerDeleted => return None,
    }
    let used = view.used();
    // A session is used from wherever its user is, with all its rights, and ends by itself.
    let is_api = view.records.token.kind == TokenKind::Api;
    let latest_expire_time = policy::held_back(view, now);
    let unused_permissions = if is_api {
        unused_permissions(view, &used)
    } else {
        Vec::new()
    };
    let last = used.last.as_ref().map(|last| last.time);
    let good_since = view.token.create_time.max(view.token.not_before);
    let restricted = |library: &[_], own: &[_]| !(library.is_empty() && own.is_empty());
    let library = view.records.library.map(|library| &library.value);
    let owner_disabled = library.is_none_or(|library| library.disabled)
        || view.records.user.is_none_or(|user| user.disabled);
    let reasons = [
        (ReviewReason::OwnerDisabled, owner_disabled),
        (
            ReviewReason::NeverUsed,
            last.is_none() && now >= good_since.plus(NEW_MS),
        ),
        (
            ReviewReason::Unused,
            last.is_some_and(|last| now >= last.plus(UNUSED_MS)),
        ),
        (
            ReviewReason::ExpiresSoon,
            is_api && view.successor.is_none() && view.token.expire_time <= now.plus(SOON_MS),
        ),
        (ReviewReason::LongerThanPolicy, latest_expire_time.is_some()),
        (
            ReviewReason::MoreRightsThanUsed,
            !unused_permissions.is_empty(),
        ),
        (
            ReviewReason::NoIpRestriction,
            is_api
                && !restricted(
                    library.map_or(&[][..], |library| &library.allowed_cidrs),
                    &view.records.grant.allowed_cidrs,
                ),
        ),
        (
            ReviewReason::ImportedWeak,
            view.token.imported() == Some(ImportStrength::Weak) && view.successor.is_none(),
        ),
    ];
    let reasons: Vec<_> = reasons
        .into_iter()
        .filter_map(|(reason, holds)| holds.then_some(reason))
        .collect();
    (!reasons.is_empty()).then_some(Found {
        reasons,
        unused_permissions,
        latest_expire_time,
    })
}

/// The permissions in effect that none of the demands so far needed. Nothing is said of a token for which nothing was
/// demanded, nor of one for which more was than is known.
fn unused_permissions(view: &View<'_>, used: &Use) -> Vec<String> {
    if used.permissions.is_empty() || used.more_permissions {
        return Vec::new();
    }
    let Some(rights) = view.records.rights(None) else {
        return Vec::new();
    };
    let demanded: Vec<Permission> = used
        .permissions
        .iter()
        .filter_map(|text| Permission::parse(text).ok())
        .collect();
    let needed = |reserved: Reserved| {
        // Calls of this API demand the least that may do: who manages all tokens is asked for the right to its own.
        demanded.iter().any(|demand| {
            let demand = Reserved::ALL
                .into_iter()
                .find(|r| r.as_str() == demand.as_str());
            demand.is_some_and(|demand| demand.included_in().any(|r| r == reserved))
        })
    };
    let effective = rights.effective();
    // What comes with a right that was needed can't be taken away.
    let kept = |reserved: Reserved| {
        reserved
            .included_in()
            .any(|wider| effective.reserved.contains(wider) && needed(wider))
    };
    let reserved = effective
        .reserved
        .iter()
        .filter(|reserved| !kept(*reserved))
        .map(|reserved| reserved.as_str().to_owned());
    let patterns = effective
        .patterns()
        .iter()
        .filter(|pattern| {
            let demands = demanded.iter().filter(|demand| !demand.is_reserved());
            !demands.into_iter().any(|demand| pattern.permits(demand))
        })
        .map(|pattern| pattern.as_str().to_owned());
    reserved.chain(patterns).collect()
}
