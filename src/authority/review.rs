//! Review: which tokens an administrator should look at, and why. Pure: what the index knows, what was used, the time.

mod spare;

use self::spare::Spare;
use super::index::View;
use super::keyspace::Versioned;
use super::moment::Moment;
use super::policy;
use super::state::TokenState;
use super::token::{ImportStrength, Token, TokenKind};

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
    /// It lasts longer, from now on, than the library's policy allows.
    LongerThanPolicy,
    /// It could do with fewer permissions, by what was demanded so far.
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
    /// The permissions that nothing so far needed: of those that its grant lists, or where the grant keeps all that its user
    /// has, of those. 64 at most.
    pub unused_permissions: Vec<String>,
    /// If there are any: the list that would do in their place, for a grant that keeps nothing else. Empty if nothing of it
    /// was needed.
    pub needed_permissions: Vec<String>,
    /// The latest expiry that policy would allow it now, if it lasts longer.
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

// === impl Found ===

impl Found {
    /// Bytes of the permissions that are named.
    pub(super) fn bytes(&self) -> usize {
        let named = self.unused_permissions.iter();
        named.chain(&self.needed_permissions).map(String::len).sum()
    }
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
    let spare = if is_api {
        Spare::of(view, &used)
    } else {
        Spare::default()
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
        (ReviewReason::MoreRightsThanUsed, !spare.unused.is_empty()),
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
        unused_permissions: spare.unused,
        needed_permissions: spare.needed,
        latest_expire_time,
    })
}
