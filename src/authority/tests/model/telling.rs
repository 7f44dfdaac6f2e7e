//! What upkeep tells in events of its own: what expires, and what was refused.

use std::collections::BTreeSet;

use super::compare::{Agreed, compare_event, same};
use super::records::{Comment, Event, Model, Text, Token};
use super::run::Run;
use super::uses::Waits;
use crate::authority::moment::Moment;
use crate::authority::tests::stage::{DAY, MINUTE};

/// What is told lies so far back.
const SLACK: i64 = 5 * MINUTE;
/// What an event of refused uses is called.
pub(super) const REFUSED: Text = "token.refused";
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

    /// The event that tells now how often a token was refused with a verdict; `None` if nothing is to be told.
    fn refusal_told(&mut self, at: usize, verdict: &str) -> Option<Event> {
        let now = self.now;
        let refused = self.tokens[at].used.refused.iter_mut();
        let refused = refused.into_iter().find(|r| r.verdict == verdict)?;
        let times = refused.count - refused.told_count;
        if times == 0 || refused.waits == Waits::No || !refused.is_due(now) {
            return None;
        }
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
        refused.waits = Waits::No;
        Some(self.told_by_itself(at, REFUSED, comment, Vec::new()))
    }

    /// What surely waits to be told.
    fn refusals_that_wait(&self) -> Vec<(usize, Text)> {
        let tokens = self.tokens.iter().enumerate();
        let refused =
            tokens.flat_map(|(at, token)| token.used.refused.iter().map(move |r| (at, r)));
        refused
            .filter(|(_, refused)| refused.waits == Waits::Surely)
            .map(|(at, refused)| (at, refused.verdict))
            .collect()
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

    /// In which order they are told, the authority may choose, and after a start also whether it tells once more at once of
    /// what it told of over an hour ago.
    pub(super) async fn tell_refused(&mut self) -> Agreed {
        let before = self.world.revision();
        let told = self.world.authority.tell_refused(self.now()).await;
        told.map_err(|error| error.to_string())?;
        if !self.world.is_complete() {
            return same("the revision", &before, &self.world.revision());
        }
        let told = self.world.events_after(before).await;
        let none = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for (revision, told) in &told {
            let at = self
                .world
                .ids
                .iter()
                .position(|id| id.to_string() == told.token_id);
            let verdict = told.comment.split(':').next().unwrap_or_default();
            let event = at.and_then(|at| self.model.refusal_told(at, verdict));
            let Some(event) = event else {
                return Err(format!("nothing was to be told, but {told:?}"));
            };
            compare_event(&self.world, &event, told)?;
            self.counts.done(event.action);
            self.model.events.push(Event {
                revision: *revision,
                ..event
            });
            seen.insert(*revision);
        }
        let one: BTreeSet<u64> = if told.is_empty() {
            none
        } else {
            [before + 1].into()
        };
        same("they are one commit", &one, &seen)?;
        if told.len() < REFUSALS {
            same("what waits", &Vec::new(), &self.model.refusals_that_wait())?;
        }
        Ok(())
    }

    /// Until nothing waits any more.
    pub(super) async fn tell_all_refused(&mut self) -> Agreed {
        loop {
            let before = self.model.events.len();
            self.tell_refused().await?;
            if self.model.events.len() < before + REFUSALS {
                return Ok(());
            }
        }
    }
}
