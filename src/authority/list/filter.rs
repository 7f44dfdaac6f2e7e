//! Which tokens and which audit events are listed.

use super::LibraryRef;
use crate::authority::audit::AuditEvent;
use crate::authority::caller::Authorised;
use crate::authority::error::Error;
use crate::authority::index::{Place, Sort, View};
use crate::authority::moment::{Lifetime, Moment};
use crate::authority::name::Name;
use crate::authority::permission::Permission;
use crate::authority::policy;
use crate::authority::secret::TokenId;
use crate::authority::state::TokenState;
use crate::authority::token::{ImportStrength, Token, TokenKind};

/// Which tokens are listed, and in which order: those of which all holds.
#[derive(Debug, Clone)]
pub struct TokenFilter {
    /// Of this library; one that the caller reaches.
    pub library: LibraryRef,
    /// Of this kind alone.
    pub kind: Option<TokenKind>,
    /// In one of these states now.
    pub states: Vec<TokenState>,
    /// Of this user.
    pub user: Option<Name>,
    /// Pinned to an assignment in this department.
    pub department: Option<Name>,
    /// Pinned to an assignment with this user type.
    pub user_type: Option<Name>,
    /// Made then.
    pub created: Window,
    /// Expiring then.
    pub expires: Window,
    /// Not expired yet, but after this long from now.
    pub expires_within: Option<Lifetime>,
    /// Made by this one, as `library/user`.
    pub issued_by: Option<String>,
    /// The display name or the description holds this text, in whatever case.
    pub name_contains: Option<String>,
    /// With this permission in effect, in one department at least, if nothing but its rights is looked at.
    pub permission: Option<Permission>,
    /// Narrowed, or not narrowed, to client addresses of its own.
    pub restricted_by_ip: Option<bool>,
    /// Only those that last longer, from now on, than the library's policy allows.
    pub longer_than_policy: bool,
    /// Last used then.
    pub used: Window,
    /// Made before this moment, and not used since.
    pub unused_since: Option<Moment>,
    /// Imported with this strength.
    pub imported: Option<ImportStrength>,
    /// In this order.
    pub sort: Sort,
}

/// Which audit events are listed: those of which all holds.
#[derive(Debug, Clone)]
pub struct EventFilter {
    /// Of this library; one that the caller reaches.
    pub library: LibraryRef,
    /// Done to this token.
    pub token_id: Option<TokenId>,
    /// Done to this user, or to a token of its own.
    pub user: Option<Name>,
    /// Done by this one or in its name, as `library/user`.
    pub actor: Option<String>,
    /// What was done; with a dot at the end, all that begin so.
    pub action: Option<String>,
    /// Done then.
    pub time: Window,
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// Its first moment; `None` for no bound.
    pub from: Option<Moment>,
    /// The first moment after it; `None` for no bound.
    pub to: Option<Moment>,
}

/// A filter of tokens at the time of a call.
pub(super) struct Wanted<'a> {
    filter: &'a TokenFilter,
    name_contains: Option<String>,
    within: Window,
    now: Moment,
}

// === impl TokenFilter ===

impl TokenFilter {
    /// All of a library but the revoked ones, newest first.
    #[must_use]
    pub fn of(library: LibraryRef) -> TokenFilter {
        let mut states = TokenState::ALL.to_vec();
        states.retain(|state| *state != TokenState::Revoked);
        TokenFilter {
            library,
            states,
            kind: None,
            user: None,
            department: None,
            user_type: None,
            created: Window::default(),
            expires: Window::default(),
            expires_within: None,
            issued_by: None,
            name_contains: None,
            permission: None,
            restricted_by_ip: None,
            longer_than_policy: false,
            used: Window::default(),
            unused_since: None,
            imported: None,
            sort: Sort::default(),
        }
    }

    /// Who doesn't administer sees its own tokens, and of other users and libraries not even whether there are any.
    pub(super) fn within_reach(&self, by: &Authorised) -> Result<TokenFilter, Error> {
        if by.administers() {
            return Ok(self.clone());
        }
        let LibraryRef::Named(library) = &self.library else {
            return Err(Error::not_found("library"));
        };
        by.demand_own(library, self.user.as_ref())?;
        Ok(TokenFilter {
            user: Some(by.user.clone()),
            ..self.clone()
        })
    }
}

// === impl EventFilter ===

impl EventFilter {
    /// All of a library.
    #[must_use]
    pub fn of(library: LibraryRef) -> EventFilter {
        EventFilter {
            library,
            token_id: None,
            user: None,
            actor: None,
            action: None,
            time: Window::default(),
        }
    }

    /// Whether events within its time may still be left out.
    pub(in crate::authority) fn chooses(&self) -> bool {
        self.token_id.is_some()
            || self.user.is_some()
            || self.actor.is_some()
            || self.action.is_some()
    }

    pub(in crate::authority) fn wants(&self, event: &AuditEvent) -> bool {
        let token = self.token_id.map(|id| id.to_string());
        let action = |wanted: &String| {
            event.action == *wanted || (wanted.ends_with('.') && event.action.starts_with(wanted))
        };
        token.is_none_or(|id| event.token_id == id)
            && holds(self.user.as_ref(), |user| event.user == user.as_str())
            && holds(self.actor.as_ref(), |actor| {
                event.actor == **actor || event.acting_for == **actor
            })
            && holds(self.action.as_ref(), action)
            && self.time.holds(event.time)
    }
}

// === impl Window ===

impl Window {
    /// Whether a moment lies in it.
    #[must_use]
    pub fn holds(&self, moment: Moment) -> bool {
        self.from.is_none_or(|from| moment >= from) && self.to.is_none_or(|to| moment < to)
    }

    /// Where it lies in an order by that time: the place before it, and its last rank.
    fn places(&self, sort: Sort) -> (Option<Place>, i64) {
        let before = |moment: Moment| Moment(moment.0.saturating_sub(1));
        // What comes first in the order is the later end of the time, or the earlier one.
        let (ahead, last) = match sort {
            Sort::Created => (self.to, self.from),
            Sort::Expires => (self.from.map(before), self.to.map(before)),
        };
        let ahead = ahead.map(|moment| Place::last_of(sort.rank(moment)));
        (ahead, last.map_or(i64::MAX, |moment| sort.rank(moment)))
    }
}

// === impl Wanted ===

impl<'a> Wanted<'a> {
    pub(super) fn new(filter: &'a TokenFilter, now: Moment) -> Wanted<'a> {
        let within = match &filter.expires_within {
            None => Window::default(),
            Some(lifetime) => Window {
                from: Some(now),
                to: now.checked_add(lifetime),
            },
        };
        let name_contains = filter
            .name_contains
            .as_ref()
            .map(|text| text.to_lowercase());
        Wanted {
            filter,
            name_contains,
            within,
            now,
        }
    }

    pub(super) fn sort(&self) -> Sort {
        self.filter.sort
    }

    pub(super) fn user(&self) -> Option<&Name> {
        self.filter.user.as_ref()
    }

    /// Where to begin in the filter's order after this place, and the last rank to look at.
    pub(super) fn stretch(&self, after: Option<Place>) -> (Option<Place>, i64) {
        let sort = self.sort();
        let windows = match sort {
            Sort::Created => [self.filter.created, Window::default()],
            Sort::Expires => [self.filter.expires, self.within],
        };
        let bound = |(begin, end): (Option<Place>, i64), window: Window| {
            let (ahead, last) = window.places(sort);
            (begin.max(ahead), end.min(last))
        };
        windows.into_iter().fold((after, i64::MAX), bound)
    }

    /// Whether the index can't tell all.
    pub(super) fn reads_records(&self) -> bool {
        self.filter.issued_by.is_some() || self.name_contains.is_some()
    }

    /// Whether all holds that the index tells. `user` is the slot of the filter's user.
    pub(super) fn admits(&self, view: &View<'_>, user: Option<u32>) -> bool {
        let (filter, token, grant) = (self.filter, view.token, view.records.grant);
        let pin = grant.pin.as_ref();
        let department = pin.and_then(|pin| pin.department.as_ref());
        let restricted = !grant.allowed_cidrs.is_empty();
        user.is_none_or(|user| token.user == user)
            && filter.created.holds(token.create_time)
            && filter.expires.holds(token.expire_time)
            && self.within.holds(token.expire_time)
            && filter.restricted_by_ip.is_none_or(|is| is == restricted)
            && holds(filter.department.as_ref(), |wanted| {
                department == Some(wanted)
            })
            && holds(filter.user_type.as_ref(), |wanted| {
                pin.is_some_and(|pin| pin.user_type == *wanted)
            })
            && holds(filter.kind.as_ref(), |kind| {
                view.records.token.kind == *kind
            })
            && filter
                .imported
                .is_none_or(|strength| token.imported() == Some(strength))
            && filter.states.contains(&TokenState::of(view, self.now))
            && (!filter.longer_than_policy || policy::held_back(view, self.now).is_some())
            && self.admits_use(view)
            && holds(filter.permission.as_ref(), |permission| {
                let rights = view.records.rights(None);
                rights.is_some_and(|rights| rights.permits(permission))
            })
    }

    /// Whether all holds that the record alone tells.
    pub(super) fn admits_texts(&self, token: &Token) -> bool {
        let contains = |text: &str, part: &String| text.to_lowercase().contains(part);
        holds(self.filter.issued_by.as_ref(), |by| token.issued_by == **by)
            && holds(self.name_contains.as_ref(), |part| {
                contains(&token.display_name, part) || contains(&token.description, part)
            })
    }

    fn admits_use(&self, view: &View<'_>) -> bool {
        let (used, unused_since) = (self.filter.used, self.filter.unused_since);
        if used == Window::default() && unused_since.is_none() {
            return true;
        }
        let last = view.last_used();
        let is_unused = |since: &Moment| {
            view.token.create_time < *since && last.is_none_or(|last| last < *since)
        };
        holds(unused_since.as_ref(), is_unused)
            && (used == Window::default() || last.is_some_and(|last| used.holds(last)))
    }
}

/// Whether what is wanted holds; it does if nothing is.
fn holds<T>(wanted: Option<&T>, check: impl FnOnce(&T) -> bool) -> bool {
    wanted.is_none_or(check)
}
