//! Making tokens.

use super::calendar::later;
use super::caller::Standing;
use super::change::{
    APIS, Change, DEPARTMENTS, LIBRARIES, NETWORKS, PERMISSIONS, TEXTS, TYPES, USERS, few_of, maybe,
};
use super::records::{Effect, Event, Grant, Model, Pair, Subject, Suspended, Text, Token};
use super::uses::Used;
use super::world::World;
use crate::authority::error::Reason;
use crate::authority::issue;
use crate::authority::moment::{Moment, Until};
use crate::authority::name::Name;
use crate::authority::tests::dice::Dice;
use crate::authority::tests::samples::{assignment, granted, lifetime, name, names, networks};
use crate::authority::tests::stage::DAY;
use crate::authority::token::AccessRight;

pub(super) const LIFETIMES: [Text; 7] = ["90d", "1h", "30d", "6mo", "12mo", "24mo", "25mo"];
pub(super) const RIGHTS: [Text; 3] = ["FULL", "READ_ONLY", "CUSTOM"];

/// When something shall end.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Default,
    Lifetime(Text),
    /// So many milliseconds from now.
    In(i64),
}

/// Which assignment a token is pinned to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pin {
    /// The so-manieth that its user has, counted round.
    Held(usize),
    To(Pair),
}

#[derive(Debug, Clone)]
pub(super) struct CreateToken {
    pub(super) library: Text,
    /// Empty for the caller's own.
    pub(super) user: Text,
    pub(super) display_name: Text,
    pub(super) end: End,
    /// So many milliseconds from now.
    pub(super) not_before: Option<i64>,
    pub(super) suspended: bool,
    pub(super) pin: Option<Pin>,
    pub(super) right: Option<Text>,
    pub(super) listed: Vec<Text>,
    pub(super) apis: Vec<Text>,
    pub(super) networks: Vec<Text>,
}

// === impl End ===

impl End {
    pub(super) fn any(dice: &mut Dice) -> End {
        match dice.roll() % 8 {
            0..4 => End::Default,
            4..7 => End::Lifetime(dice.one(&LIFETIMES)),
            _ => End::In(dice.one(&[DAY, 400 * DAY, 1, 0, -1, 2000 * DAY])),
        }
    }

    /// When that is for what is made now, within what the library allows; and whether the default was held back.
    pub(super) fn resolve(
        self,
        model: &Model,
        library: usize,
        default: i64,
    ) -> Result<(i64, bool), Reason> {
        let latest = later(model.now, model.libraries[library].longest);
        let end = match self {
            End::Default => return Ok((default.min(latest), default > latest)),
            End::Lifetime(text) => later(model.now, text),
            End::In(milliseconds) => model.now + milliseconds,
        };
        if end <= model.now || end > latest {
            return Err(Reason::InvalidFields);
        }
        Ok((end, false))
    }

    pub(super) fn until(self, now: i64) -> Option<Until> {
        match self {
            End::Default => None,
            End::Lifetime(text) => Some(Until::Lifetime(lifetime(text))),
            End::In(milliseconds) => Some(Until::Moment(Moment(now + milliseconds))),
        }
    }
}

// === impl CreateToken ===

impl CreateToken {
    pub(super) fn any(dice: &mut Dice) -> CreateToken {
        CreateToken {
            library: dice.one(&["", LIBRARIES[0], LIBRARIES[0], LIBRARIES[1]]),
            user: dice.one(&[
                "", USERS[0], USERS[1], USERS[2], USERS[3], USERS[4], USERS[0], USERS[7],
            ]),
            display_name: dice.one(&[TEXTS[0], TEXTS[1], TEXTS[3]]),
            end: End::any(dice),
            not_before: maybe(dice, 10, |dice| dice.one(&[DAY, 1, 1000 * DAY, -DAY])),
            suspended: dice.chance(5),
            pin: maybe(dice, 35, |dice| match dice.roll() {
                roll @ 0..200 => Pin::Held(roll),
                _ => Pin::To(any_pair(dice)),
            }),
            right: maybe(dice, 40, |dice| dice.one(&RIGHTS)),
            listed: few_of(dice, &PERMISSIONS, 60),
            apis: few_of(dice, &APIS, 25),
            networks: few_of(dice, &NETWORKS, 25),
        }
    }

    fn pin(&self, model: &Model, library: &str) -> Option<Pair> {
        match self.pin? {
            Pin::To(pair) => Some(pair),
            Pin::Held(number) => {
                let (_, user) = model.known_user(library, self.user).ok()?;
                let assigned = &model.users[user].assigned;
                assigned.get(number % assigned.len().max(1)).copied()
            }
        }
    }
}

impl Change for CreateToken {
    type Command = issue::CreateToken;
    const RIGHT: Text = "tokens:self";

    fn library(&self) -> Option<Text> {
        Some(self.library)
    }

    fn expected(&self, model: &Model, by: &Standing, library: Text) -> Result<Effect, Reason> {
        by.demand_held(&self.listed)?;
        let effect = self.draft(model, by, library)?;
        model.take_seat(effect.tokens[0].1.library, effect.tokens[0].1.user)?;
        Ok(effect)
    }

    fn command(&self, _: &World, model: &Model, library: Name) -> issue::CreateToken {
        self.asked(model, library)
    }
}

impl CreateToken {
    /// What it comes to, if there is a seat for it.
    pub(super) fn draft(
        &self,
        model: &Model,
        by: &Standing,
        library: Text,
    ) -> Result<Effect, Reason> {
        let own_library = library == model.libraries[by.library].name;
        let own_name = model.users[by.user].name;
        let user = match self.user {
            "" if own_library => own_name,
            "" => return Err(Reason::InvalidFields),
            user if by.administers() || (own_library && user == own_name) => user,
            _ => return Err(Reason::NotFound),
        };
        let library = model.library(library).ok_or(Reason::NotFound)?;
        model.tokens_allowed(library)?;
        let user = model.user(library, user).ok_or(Reason::NotFound)?;
        let (of_library, of_user) = (&model.libraries[library], &model.users[user]);
        if of_user.disabled {
            return Err(Reason::OwnerDisabled);
        }
        let mut listed = self.listed.clone();
        listed.sort_unstable();
        let implied = if listed.is_empty() { "FULL" } else { "CUSTOM" };
        let asked = Grant {
            pin: self.pin(model, of_library.name),
            right: self.right.unwrap_or(implied),
            listed,
            apis: match (of_user.kind, self.apis.is_empty()) {
                ("CONTACT", true) => of_library.contact_apis.clone(),
                _ => self.apis.clone(),
            },
            networks: self.networks.clone(),
        };
        let grant = by.givable(&asked).ok_or(Reason::InvalidFields)?;
        let mut effect = Effect::default();
        if grant != asked {
            effect.answer.warnings.push("the token has no more");
        }
        model.check_grant(&grant, library, user)?;
        let default = later(model.now, of_library.default);
        let (expires, _) = self.end.resolve(model, library, default)?;
        let not_before = self.not_before.map(|after| model.now + after);
        if not_before.is_some_and(|start| start >= expires) {
            return Err(Reason::InvalidFields);
        }
        effect
            .answer
            .warnings
            .extend(model.longer_than_suggested(library, expires));
        effect
            .answer
            .warnings
            .extend(model.nowhere(&grant, library));
        effect.answer.warnings.extend(model.in_vain(&grant, user));
        effect.answer.warnings.extend(model.unlisted(&grant, user));
        let at = model.tokens.len();
        let me = model.name_of(by.user);
        effect.tokens.push((
            at,
            Token {
                session: false,
                library,
                user,
                issued_by: me.clone(),
                display_name: self.display_name,
                description: "",
                created: model.now,
                created_at: 0,
                not_before,
                expires,
                suspended: self.suspended.then(|| Suspended {
                    by: me,
                    by_administrator: by.administers(),
                    reason: "created suspended",
                }),
                revoked: None,
                rotated_from: None,
                superseded: None,
                grant,
                sealed_under: of_library.reveal_key,
                used: Used::default(),
                imported: None,
                revision: 0,
            },
        ));
        effect.event = Some(Event {
            log: library,
            library: of_library.name,
            token: Some(at),
            user: of_user.name,
            ..Event::default()
        });
        effect.answer.subject = Subject::Token(at);
        effect.answer.secret = Some(at);
        Ok(effect)
    }

    pub(super) fn asked(&self, model: &Model, library: Name) -> issue::CreateToken {
        let pin = self.pin(model, library.as_str());
        let pin = pin.map(|pair| assignment(&pair_text(pair)));
        issue::CreateToken {
            library,
            user: Name::parse_optional(self.user).unwrap(),
            display_name: self.display_name.to_owned(),
            description: String::new(),
            until: self.end.until(model.now),
            not_before: self.not_before.map(|after| Moment(model.now + after)),
            suspended: self.suspended,
            pin,
            access_right: self.right.map(right),
            permissions: granted(&self.listed),
            apis: names(&self.apis),
            allowed_cidrs: networks(&self.networks),
        }
    }
}

/// An assignment; mostly one that somebody has.
pub(super) fn any_pair(dice: &mut Dice) -> Pair {
    const USUAL: [Pair; 5] = [
        ("", "clerk"),
        ("north", "reader"),
        ("south", "mover"),
        ("", "admin"),
        ("", "reader"),
    ];
    if dice.chance(75) {
        return dice.one(&USUAL);
    }
    (dice.one(&DEPARTMENTS), dice.one(&TYPES))
}

pub(super) fn pair_text((department, user_type): Pair) -> String {
    match department {
        "" => user_type.to_owned(),
        _ => format!("{department}/{user_type}"),
    }
}

pub(super) fn right(text: Text) -> AccessRight {
    match text {
        "FULL" => AccessRight::Full,
        "READ_ONLY" => AccessRight::ReadOnly,
        _ => AccessRight::Custom,
    }
}

/// A name that is surely one.
pub(super) fn named(text: Text) -> Name {
    name(text)
}
