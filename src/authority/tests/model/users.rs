//! Making, changing and deleting users.

use super::caller::Standing;
use super::change::{Change, Etag, USERS, changed, maybe};
use super::records::{Effect, Event, Model, Pair, Subject, Text, User};
use super::token_changes::{any_pair, named, pair_text};
use super::user_types::any_library;
use super::world::World;
use crate::authority::directory::{Assignment, UserKind};
use crate::authority::error::Reason;
use crate::authority::name::Name;
use crate::authority::tests::commands;
use crate::authority::tests::dice::Dice;
use crate::authority::tests::samples::assignment;
use crate::authority::users;

const KINDS: [Text; 3] = ["STANDARD", "API_ONLY", "CONTACT"];
const OWNERS: [Text; 3] = ["", "initech", "hooli"];

#[derive(Debug, Clone)]
pub(super) struct CreateUser {
    pub(super) library: Text,
    pub(super) user: Text,
    pub(super) kind: Text,
    pub(super) assigned: Vec<Pair>,
    pub(super) owner: Text,
}

#[derive(Debug, Clone)]
pub(super) struct UpdateUser {
    pub(super) library: Text,
    pub(super) user: Text,
    pub(super) disabled: Option<bool>,
    pub(super) assigned: Option<Vec<Pair>>,
    pub(super) owner: Option<Text>,
    pub(super) etag: Etag,
}

#[derive(Debug, Clone)]
pub(super) struct DeleteUser {
    pub(super) library: Text,
    pub(super) user: Text,
    pub(super) etag: Etag,
}

// === impl CreateUser ===

impl CreateUser {
    pub(super) fn any(dice: &mut Dice) -> CreateUser {
        let user = dice.one(&USERS[..7]);
        let usual = match user {
            "bot" | "portal" => KINDS[1],
            "carl" => KINDS[2],
            _ => KINDS[0],
        };
        let kind = if dice.chance(80) {
            usual
        } else {
            dice.one(&KINDS)
        };
        CreateUser {
            library: any_library(dice),
            user,
            kind,
            assigned: any_pairs(dice),
            owner: match (kind, dice.chance(10)) {
                ("CONTACT", false) | ("STANDARD", true) => OWNERS[1],
                _ => "",
            },
        }
    }
}

impl Change for CreateUser {
    type Command = users::CreateUser;
    const RIGHT: Text = "directory:admin";

    fn library(&self) -> Option<Text> {
        Some(self.library)
    }

    fn expected(&self, model: &Model, by: &Standing, library: Text) -> Result<Effect, Reason> {
        let at = model.library(library).ok_or(Reason::NotFound)?;
        let user = User {
            library: at,
            name: self.user,
            alive: true,
            kind: self.kind,
            disabled: false,
            assigned: self.assigned.clone(),
            owner: self.owner,
            password: None,
            revision: 0,
        };
        model.check_user(by, &user, &[])?;
        if library == "system" && user.kind == "CONTACT" {
            return Err(Reason::InvalidFields);
        }
        if model.user(at, self.user).is_some() {
            return Err(Reason::NameTaken);
        }
        let event = user_event(at, library, self.user);
        let mut effect = Effect {
            event: Some(event),
            ..Effect::default()
        };
        effect.answer.subject = Subject::User(model.users.len());
        effect.users.push((model.users.len(), user));
        Ok(effect)
    }

    fn command(&self, _: &World, _: &Model, library: Name) -> users::CreateUser {
        users::CreateUser {
            library,
            kind: kind(self.kind),
            assignments: assignments(&self.assigned),
            data_owner: self.owner.to_owned(),
            ..commands::create_user(self.user, &[])
        }
    }
}

// === impl UpdateUser ===

impl UpdateUser {
    pub(super) fn any(dice: &mut Dice) -> UpdateUser {
        let update = UpdateUser {
            library: any_library(dice),
            user: dice.one(&USERS),
            disabled: maybe(dice, 30, |dice| dice.chance(40)),
            assigned: maybe(dice, 50, any_pairs),
            owner: maybe(dice, 15, |dice| dice.one(&OWNERS)),
            etag: Etag::any(dice),
        };
        if dice.roll() < 250 {
            return update;
        }
        let disabled = Some(true);
        UpdateUser {
            library: "system",
            user: "root",
            disabled,
            assigned: None,
            owner: None,
            ..update
        }
    }
}

impl Change for UpdateUser {
    type Command = users::UpdateUser;
    const RIGHT: Text = "directory:admin";

    fn library(&self) -> Option<Text> {
        Some(self.library)
    }

    fn expected(&self, model: &Model, by: &Standing, library: Text) -> Result<Effect, Reason> {
        let (at, place) = model.known_user(library, self.user)?;
        self.etag.check()?;
        let before = &model.users[place];
        let mut after = before.clone();
        after.disabled = self.disabled.unwrap_or(after.disabled);
        after.assigned = self.assigned.clone().unwrap_or(after.assigned);
        after.owner = self.owner.unwrap_or(after.owner);
        model.check_user(by, &after, &before.assigned)?;
        let mut effect = Effect::default();
        if library == "system" && (after.disabled || after.assigned != before.assigned) {
            model.demand_operators(&[(place, after.clone())], &[])?;
            effect.libraries.push((at, model.libraries[at].clone()));
        }
        effect.answer.subject = Subject::User(place);
        if after == *before {
            effect.libraries.clear();
            return Ok(effect);
        }
        let fields = changed(&[
            ("state", before.disabled != after.disabled),
            ("assignments", before.assigned != after.assigned),
            ("data_owner", before.owner != after.owner),
        ]);
        effect.event = Some(Event {
            fields,
            ..user_event(at, library, self.user)
        });
        effect.users.push((place, after));
        Ok(effect)
    }

    fn command(&self, world: &World, model: &Model, library: Name) -> users::UpdateUser {
        let known = model.known_user(library.as_str(), self.user);
        let known = known.map(|(_, at)| model.users[at].revision);
        users::UpdateUser {
            library,
            disabled: self.disabled,
            assignments: self.assigned.as_deref().map(assignments),
            data_owner: self.owner.map(str::to_owned),
            etag: world.etag(self.etag, known.ok()),
            ..commands::update_user(self.user)
        }
    }
}

// === impl DeleteUser ===

impl DeleteUser {
    pub(super) fn any(dice: &mut Dice) -> DeleteUser {
        let (library, user) = (any_library(dice), dice.one(&USERS));
        let (library, user) = dice.mostly(&[(library, user), ("system", "root")]);
        DeleteUser {
            library,
            user,
            etag: Etag::any(dice),
        }
    }
}

impl Change for DeleteUser {
    type Command = users::DeleteUser;
    const RIGHT: Text = "directory:admin";

    fn library(&self) -> Option<Text> {
        Some(self.library)
    }

    fn expected(&self, model: &Model, _: &Standing, library: Text) -> Result<Effect, Reason> {
        let (at, place) = model.known_user(library, self.user)?;
        self.etag.check()?;
        let event = user_event(at, library, self.user);
        let mut effect = Effect {
            event: Some(event),
            ..Effect::default()
        };
        let mut dead = model.users[place].clone();
        (dead.alive, dead.password) = (false, None);
        if library == "system" {
            model.demand_operators(&[(place, dead.clone())], &[])?;
            effect.libraries.push((at, model.libraries[at].clone()));
        }
        effect.users.push((place, dead));
        Ok(effect)
    }

    fn command(&self, world: &World, model: &Model, library: Name) -> users::DeleteUser {
        let known = model.known_user(library.as_str(), self.user);
        let known = known.map(|(_, at)| model.users[at].revision);
        let etag = world.etag(self.etag, known.ok());
        users::DeleteUser {
            library,
            user: named(self.user),
            etag,
        }
    }
}

// === what they have in common ===

impl Model {
    pub(super) fn known_user(&self, library: &str, name: &str) -> Result<(usize, usize), Reason> {
        let at = self.library(library).ok_or(Reason::NotFound)?;
        Ok((at, self.user(at, name).ok_or(Reason::NotFound)?))
    }

    /// What is newly assigned must be there and convey nothing that the caller lacks; contacts alone have a data owner.
    fn check_user(&self, by: &Standing, user: &User, before: &[Pair]) -> Result<(), Reason> {
        for (_, name) in user.assigned.iter().filter(|pair| !before.contains(pair)) {
            let found = self.user_type(user.library, name);
            let found = found.ok_or(Reason::InvalidFields)?;
            by.demand_held(&self.user_types[found].permissions)?;
        }
        if (user.kind == "CONTACT") == user.owner.is_empty() {
            return Err(Reason::InvalidFields);
        }
        Ok(())
    }
}

fn user_event(log: usize, library: Text, user: Text) -> Event {
    Event {
        log,
        library,
        user,
        ..Event::default()
    }
}

fn any_pairs(dice: &mut Dice) -> Vec<Pair> {
    let count = dice.roll() % 4;
    let mut pairs: Vec<Pair> = (0..count).map(|_| any_pair(dice)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

fn assignments(pairs: &[Pair]) -> Vec<Assignment> {
    pairs
        .iter()
        .map(|pair| assignment(&pair_text(*pair)))
        .collect()
}

pub(super) fn kind(text: Text) -> UserKind {
    match text {
        "STANDARD" => UserKind::Standard,
        "API_ONLY" => UserKind::ApiOnly,
        _ => UserKind::Contact,
    }
}
