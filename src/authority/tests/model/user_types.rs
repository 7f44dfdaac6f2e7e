//! Making, changing and deleting user types.

use super::caller::Standing;
use super::change::{Change, Etag, LIBRARIES, PERMISSIONS, TYPES, some_of};
use super::records::{Effect, Event, Model, Subject, Text, User, UserType};
use super::rights::{held_by, reserved_of, without};
use super::token_changes::named;
use super::world::World;
use crate::authority::error::Reason;
use crate::authority::name::Name;
use crate::authority::tests::dice::Dice;
use crate::authority::tests::samples::granted;
use crate::authority::user_types;

#[derive(Debug, Clone)]
pub(super) struct CreateUserType {
    pub(super) library: Text,
    pub(super) user_type: Text,
    pub(super) permissions: Vec<Text>,
}

#[derive(Debug, Clone)]
pub(super) struct UpdateUserType {
    pub(super) library: Text,
    pub(super) user_type: Text,
    pub(super) permissions: Vec<Text>,
    pub(super) etag: Etag,
}

#[derive(Debug, Clone)]
pub(super) struct DeleteUserType {
    pub(super) library: Text,
    pub(super) user_type: Text,
    pub(super) etag: Etag,
}

// === impl CreateUserType ===

impl CreateUserType {
    pub(super) fn any(dice: &mut Dice) -> CreateUserType {
        CreateUserType {
            library: any_library(dice),
            user_type: dice.one(&TYPES[..7]),
            permissions: some_of(dice, &PERMISSIONS, 3),
        }
    }
}

impl Change for CreateUserType {
    type Command = user_types::CreateUserType;
    const RIGHT: Text = "directory:admin";

    fn library(&self) -> Option<Text> {
        Some(self.library)
    }

    fn expected(&self, model: &Model, by: &Standing, library: Text) -> Result<Effect, Reason> {
        let at = model.library(library).ok_or(Reason::NotFound)?;
        by.demand_held(&self.permissions)?;
        if model.user_type(at, self.user_type).is_some() {
            return Err(Reason::NameTaken);
        }
        let event = type_event(at, library, self.user_type);
        let mut effect = Effect {
            event: Some(event),
            ..Effect::default()
        };
        let place = model.user_types.len();
        effect.user_types.push((
            place,
            UserType {
                library: at,
                name: self.user_type,
                alive: true,
                permissions: self.permissions.clone(),
                revision: 0,
            },
        ));
        effect.answer.subject = Subject::UserType(place);
        Ok(effect)
    }

    fn command(&self, _: &World, _: &Model, library: Name) -> user_types::CreateUserType {
        user_types::CreateUserType {
            library,
            user_type: named(self.user_type),
            permissions: granted(&self.permissions),
        }
    }
}

// === impl UpdateUserType ===

impl UpdateUserType {
    pub(super) fn any(dice: &mut Dice) -> UpdateUserType {
        UpdateUserType {
            library: any_library(dice),
            user_type: dice.one(&TYPES),
            permissions: some_of(dice, &PERMISSIONS, 3),
            etag: Etag::any(dice),
        }
    }
}

impl Change for UpdateUserType {
    type Command = user_types::UpdateUserType;
    const RIGHT: Text = "directory:admin";

    fn library(&self) -> Option<Text> {
        Some(self.library)
    }

    fn expected(&self, model: &Model, by: &Standing, library: Text) -> Result<Effect, Reason> {
        let (at, place) = model.known_type(library, self.user_type)?;
        self.etag.check()?;
        let before = &model.user_types[place];
        by.demand_held(&without(
            &reserved_of(&self.permissions),
            &held_by(&before.permissions),
        ))?;
        let mut effect = Effect::default();
        effect.answer.subject = Subject::UserType(place);
        if before.permissions != self.permissions {
            let mut after = before.clone();
            after.permissions.clone_from(&self.permissions);
            if library == "system" {
                model.demand_operators(&[], &[(place, after.clone())])?;
                effect.libraries.push((at, model.libraries[at].clone()));
            }
            effect.user_types.push((place, after));
            effect.event = Some(Event {
                fields: vec!["permissions"],
                ..type_event(at, library, self.user_type)
            });
        }
        Ok(effect)
    }

    fn command(&self, world: &World, model: &Model, library: Name) -> user_types::UpdateUserType {
        let known = model.known_type(library.as_str(), self.user_type);
        let known = known.map(|(_, at)| model.user_types[at].revision);
        user_types::UpdateUserType {
            library,
            user_type: named(self.user_type),
            permissions: Some(granted(&self.permissions)),
            etag: world.etag(self.etag, known.ok()),
        }
    }
}

// === impl DeleteUserType ===

impl DeleteUserType {
    pub(super) fn any(dice: &mut Dice) -> DeleteUserType {
        DeleteUserType {
            library: any_library(dice),
            user_type: dice.one(&TYPES),
            etag: Etag::any(dice),
        }
    }
}

impl Change for DeleteUserType {
    type Command = user_types::DeleteUserType;
    const RIGHT: Text = "directory:admin";

    fn library(&self) -> Option<Text> {
        Some(self.library)
    }

    fn expected(&self, model: &Model, _: &Standing, library: Text) -> Result<Effect, Reason> {
        let (at, place) = model.known_type(library, self.user_type)?;
        self.etag.check()?;
        let mut users = model.users.iter().filter(|u| u.alive && u.library == at);
        if users.any(|u| u.assigned.iter().any(|(_, name)| *name == self.user_type)) {
            return Err(Reason::InUse);
        }
        let event = type_event(at, library, self.user_type);
        let mut effect = Effect {
            event: Some(event),
            ..Effect::default()
        };
        let mut dead = model.user_types[place].clone();
        dead.alive = false;
        effect.user_types.push((place, dead));
        Ok(effect)
    }

    fn command(&self, world: &World, model: &Model, library: Name) -> user_types::DeleteUserType {
        let known = model.known_type(library.as_str(), self.user_type);
        let known = known.map(|(_, at)| model.user_types[at].revision);
        user_types::DeleteUserType {
            library,
            user_type: named(self.user_type),
            etag: world.etag(self.etag, known.ok()),
        }
    }
}

impl Model {
    fn known_type(&self, library: &str, name: &str) -> Result<(usize, usize), Reason> {
        let at = self.library(library).ok_or(Reason::NotFound)?;
        Ok((at, self.user_type(at, name).ok_or(Reason::NotFound)?))
    }

    /// With these records changed, `system` must still have an operator.
    pub(super) fn demand_operators(
        &self,
        users: &[(usize, User)],
        types: &[(usize, UserType)],
    ) -> Result<(), Reason> {
        let mut after = Model {
            user_types: self.user_types.clone(),
            users: self.users.clone(),
            ..Model::default()
        };
        for (at, user) in users {
            after.users[*at] = user.clone();
        }
        for (at, user_type) in types {
            after.user_types[*at] = user_type.clone();
        }
        let operates = |at: usize| {
            let (user, held) = (&after.users[at], after.reserved_of_user(at));
            let needed = ["tokens:admin", "directory:admin"];
            let active = user.library == 0 && user.alive && !user.disabled;
            active && needed.iter().all(|right| held.contains(right))
        };
        if (0..after.users.len()).any(operates) {
            Ok(())
        } else {
            Err(Reason::InUse)
        }
    }
}

fn type_event(log: usize, library: Text, user_type: Text) -> Event {
    Event {
        log,
        library,
        user_type,
        ..Event::default()
    }
}

pub(super) fn any_library(dice: &mut Dice) -> Text {
    dice.one(&[LIBRARIES[0], "", LIBRARIES[0], LIBRARIES[1]])
}
