//! What upkeep tells in events of its own: what expires, and what was refused.

use super::compare::Agreed;
use super::records::{Comment, Event, Model, Text, Token};
use super::run::Run;
use crate::authority::moment::Moment;
use crate::authority::tests::stage::{DAY, MINUTE};

/// What is told lies so far back.
const SLACK: i64 = 5 * MINUTE;
/// Events of one commit, of expiry and of refused uses.
const EXPIRIES: usize = 100;
const REFUSALS: usize = 50;

impl Model {
    /// Whether it is told that a token expires in so many days.
    fn is_told(&self, token: &Token, days: i64) -> bool {
        let short_lived = token.expires - days * DAY < token.created;
        let replaced = token.session || token.superseded.is_some();
        let counts = days == 0 || !replaced;
        self.is_owned(token) && !self.is_revoked(token) && !short_lived && counts
    }

    fn expiry_event(&self, at: usize, days: i64) -> Event {
        let expires = Moment(self.tokens[at].expires);
        let (action, comment) = match days {
            0 => ("token.expired", format!("its time was over at {expires}")),
            1 => (
                "token.expiring",
                format!("1 day before it expires, at {expires}"),
            ),
            _ => (
                "token.expiring",
                format!("{days} days before it expires, at {expires}"),
            ),
        };
        self.told_by_itself(at, action, comment, vec!["expire_time"])
    }

    /// An event of which nobody is the author.
    fn told_by_itself(&self, at: usize, action: Text, comment: String, fields: Vec<Text>) -> Event {
        Event {
            time: self.now,
            action,
            comment: Comment::Told(comment),
            fields,
            ..self.event_of(at)
        }
    }

    /// The refusals that are told next.
    fn refusals_to_tell(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < REFUSALS && !self.untold.is_empty() {
            let (at, verdict) = self.untold.remove(0);
            let now = self.now;
            let refused = self.tokens[at].used.refused.iter_mut();
            let refused = refused.into_iter().find(|r| r.verdict == verdict).unwrap();
            refused.waits = false;
            let times = refused.count - refused.told_count;
            let since = refused.told.map(|told| format!(" since {}", Moment(told)));
            let by = match refused.by.as_str() {
                "" => String::new(),
                by => format!(" asked by {by}"),
            };
            let comment = format!(
                "{verdict}: refused {times} time{}{}, the last{by} at {}",
                if times == 1 { "" } else { "s" },
                since.unwrap_or_default(),
                Moment(refused.last)
            );
            (refused.told, refused.told_count) = (Some(now), refused.count);
            events.push(self.told_by_itself(at, "token.refused", comment, Vec::new()));
        }
        events
    }
}

impl Run {
    /// What fell due since it was told last: library by library, and in each of them from 30 days ahead to none.
    pub(super) async fn tell_due(&mut self) -> Agreed {
        let complete = self.world.is_complete();
        let now = self.now();
        let before = self.world.revision();
        while self
            .world
            .authority
            .tell_due(now)
            .await
            .map_err(|error| error.to_string())?
        {}
        if !complete {
            return Ok(());
        }
        let until = self.model.now - SLACK;
        let Some(from) = self.model.due else {
            self.model.due = Some(self.model.now);
            return Ok(());
        };
        if until <= from {
            return Ok(());
        }
        self.model.due = Some(until);
        let mut due = Vec::new();
        for (at, token) in self.model.tokens.iter().enumerate() {
            for (order, days) in [30, 7, 1, 0].into_iter().enumerate() {
                let falls = token.expires - days * DAY;
                if from <= falls && falls < until && self.model.is_told(token, days) {
                    let uid = self.world.uids[token.library];
                    let place = (uid, order, token.expires, self.world.ids[at]);
                    due.push((place, at, days));
                }
            }
        }
        due.sort_unstable();
        for (number, (_, at, days)) in due.iter().enumerate() {
            let event = self.model.expiry_event(*at, *days);
            self.counts.done(event.action);
            self.model.events.push(Event {
                revision: before + 1 + (number / EXPIRIES) as u64,
                ..event
            });
        }
        Ok(())
    }

    pub(super) async fn tell_refused(&mut self) -> Agreed {
        let now = self.now();
        let told = self.world.authority.tell_refused(now).await;
        told.map_err(|error| error.to_string())?;
        for event in self.model.refusals_to_tell() {
            self.counts.done(event.action);
        }
        Ok(())
    }
}
