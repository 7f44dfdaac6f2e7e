//! Revoking tokens, one by one and together, and showing the secrets of those that are not.

use super::caller::Standing;
use super::change::{Change, LIBRARIES, Pick, REASONS, TEXTS, USERS, maybe};
use super::records::{Comment, Effect, Event, Model, Revoked, Subject, Text, Watermark};
use super::token_changes::named;
use super::world::World;
use crate::authority::error::Reason;
use crate::authority::moment::Moment;
use crate::authority::name::Name;
use crate::authority::tests::dice::Dice;
use crate::authority::tests::stage::DAY;
use crate::authority::token::RevocationReason;
use crate::authority::{change, reveal, watermark};

#[derive(Debug, Clone)]
pub(super) struct RevokeToken {
    pub(super) token: Pick,
    pub(super) reason: Text,
    pub(super) comment: Text,
}

#[derive(Debug, Clone)]
pub(super) struct RevokeAll {
    pub(super) library: Text,
    pub(super) user: Option<Text>,
    pub(super) sessions_only: bool,
    /// So many milliseconds before now.
    pub(super) created_before: Option<i64>,
    pub(super) reason: Text,
}

#[derive(Debug, Clone)]
pub(super) struct RevealToken {
    pub(super) token: Pick,
}

// === impl RevokeToken ===

impl RevokeToken {
    pub(super) fn any(dice: &mut Dice) -> RevokeToken {
        RevokeToken {
            token: Pick::any(dice),
            reason: dice.one(&REASONS),
            comment: dice.one(&TEXTS),
        }
    }
}

impl Change for RevokeToken {
    type Command = change::RevokeToken;
    const RIGHT: Text = "tokens:self";

    fn library(&self) -> Option<Text> {
        None
    }

    fn expected(&self, model: &Model, by: &Standing, _: Text) -> Result<Effect, Reason> {
        let (at, before) = model.visible(by, self.token)?;
        let mut token = before.clone();
        if !model.is_revoked(before) {
            token.revoked = Some(Revoked {
                time: model.now,
                by: model.name_of(by.user),
                reason: self.reason,
                comment: self.comment,
            });
        }
        let comment = Comment::Text(self.comment);
        Ok(model.replaced(
            at,
            token,
            Event {
                comment,
                ..model.event_of(at)
            },
        ))
    }

    fn command(&self, world: &World, model: &Model, _: Name) -> change::RevokeToken {
        change::RevokeToken {
            id: world.id(model, self.token),
            reason: reason(self.reason),
            comment: self.comment.to_owned(),
        }
    }
}

// === impl RevokeAll ===

impl RevokeAll {
    pub(super) fn any(dice: &mut Dice) -> RevokeAll {
        RevokeAll {
            library: dice.one(&["", LIBRARIES[0], LIBRARIES[0], LIBRARIES[1]]),
            user: maybe(dice, 85, |dice| dice.one(&USERS)),
            sessions_only: dice.chance(30),
            created_before: maybe(dice, 60, |dice| {
                dice.one(&[DAY, 1, 0, 30 * DAY, 400 * DAY, -1, DAY / 24])
            }),
            reason: dice.one(&REASONS),
        }
    }
}

impl Change for RevokeAll {
    type Command = watermark::RevokeAll;
    const RIGHT: Text = "tokens:self";

    fn library(&self) -> Option<Text> {
        Some(self.library)
    }

    fn expected(&self, model: &Model, by: &Standing, library: Text) -> Result<Effect, Reason> {
        by.demand_own(model, library, self.user)?;
        if self.user.is_none() && !by.administers() {
            return Err(Reason::PermissionDenied);
        }
        if self.created_before.is_some_and(|before| before < 0) {
            return Err(Reason::InvalidFields);
        }
        let library = model.library(library).ok_or(Reason::NotFound)?;
        let user = match self.user {
            None => None,
            Some(name) => Some(model.user(library, name).ok_or(Reason::NotFound)?),
        };
        let mark = Watermark {
            library,
            user,
            sessions_only: self.sessions_only,
            created_before: self.created_before.map(|before| model.now - before),
            revoked: Revoked {
                time: model.now,
                by: model.name_of(by.user),
                reason: self.reason,
                comment: "",
            },
            revision: 0,
        };
        let mut effect = Effect::default();
        effect.answer.subject = Subject::Watermark;
        let same = |other: &&Watermark| {
            (other.library, other.user, other.sessions_only)
                == (mark.library, mark.user, mark.sessions_only)
        };
        let mut others = model.watermarks.iter().filter(same);
        if mark.created_before.is_some() && others.any(|o| o.created_before >= mark.created_before)
        {
            // It is further on already.
            return Ok(effect);
        }
        match user {
            Some(user) => effect.users.push((user, model.users[user].clone())),
            None => effect
                .libraries
                .push((library, model.libraries[library].clone())),
        }
        effect.watermarks.push(mark);
        effect.event = Some(Event {
            log: library,
            library: model.libraries[library].name,
            user: self.user.unwrap_or_default(),
            fields: self
                .sessions_only
                .then_some("sessions")
                .into_iter()
                .collect(),
            ..Event::default()
        });
        Ok(effect)
    }

    fn command(&self, _: &World, model: &Model, library: Name) -> watermark::RevokeAll {
        watermark::RevokeAll {
            library,
            user: self.user.map(named),
            sessions_only: self.sessions_only,
            created_before: self.created_before.map(|before| Moment(model.now - before)),
            reason: reason(self.reason),
            comment: String::new(),
        }
    }
}

// === impl RevealToken ===

impl RevealToken {
    pub(super) fn any(dice: &mut Dice) -> RevealToken {
        RevealToken {
            token: Pick::any(dice),
        }
    }
}

impl Change for RevealToken {
    type Command = reveal::RevealToken;
    const RIGHT: Text = "tokens:self";

    fn library(&self) -> Option<Text> {
        None
    }

    fn expected(&self, model: &Model, by: &Standing, _: Text) -> Result<Effect, Reason> {
        let (at, token) = model.visible(by, self.token)?;
        by.demand_secret(at, token)?;
        if model.is_revoked(token) {
            return Err(Reason::TokenState);
        }
        let library = &model.libraries[token.library];
        let kept = library.alive && token.sealed_under.is_some();
        if !kept || token.sealed_under != library.reveal_key {
            return Err(Reason::NotRevealable);
        }
        let mut effect = Effect {
            event: Some(model.event_of(at)),
            ..Effect::default()
        };
        effect.answer.subject = Subject::Token(at);
        effect.answer.secret = Some(at);
        Ok(effect)
    }

    fn command(&self, world: &World, model: &Model, _: Name) -> reveal::RevealToken {
        reveal::RevealToken {
            id: world.id(model, self.token),
        }
    }
}

pub(super) fn reason(text: Text) -> RevocationReason {
    match text {
        "OTHER" => RevocationReason::Other,
        "COMPROMISED" => RevocationReason::Compromised,
        "OWNER_LEFT" => RevocationReason::OwnerLeft,
        _ => RevocationReason::Superseded,
    }
}
