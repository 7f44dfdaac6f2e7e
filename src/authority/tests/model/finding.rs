//! Lists of tokens and of events: what a filter leaves, found by looking at everything.

use std::cmp::Reverse;

use super::calendar::later;
use super::caller::Standing;
use super::change::{DEPARTMENTS, LIBRARIES, TYPES, USERS, maybe};
use super::compare::state_text;
use super::records::{Event, Model, Text, Token};
use super::world::World;
use crate::authority::error::Reason;
use crate::authority::index::Sort;
use crate::authority::list::{EventFilter, LibraryRef, TokenFilter, Window};
use crate::authority::moment::Moment;
use crate::authority::name::Name;
use crate::authority::state::TokenState;
use crate::authority::tests::dice::Dice;
use crate::authority::tests::naive::has;
use crate::authority::tests::samples::{demanded, lifetime, name, named};
use crate::authority::tests::stage::DAY;
use crate::authority::token::{ImportStrength, TokenKind};

/// Which library is listed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Listed {
    Named(Text),
    /// One that is there or was, by its uid.
    Numbered(usize),
}

/// From and to, in milliseconds from now; the second is the first moment after it.
type Span = (Option<i64>, Option<i64>);

#[derive(Debug, Clone)]
pub(super) struct ListTokens {
    pub(super) library: Listed,
    pub(super) session: Option<bool>,
    pub(super) states: Vec<TokenState>,
    pub(super) user: Option<Text>,
    pub(super) department: Option<Text>,
    pub(super) user_type: Option<Text>,
    pub(super) created: Span,
    pub(super) expires: Span,
    pub(super) within: Option<Text>,
    pub(super) issued_by: Option<Text>,
    pub(super) name_contains: Option<Text>,
    pub(super) permission: Option<Text>,
    pub(super) restricted: Option<bool>,
    pub(super) longer: bool,
    pub(super) imported_strong: Option<bool>,
    pub(super) used: Span,
    /// So many milliseconds from now.
    pub(super) unused_since: Option<i64>,
    pub(super) soonest_first: bool,
    pub(super) page: i32,
}

#[derive(Debug, Clone)]
pub(super) struct ListEvents {
    pub(super) library: Listed,
    /// About the token of the so-manieth event.
    pub(super) token: Option<usize>,
    pub(super) user: Option<Text>,
    pub(super) actor: Option<Text>,
    pub(super) action: Option<Text>,
    pub(super) time: Span,
    pub(super) page: i32,
}

// === impl Listed ===

impl Listed {
    pub(super) fn any(dice: &mut Dice) -> Listed {
        match dice.roll() {
            0..220 => {
                Listed::Named(dice.one(&["", LIBRARIES[0], LIBRARIES[0], LIBRARIES[1], "system"]))
            }
            roll => Listed::Numbered(roll),
        }
    }

    /// The library as the call names it.
    pub(super) fn fix(self, model: &Model, by: &Standing) -> Result<Listed, Reason> {
        match self {
            Listed::Named(text) => Ok(Listed::Named(model.reach(by, text)?)),
            Listed::Numbered(number) => {
                by.demand_operator()?;
                Ok(Listed::Numbered(number % model.libraries.len()))
            }
        }
    }

    pub(super) fn at(self, model: &Model) -> Result<usize, Reason> {
        match self {
            Listed::Named(text) => model.library(text).ok_or(Reason::NotFound),
            Listed::Numbered(at) => Ok(at),
        }
    }

    fn reference(self, world: &World) -> LibraryRef {
        match self {
            Listed::Named(text) => named(text),
            Listed::Numbered(at) => LibraryRef::Uid(world.uids[at]),
        }
    }
}

// === impl ListTokens ===

impl ListTokens {
    pub(super) fn any(dice: &mut Dice) -> ListTokens {
        let library = Listed::any(dice);
        let by_name = matches!(library, Listed::Named(_));
        let some_states = dice.chance(30);
        ListTokens {
            library,
            session: maybe(dice, 5, |dice| dice.chance(50)),
            states: if some_states {
                dice.some(&TokenState::ALL, 3)
            } else {
                TokenState::ALL.to_vec()
            },
            user: maybe(dice, 12, |dice| dice.one(&USERS)).filter(|_| by_name),
            department: maybe(dice, 5, |dice| dice.one(&DEPARTMENTS[1..])),
            user_type: maybe(dice, 5, |dice| dice.one(&TYPES)),
            created: any_span(dice, 8),
            expires: any_span(dice, 8),
            within: maybe(dice, 5, |dice| dice.one(&["30d", "1h", "12mo"])),
            issued_by: maybe(dice, 8, |dice| {
                dice.one(&["system/root", "acme/adam", "acme/jane"])
            }),
            name_contains: maybe(dice, 8, |dice| dice.one(&["TILL", "export", "über"])),
            permission: maybe(dice, 5, |dice| {
                dice.one(&["orders:read", "tokens:self", "users:list"])
            }),
            restricted: maybe(dice, 5, |dice| dice.chance(50)),
            longer: dice.chance(8),
            imported_strong: maybe(dice, 6, |dice| dice.chance(50)),
            used: any_span(dice, 8),
            unused_since: maybe(dice, 6, |dice| dice.one(&[0, -DAY, -90 * DAY, DAY])),
            soonest_first: dice.chance(50),
            page: dice.one(&[7, 1, 50, 3, 0]),
        }
    }

    /// All of a library.
    pub(super) fn all_of(library: usize) -> ListTokens {
        let dull = ListTokens::any(&mut Dice(Vec::new()));
        ListTokens {
            library: Listed::Numbered(library),
            page: 100,
            ..dull
        }
    }

    /// `ready` tells whether all tokens are loaded: before, none are listed.
    pub(super) fn expected(
        &self,
        model: &Model,
        by: &Standing,
        ready: bool,
    ) -> Result<Vec<usize>, Reason> {
        if !by.administers() {
            match self.library {
                Listed::Named(library) => by.demand_own(model, library, self.user)?,
                Listed::Numbered(_) => return Err(Reason::NotFound),
            }
        }
        let library = self.library.at(model)?;
        if !ready {
            return Err(Reason::NotReady);
        }
        let user = self.user(model, by);
        let user = match user {
            Some(name) => Some(model.user(library, name).ok_or(Reason::NotFound)?),
            None => None,
        };
        let found = model.tokens.iter().enumerate().filter(|(_, token)| {
            token.library == library
                && user.is_none_or(|user| token.user == user)
                && self.wants(model, token)
        });
        Ok(found.map(|(at, _)| at).collect())
    }

    /// Who doesn't administer sees its own tokens.
    fn user(&self, model: &Model, by: &Standing) -> Option<Text> {
        if by.administers() {
            self.user
        } else {
            Some(model.users[by.user].name)
        }
    }

    fn wants(&self, model: &Model, token: &Token) -> bool {
        let (now, pin) = (model.now, token.grant.pin);
        let state = model.state(token);
        let library = &model.libraries[token.library];
        let permitted = |wanted| model.is_owned(token) && has(&model.plain(token), wanted);
        let policy = || later(now, library.longest);
        let used = token.used.last.as_ref().map(|last| last.time);
        let unused =
            |since: i64| token.created < now + since && used.is_none_or(|used| used < now + since);
        let texts = [token.display_name, token.description].map(str::to_lowercase);
        let checks = [
            self.states.iter().any(|s| state_text(*s) == state),
            self.session.is_none_or(|session| session == token.session),
            self.department
                .is_none_or(|d| pin.is_some_and(|(department, _)| department == d)),
            self.user_type
                .is_none_or(|t| pin.is_some_and(|(_, user_type)| user_type == t)),
            lies_within(self.created, now, token.created),
            lies_within(self.expires, now, token.expires),
            self.within
                .is_none_or(|w| now <= token.expires && token.expires < later(now, w)),
            self.issued_by.is_none_or(|by| token.issued_by == by),
            self.name_contains
                .is_none_or(|part| texts.iter().any(|t| t.contains(&part.to_lowercase()))),
            self.permission.is_none_or(permitted),
            self.restricted
                .is_none_or(|is| is != token.grant.networks.is_empty()),
            self.used == (None, None) || used.is_some_and(|used| lies_within(self.used, now, used)),
            self.unused_since.is_none_or(unused),
            self.imported_strong
                .is_none_or(|strong| token.imported.as_ref().is_some_and(|i| i.strong == strong)),
            !self.longer || (library.alive && token.expires > policy()),
        ];
        checks.into_iter().all(|holds| holds)
    }

    /// Their order, in which ids decide among equals.
    pub(super) fn sort(&self, model: &Model, world: &World, found: &mut [usize]) {
        let tokens = &model.tokens;
        if self.soonest_first {
            found.sort_by_key(|at| (tokens[*at].expires, world.ids[*at]));
        } else {
            found.sort_by_key(|at| (Reverse(tokens[*at].created), world.ids[*at]));
        }
    }

    pub(super) fn filter(&self, world: &World, now: i64) -> TokenFilter {
        TokenFilter {
            library: self.library.reference(world),
            kind: self.session.map(|is| {
                if is {
                    TokenKind::Session
                } else {
                    TokenKind::Api
                }
            }),
            states: self.states.clone(),
            user: self.user.map(name),
            department: self.department.map(name),
            user_type: self.user_type.map(name),
            created: window(self.created, now),
            expires: window(self.expires, now),
            expires_within: self.within.map(lifetime),
            issued_by: self.issued_by.map(str::to_owned),
            name_contains: self.name_contains.map(str::to_owned),
            permission: self.permission.map(demanded),
            restricted_by_ip: self.restricted,
            longer_than_policy: self.longer,
            used: window(self.used, now),
            unused_since: self.unused_since.map(|since| Moment(now + since)),
            imported: self.imported_strong.map(strength),
            sort: if self.soonest_first {
                Sort::Expires
            } else {
                Sort::Created
            },
        }
    }
}

// === impl ListEvents ===

impl ListEvents {
    pub(super) fn any(dice: &mut Dice) -> ListEvents {
        ListEvents {
            library: Listed::any(dice),
            token: maybe(dice, 12, Dice::roll),
            user: maybe(dice, 8, |dice| dice.one(&USERS)),
            actor: maybe(dice, 8, |dice| {
                dice.one(&["system/root", "acme/adam", "acme/jane"])
            }),
            action: maybe(dice, 12, |dice| {
                dice.one(&["token.", "token.create", "user.", "library.update"])
            }),
            time: any_span(dice, 20),
            page: dice.one(&[50, 7, 0, 2]),
        }
    }

    /// All of a library.
    pub(super) fn all_of(library: usize) -> ListEvents {
        let dull = ListEvents::any(&mut Dice(Vec::new()));
        ListEvents {
            library: Listed::Numbered(library),
            page: 100,
            ..dull
        }
    }

    fn token<'a>(&self, model: &'a Model) -> Option<&'a usize> {
        let event = &model.events[self.token? % model.events.len()];
        event.token.as_ref()
    }

    /// The newest first.
    pub(super) fn expected<'a>(&self, model: &'a Model) -> Result<Vec<&'a Event>, Reason> {
        let log = self.library.at(model)?;
        let token = self.token(model);
        let wants = |event: &&Event| {
            let action = |wanted: Text| {
                event.action == wanted
                    || (wanted.ends_with('.') && event.action.starts_with(wanted))
            };
            let by = |who: Text| {
                event.presented.is_some()
                    && [&event.actor, &event.acting_for].iter().any(|w| **w == who)
            };
            event.log == log
                && token.is_none_or(|token| event.token == Some(*token))
                && self.user.is_none_or(|user| event.user == user)
                && self.actor.is_none_or(by)
                && self.action.is_none_or(action)
                && lies_within(self.time, model.now, event.time)
        };
        Ok(model.events.iter().rev().filter(wants).collect())
    }

    pub(super) fn filter(&self, model: &Model, world: &World) -> EventFilter {
        EventFilter {
            library: self.library.reference(world),
            token_id: self.token(model).map(|at| world.ids[*at]),
            user: self.user.map(|user| Name::parse(user).unwrap()),
            actor: self.actor.map(str::to_owned),
            action: self.action.map(str::to_owned),
            time: window(self.time, model.now),
        }
    }
}

fn strength(strong: bool) -> ImportStrength {
    if strong {
        ImportStrength::Strong
    } else {
        ImportStrength::Weak
    }
}

// === spans ===

fn any_span(dice: &mut Dice, percent: usize) -> Span {
    const BOUNDS: [Option<i64>; 7] = [
        None,
        Some(0),
        Some(-DAY),
        Some(30 * DAY),
        Some(-400 * DAY),
        Some(1),
        Some(400 * DAY),
    ];
    if dice.chance(percent) {
        (dice.one(&BOUNDS), dice.one(&BOUNDS))
    } else {
        (None, None)
    }
}

fn lies_within((from, to): Span, now: i64, time: i64) -> bool {
    from.is_none_or(|from| now + from <= time) && to.is_none_or(|to| time < now + to)
}

fn window((from, to): Span, now: i64) -> Window {
    let moment = |after: i64| Moment(now + after);
    Window {
        from: from.map(moment),
        to: to.map(moment),
    }
}
