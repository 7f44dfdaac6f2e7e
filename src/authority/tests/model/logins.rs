//! Passwords and sessions.

use super::calendar::later;
use super::caller::Standing;
use super::change::{LIBRARIES, USERS};
use super::records::{Effect, Event, Grant, Model, Subject, Text, Token};
use super::token_changes::named;
use super::uses::Used;
use crate::authority::error::Reason;
use crate::authority::name::Name;
use crate::authority::password::Password;
use crate::authority::sessions;
use crate::authority::tests::dice::Dice;

const PASSWORDS: [Text; 2] = ["correct horse", "battery staple"];

#[derive(Debug, Clone)]
pub(super) struct SetPassword {
    pub(super) library: Text,
    /// Empty for the caller's own.
    pub(super) user: Text,
    /// Which one; none to remove it.
    pub(super) password: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct OpenSession {
    pub(super) library: Text,
    pub(super) user: Text,
    pub(super) password: usize,
}

// === impl SetPassword ===

impl SetPassword {
    pub(super) fn any(dice: &mut Dice) -> SetPassword {
        SetPassword {
            library: dice.one(&["", LIBRARIES[0], LIBRARIES[0]]),
            user: dice.one(&["jane", "", "jane", USERS[1], USERS[2], USERS[7]]),
            password: dice.one(&[Some(0), Some(1), None]),
        }
    }

    pub(super) fn expected(&self, model: &Model, by: &Standing) -> Result<Effect, Reason> {
        let library = model.reach(by, self.library)?;
        let own_library = library == model.libraries[by.library].name;
        let user = match self.user {
            "" if own_library => model.users[by.user].name,
            "" => return Err(Reason::InvalidFields),
            user => user,
        };
        let own = own_library && user == model.users[by.user].name;
        let directs = by.held.contains(&"directory:admin");
        if !own && !directs {
            return Err(if by.administers() {
                Reason::PermissionDenied
            } else {
                Reason::NotFound
            });
        }
        let (library, user) = model.known_user(library, user)?;
        let wide = model.session_grant(user);
        let served = own
            && by.serves_itself
            && by.held.contains(&"tokens:self")
            && by.givable(&wide).as_ref() == Some(&wide);
        if !served {
            if !directs {
                return Err(Reason::PermissionDenied);
            }
            // Whoever sets a password can log in with it.
            if self.password.is_some() {
                by.demand_held(&model.reserved_of_user(user))?;
            }
        }
        let of_user = &model.users[user];
        if of_user.kind != "STANDARD" {
            return Err(Reason::SelfServiceDenied);
        }
        let mut effect = Effect::default();
        if self.password.is_none() && of_user.password.is_none() {
            return Ok(effect);
        }
        let mut after = of_user.clone();
        after.password = self.password.map(|which| PASSWORDS[which]);
        let mut event = Event {
            log: library,
            library: model.libraries[library].name,
            user: of_user.name,
            fields: vec!["password"],
            ..Event::default()
        };
        if self.password.is_none() {
            event.comment = super::records::Comment::Text("removed");
        }
        model.sign(&mut event, by, "user.set-password");
        effect.event = Some(event);
        effect.users.push((user, after));
        Ok(effect)
    }

    pub(super) fn asked(&self, library: Name) -> sessions::SetPassword {
        let chosen = |which: usize| Password::chosen(PASSWORDS[which].to_owned()).unwrap();
        sessions::SetPassword {
            library,
            user: Name::parse_optional(self.user).unwrap(),
            password: self.password.map(chosen),
        }
    }
}

// === impl OpenSession ===

impl OpenSession {
    pub(super) fn any(dice: &mut Dice) -> OpenSession {
        OpenSession {
            library: dice.one(&["", LIBRARIES[0], LIBRARIES[0]]),
            user: dice.one(&["jane", "jane", USERS[1], USERS[7]]),
            password: dice.one(&[0, 0, 1]),
        }
    }

    pub(super) fn expected(&self, model: &Model, by: &Standing) -> Result<Effect, Reason> {
        let library = model.reach(by, self.library)?;
        let library = model.library(library).ok_or(Reason::NotFound)?;
        model.tokens_allowed(library)?;
        let user = model.user(library, self.user).ok_or(Reason::LoginRefused)?;
        let of_user = &model.users[user];
        let can = of_user.kind == "STANDARD" && !of_user.disabled;
        if !can || of_user.password != Some(PASSWORDS[self.password]) {
            return Err(Reason::LoginRefused);
        }
        let policy = &model.libraries[library];
        let latest = later(model.now, policy.longest);
        let at = model.tokens.len();
        let mut effect = Effect::default();
        effect.tokens.push((
            at,
            Token {
                session: true,
                library,
                user,
                issued_by: model.name_of(user),
                display_name: "a telephone",
                description: "",
                created: model.now,
                created_at: 0,
                not_before: None,
                expires: later(model.now, policy.default).min(latest),
                suspended: None,
                revoked: None,
                rotated_from: None,
                superseded: None,
                grant: model.session_grant(user),
                sealed_under: None,
                used: Used::default(),
                imported: None,
                revision: 0,
            },
        ));
        let mut event = Event {
            log: library,
            library: policy.name,
            token: Some(at),
            user: of_user.name,
            ..Event::default()
        };
        model.sign(&mut event, by, "session.open");
        effect.event = Some(event);
        effect.answer.subject = Subject::Token(at);
        effect.answer.secret = Some(at);
        Ok(effect)
    }

    pub(super) fn asked(&self, library: Name) -> sessions::OpenSession {
        sessions::OpenSession {
            library,
            user: named(self.user),
            password: Password::presented(PASSWORDS[self.password].to_owned()).unwrap(),
            device_name: "a telephone".to_owned(),
            client_ip: None,
        }
    }
}

impl Model {
    /// All that its user has, but of reserved permissions only that its user may serve itself.
    fn session_grant(&self, user: usize) -> Grant {
        let mut listed = self.reserved_of_user(user);
        listed.retain(|r| *r == "tokens:self");
        Grant {
            pin: None,
            right: "FULL",
            listed,
            apis: Vec::new(),
            networks: Vec::new(),
        }
    }
}
