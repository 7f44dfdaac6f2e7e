//! Extending, suspending, resuming and rotating tokens.

use super::calendar::later;
use super::caller::Standing;
use super::change::{Change, Etag, Pick, TEXTS};
use super::records::{Comment, Effect, Event, Model, Subject, Suspended, Text, Token};
use super::token_changes::{End, LIFETIMES};
use super::world::World;
use crate::authority::change::{self, Extension};
use crate::authority::error::Reason;
use crate::authority::moment::Moment;
use crate::authority::name::Name;
use crate::authority::rotate;
use crate::authority::tests::dice::Dice;
use crate::authority::tests::samples::lifetime;
use crate::authority::tests::stage::DAY;

#[derive(Debug, Clone)]
pub(super) struct ExtendToken {
    pub(super) token: Pick,
    pub(super) by: End,
    pub(super) etag: Etag,
}

#[derive(Debug, Clone)]
pub(super) struct SuspendToken {
    pub(super) token: Pick,
    pub(super) reason: Text,
    pub(super) etag: Etag,
}

#[derive(Debug, Clone)]
pub(super) struct ResumeToken {
    pub(super) token: Pick,
    pub(super) etag: Etag,
}

#[derive(Debug, Clone)]
pub(super) struct RotateToken {
    pub(super) token: Pick,
    pub(super) overlap: Option<Text>,
    pub(super) end: End,
    pub(super) etag: Etag,
}

// === impl ExtendToken ===

impl ExtendToken {
    pub(super) fn any(dice: &mut Dice) -> ExtendToken {
        let by = match dice.roll() % 4 {
            0 => End::In(dice.one(&[400 * DAY, 30 * DAY, 1, 0, 2000 * DAY])),
            1 => End::Lifetime(dice.one(&LIFETIMES)),
            _ => End::Lifetime("1y"),
        };
        ExtendToken {
            token: Pick::any(dice),
            by,
            etag: Etag::any(dice),
        }
    }
}

impl Change for ExtendToken {
    type Command = change::ExtendToken;
    const RIGHT: Text = "tokens:self";

    fn library(&self) -> Option<Text> {
        None
    }

    fn expected(&self, model: &Model, by: &Standing, _: Text) -> Result<Effect, Reason> {
        let (at, before) = model.begin(by, self.token, self.etag)?;
        model.demand_prolonging(by, before)?;
        let wanted = match self.by {
            End::Lifetime(text) => later(before.expires.max(model.now), text),
            End::In(milliseconds) => model.now + milliseconds,
            End::Default => later(before.expires.max(model.now), "1y"),
        };
        if wanted <= before.expires.max(model.now) {
            return Err(Reason::InvalidFields);
        }
        let latest = later(model.now, model.libraries[before.library].longest);
        if latest <= before.expires {
            return Err(Reason::LifetimeAtMaximum);
        }
        if before.expires <= model.now {
            model.take_seat(before.library, before.user)?;
        }
        let end = wanted.min(latest);
        let token = Token {
            expires: end,
            ..before.clone()
        };
        let event = Event {
            fields: vec!["expire_time"],
            ..model.event_of(at)
        };
        let mut effect = model.replaced(at, token, event);
        effect.answer.clamped = wanted > latest;
        effect
            .answer
            .warnings
            .extend(model.longer_than_suggested(before.library, end));
        Ok(effect)
    }

    fn command(&self, world: &World, model: &Model, _: Name) -> change::ExtendToken {
        let by = match self.by {
            End::Default => Extension::By(lifetime("1y")),
            End::Lifetime(text) => Extension::By(lifetime(text)),
            End::In(milliseconds) => Extension::To(Moment(model.now + milliseconds)),
        };
        let etag = world.token_etag(model, self.token, self.etag);
        change::ExtendToken {
            id: world.id(model, self.token),
            by,
            etag,
        }
    }
}

// === impl SuspendToken ===

impl SuspendToken {
    pub(super) fn any(dice: &mut Dice) -> SuspendToken {
        SuspendToken {
            token: Pick::any(dice),
            reason: dice.one(&TEXTS),
            etag: Etag::any(dice),
        }
    }
}

impl Change for SuspendToken {
    type Command = change::SuspendToken;
    const RIGHT: Text = "tokens:self";

    fn library(&self) -> Option<Text> {
        None
    }

    fn expected(&self, model: &Model, by: &Standing, _: Text) -> Result<Effect, Reason> {
        let (at, before) = model.begin(by, self.token, self.etag)?;
        let mut token = before.clone();
        // What its user suspended, an administrator may suspend once more, and then its user doesn't resume it.
        let suspended = token.suspended.as_ref();
        if suspended.is_none_or(|s| by.administers() && !s.by_administrator) {
            token.suspended = Some(Suspended {
                by: model.name_of(by.user),
                by_administrator: by.administers(),
                reason: self.reason,
            });
        }
        let comment = Comment::Text(self.reason);
        Ok(model.replaced(
            at,
            token,
            Event {
                comment,
                ..model.event_of(at)
            },
        ))
    }

    fn command(&self, world: &World, model: &Model, _: Name) -> change::SuspendToken {
        change::SuspendToken {
            id: world.id(model, self.token),
            reason: self.reason.to_owned(),
            etag: world.token_etag(model, self.token, self.etag),
        }
    }
}

// === impl ResumeToken ===

impl ResumeToken {
    pub(super) fn any(dice: &mut Dice) -> ResumeToken {
        ResumeToken {
            token: Pick::any(dice),
            etag: Etag::any(dice),
        }
    }
}

impl Change for ResumeToken {
    type Command = change::ResumeToken;
    const RIGHT: Text = "tokens:self";

    fn library(&self) -> Option<Text> {
        None
    }

    fn expected(&self, model: &Model, by: &Standing, _: Text) -> Result<Effect, Reason> {
        let (at, before) = model.begin(by, self.token, self.etag)?;
        let suspended = before.suspended.as_ref();
        if suspended.is_some_and(|s| s.by_administrator) && !by.administers() {
            return Err(Reason::PermissionDenied);
        }
        let token = Token {
            suspended: None,
            ..before.clone()
        };
        Ok(model.replaced(at, token, model.event_of(at)))
    }

    fn command(&self, world: &World, model: &Model, _: Name) -> change::ResumeToken {
        change::ResumeToken {
            id: world.id(model, self.token),
            etag: world.token_etag(model, self.token, self.etag),
        }
    }
}

// === impl RotateToken ===

impl RotateToken {
    pub(super) fn any(dice: &mut Dice) -> RotateToken {
        RotateToken {
            token: Pick::any(dice),
            overlap: dice.one(&[Some("24h"), None, Some("30d"), Some("24mo")]),
            end: End::any(dice),
            etag: Etag::any(dice),
        }
    }
}

impl Change for RotateToken {
    type Command = rotate::RotateToken;
    const RIGHT: Text = "tokens:self-rotate";

    fn library(&self) -> Option<Text> {
        None
    }

    fn expected(&self, model: &Model, by: &Standing, _: Text) -> Result<Effect, Reason> {
        let (at, old) = model.begin(by, self.token, self.etag)?;
        by.demand_secret(at, old)?;
        let begun = old.not_before.is_none_or(|start| start <= model.now);
        let active = old.suspended.is_none() && begun && old.expires > model.now;
        if !active || old.session || old.superseded.is_some() {
            return Err(Reason::TokenState);
        }
        model.demand_owned(old)?;
        model.tokens_allowed(old.library)?;
        model.check_grant(&old.grant, old.library, old.user)?;
        if model.users[old.user].disabled {
            return Err(Reason::OwnerDisabled);
        }
        // What was made for 90 days is good for 90 days again.
        let same = model.now + (old.expires - old.created);
        let (expires, clamped) = self.end.resolve(model, old.library, same)?;
        let replaced = old.rotated_from.map(|replaced| &model.tokens[replaced]);
        if replaced.is_some_and(|replaced| model.is_live(replaced)) {
            model.take_seat(old.library, old.user)?;
        }
        let (new, me) = (model.tokens.len(), model.name_of(by.user));
        let until = self
            .overlap
            .map_or(model.now, |overlap| later(model.now, overlap));
        let mut effect = Effect::default();
        effect.tokens.push((
            at,
            Token {
                superseded: Some((new, until.min(old.expires), me.clone())),
                ..old.clone()
            },
        ));
        effect.tokens.push((
            new,
            Token {
                issued_by: me,
                created: model.now,
                not_before: None,
                expires,
                rotated_from: Some(at),
                sealed_under: model.libraries[old.library].reveal_key,
                imported: None,
                ..old.clone()
            },
        ));
        let comment = Comment::TakesPlace(new);
        effect.event = Some(Event {
            comment,
            ..model.event_of(at)
        });
        effect.answer.subject = Subject::Token(new);
        effect.answer.secret = Some(new);
        effect.answer.clamped = clamped;
        effect
            .answer
            .warnings
            .extend(model.longer_than_suggested(old.library, expires));
        Ok(effect)
    }

    fn command(&self, world: &World, model: &Model, _: Name) -> rotate::RotateToken {
        rotate::RotateToken {
            id: world.id(model, self.token),
            overlap: self.overlap.map(lifetime),
            until: self.end.until(model.now),
            etag: world.token_etag(model, self.token, self.etag),
        }
    }
}
