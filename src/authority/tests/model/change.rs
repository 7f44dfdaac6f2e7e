//! What every change is: how it is asked for, what the rules say of it, and what is chosen from.

use std::fmt::Debug;

use super::caller::Standing;
use super::records::{Effect, Event, Kept, Model, Subject, Text, Token};
use super::world::World;
use crate::authority::error::Reason;
use crate::authority::name::Name;
use crate::authority::tests::dice::Dice;
use crate::authority::transaction::Command;

/// A change as both sides know it. Each stands in one place: how it is chosen, what the rules say, how it is asked for.
pub(super) trait Change: Debug {
    /// What it is for the authority.
    type Command: Command;
    /// The right that its call demands.
    const RIGHT: Text;

    /// The library that it names; `None` if it names none at all.
    fn library(&self) -> Option<Text>;

    /// Whether only operators may ask for it.
    fn is_for_operators(&self) -> bool {
        false
    }

    /// What the rules say, for the library that is meant.
    fn expected(&self, model: &Model, by: &Standing, library: Text) -> Result<Effect, Reason>;

    /// The same for the authority.
    fn command(&self, world: &World, model: &Model, library: Name) -> Self::Command;
}

/// Which token is meant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pick {
    /// So many before the newest, counted round.
    Recent(usize),
    /// One of the oldest.
    This(usize),
    /// One that there is not.
    Unknown,
}

/// Which etag is given.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Etag {
    #[default]
    Absent,
    Right,
    Stale,
}

/// A request id, and which payload is said to stand under it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestId {
    pub(super) id: u8,
    pub(super) payload: u8,
}

pub(super) const LIBRARIES: [Text; 2] = ["acme", "globex"];
pub(super) const USERS: [Text; 8] = [
    "jane", "ann", "bot", "carl", "adam", "dora", "portal", "nobody",
];
pub(super) const TYPES: [Text; 8] = [
    "clerk", "reader", "admin", "director", "portal", "mover", "spare", "missing",
];
pub(super) const DEPARTMENTS: [Text; 3] = ["", "north", "south"];
pub(super) const APIS: [Text; 3] = ["orders", "token-authority", "stock"];
pub(super) const NETWORKS: [Text; 4] = ["192.0.2.0/24", "10.0.0.0/8", "10.0.0.5", "2001:db8::/32"];
pub(super) const REASONS: [Text; 3] = ["OTHER", "COMPROMISED", "OWNER_LEFT"];
pub(super) const TEXTS: [Text; 4] = ["Till 7", "nightly export", "", "ÜBER"];
pub(super) const PERMISSIONS: [Text; 14] = [
    "orders:*",
    "*:read",
    "orders:read",
    "*:*",
    "users:list",
    "stock:write",
    "orders:write",
    "tokens:self",
    "tokens:self-rotate",
    "tokens:verify",
    "directory:read",
    "tokens:admin",
    "directory:admin",
    "tokens:act-as",
];

// === impl Pick ===

impl Pick {
    pub(super) fn any(dice: &mut Dice) -> Pick {
        match dice.roll() {
            255 => Pick::Unknown,
            roll @ 0..128 => Pick::Recent(roll % 8),
            roll => Pick::Recent(roll),
        }
    }

    pub(super) fn at(self, model: &Model) -> Option<usize> {
        let count = model.tokens.len();
        match self {
            Pick::Recent(back) => Some(count - 1 - back % count),
            Pick::This(at) => Some(at),
            Pick::Unknown => None,
        }
    }

    /// The same token for good.
    pub(super) fn fix(&mut self, model: &Model) {
        if let Some(at) = self.at(model) {
            *self = Pick::This(at);
        }
    }
}

// === impl Etag ===

impl Etag {
    pub(super) fn any(dice: &mut Dice) -> Etag {
        dice.weighted(&[(8, Etag::Absent), (3, Etag::Right), (1, Etag::Stale)])
    }

    pub(super) fn check(self) -> Result<(), Reason> {
        match self {
            Etag::Stale => Err(Reason::EtagMismatch),
            Etag::Absent | Etag::Right => Ok(()),
        }
    }
}

// === dice ===

/// Some of these, each once, sorted.
pub(super) fn some_of(dice: &mut Dice, of: &[Text], most: usize) -> Vec<Text> {
    let mut some = dice.some(of, most);
    some.sort_unstable();
    some.dedup();
    some
}

/// None in most cases, else some of these.
pub(super) fn few_of(dice: &mut Dice, of: &[Text], percent: usize) -> Vec<Text> {
    if dice.chance(percent) {
        some_of(dice, of, 2)
    } else {
        Vec::new()
    }
}

/// A change of a field in some cases.
pub(super) fn maybe<T>(
    dice: &mut Dice,
    percent: usize,
    any: impl FnOnce(&mut Dice) -> T,
) -> Option<T> {
    dice.chance(percent).then(|| any(dice))
}

/// The names of what differs.
pub(super) fn changed(fields: &[(Text, bool)]) -> Vec<Text> {
    fields
        .iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| *name)
        .collect()
}

// === the rules that all changes have in common ===

/// What a call should come to.
#[derive(Debug)]
pub(super) enum Expected {
    /// It is carried out.
    Done(Box<Effect>),
    /// It is a repeat, and is told what the first was told.
    Repeat(Kept),
}

impl Model {
    /// What should come of a change, and on whose behalf.
    pub(super) fn expect<C: Change>(
        &self,
        by: &Standing,
        change: &C,
        request: Option<RequestId>,
    ) -> Result<Expected, Reason> {
        if change.is_for_operators() {
            by.demand_operator()?;
        }
        let library = match change.library() {
            Some(name) => self.reach(by, name)?,
            None => "",
        };
        let planned = change.expected(self, by, library);
        if let Err(refused @ (Reason::PermissionDenied | Reason::ReservedPermission)) = planned {
            return Err(refused);
        }
        let action = <C::Command as Command>::ACTION;
        let kept = request.filter(|_| <C::Command as Command>::KEEPS_ANSWER);
        let kept = kept.and_then(|request| Some((request, self.kept(by, action, request.id)?)));
        match kept {
            Some((request, kept)) if request.payload != kept.payload => {
                Err(Reason::RequestIdReused)
            }
            Some((_, kept)) => match self.may_be_told(by, kept) {
                Ok(()) => Ok(Expected::Repeat(kept.clone())),
                Err(refused) => Err(planned.err().unwrap_or(refused)),
            },
            None => {
                let mut effect = planned?;
                if let Some(event) = &mut effect.event {
                    self.sign(event, by, action);
                }
                Ok(Expected::Done(Box::new(effect)))
            }
        }
    }

    /// What is kept under a request id: for ten minutes.
    fn kept(&self, by: &Standing, action: Text, id: u8) -> Option<&Kept> {
        let key = (by.presenter, by.user, action, id);
        let window = 10 * 60 * 1000;
        let mut kept = self.kept.iter().rev();
        kept.find(|kept| kept.key == key && self.now - kept.time < window)
    }

    pub(super) fn keep(
        &mut self,
        by: &Standing,
        action: Text,
        request: RequestId,
        effect: &Effect,
    ) {
        self.kept.push(Kept {
            key: (by.presenter, by.user, action, request.id),
            payload: request.payload,
            time: self.now,
            answer: effect.answer.clone(),
        });
    }

    /// Whether a secret may be told once more.
    fn may_be_told(&self, by: &Standing, kept: &Kept) -> Result<(), Reason> {
        let Some(at) = kept.answer.secret else {
            return Ok(());
        };
        let token = &self.tokens[at];
        if token.rotated_from.is_some_and(|old| by.presents(old)) {
            return Ok(());
        }
        if !by.may_see(at, token) {
            return Err(Reason::NotFound);
        }
        by.demand_secret(at, token)
    }

    pub(super) fn sign(&self, event: &mut Event, by: &Standing, action: Text) {
        event.time = self.now;
        event.action = action;
        event.actor = self.name_of(by.presenter);
        if by.acting {
            event.acting_for = self.name_of(by.user);
        }
        event.presented = Some(by.token);
    }

    /// A token that the caller may see: any other is the same as an unknown one.
    pub(super) fn visible(&self, by: &Standing, pick: Pick) -> Result<(usize, &Token), Reason> {
        let at = pick.at(self).ok_or(Reason::NotFound)?;
        let token = &self.tokens[at];
        if by.may_see(at, token) {
            Ok((at, token))
        } else {
            Err(Reason::NotFound)
        }
    }

    /// The token that a change is about.
    pub(super) fn begin(
        &self,
        by: &Standing,
        pick: Pick,
        etag: Etag,
    ) -> Result<(usize, &Token), Reason> {
        let (at, token) = self.visible(by, pick)?;
        etag.check()?;
        if self.is_revoked(token) {
            return Err(Reason::TokenState);
        }
        Ok((at, token))
    }

    /// An event about a token.
    pub(super) fn event_of(&self, at: usize) -> Event {
        let token = &self.tokens[at];
        Event {
            log: token.library,
            library: self.libraries[token.library].name,
            token: Some(at),
            user: self.users[token.user].name,
            ..Event::default()
        }
    }

    /// What a change of a token comes to: nothing, if it is as it was.
    pub(super) fn replaced(&self, at: usize, token: Token, event: Event) -> Effect {
        let mut effect = Effect::default();
        effect.answer.subject = Subject::Token(at);
        if token != self.tokens[at] {
            effect.tokens.push((at, token));
            effect.event = Some(event);
        }
        effect
    }
}
