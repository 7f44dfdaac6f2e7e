//! Going over a library's log for the events since a revision. The log is ordered by time, newest first; revisions follow it
//! but for [`SLACK_MS`], so that no more is read than what is new and what was logged in that time before it.

use std::collections::{BinaryHeap, VecDeque};

use crate::authority::audit::{AuditEvent, SLACK_MS};
use crate::authority::error::Error;
use crate::authority::keyspace;
use crate::authority::list::EventFilter;
use crate::authority::moment::Moment;
use crate::authority::understand;
use crate::store::{Key, Record, Revision, StoreError};

/// Events that one walk remembers: 1.2 MiB. If there are more, the oldest are told, and another walk follows.
const REMEMBERED: usize = 50_000;

/// An event by its revision and its place in the log.
type Place = (Revision, [u8; 16]);

/// A walk over a library's log.
pub(super) struct Walk {
    /// What was told before.
    told: Revision,
    /// What was committed when it began. What comes during it is another one's.
    head: Revision,
    /// The key that it has come to.
    at: Option<Key>,
    /// The time of the newest event that was told before.
    newest_told: Option<Moment>,
    /// The oldest so far: the newest of them on top.
    oldest: BinaryHeap<Place>,
    /// The first revision of which not all are remembered.
    cut: Option<Revision>,
    most: usize,
}

/// What a walk has found.
pub(super) struct Found {
    /// In the order of their revisions.
    places: VecDeque<Place>,
    /// With them, everything up to here is told.
    reached: Revision,
}

// === impl Walk ===

impl Walk {
    /// For what was committed after one revision and up to another.
    pub(super) fn new(told: Revision, head: Revision) -> Walk {
        Walk {
            told,
            head,
            at: None,
            newest_told: None,
            oldest: BinaryHeap::new(),
            cut: None,
            most: REMEMBERED,
        }
    }

    /// Where to read on.
    pub(super) fn at(&self) -> Option<Key> {
        self.at.clone()
    }

    /// Passes these records, which were to be so many; says whether that was all.
    pub(super) fn passes(
        &mut self,
        records: &[Record],
        asked: usize,
        filter: &EventFilter,
    ) -> Result<bool, Error> {
        for record in records {
            let place = keyspace::audit_place(&record.key).zip(keyspace::audit_time(&record.key));
            let damaged = || StoreError::Damaged(record.key.clone());
            let (place, time) = place.ok_or_else(damaged)?;
            let revision = record.mod_revision;
            if revision <= self.told {
                let newest = *self.newest_told.get_or_insert(time);
                if time.0 < newest.0.saturating_sub(SLACK_MS) {
                    return Ok(true);
                }
            } else if revision <= self.head
                && (!filter.chooses() || filter.wants(&understand::<AuditEvent>(record)?.value))
            {
                self.remember((revision, place));
            }
        }
        self.at = records.last().map(|record| record.key.clone());
        Ok(records.len() < asked)
    }

    fn remember(&mut self, place: Place) {
        if self.cut.is_some_and(|cut| place.0 >= cut) {
            return;
        }
        self.oldest.push(place);
        if self.oldest.len() > self.most
            && let Some((newest, _)) = self.oldest.pop()
        {
            self.cut = Some(newest);
        }
    }

    /// What was found.
    pub(super) fn found(&mut self) -> Found {
        let mut places = std::mem::take(&mut self.oldest).into_sorted_vec();
        let reached = match self.cut {
            None => self.head,
            Some(cut) => {
                places.retain(|(revision, _)| *revision < cut);
                before(cut)
            }
        };
        Found {
            places: places.into(),
            reached,
        }
    }
}

// === impl Found ===

impl Found {
    /// The oldest of what is left.
    pub(super) fn take(&mut self, most: usize) -> Vec<[u8; 16]> {
        let some = self.places.drain(..most.min(self.places.len()));
        some.map(|(_, place)| place).collect()
    }

    /// With what was taken, everything up to here is told. Of a commit that was taken in part, the next time all.
    pub(super) fn told(&self) -> Revision {
        self.places
            .front()
            .map_or(self.reached, |(next, _)| before(*next))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

fn before(revision: Revision) -> Revision {
    Revision(revision.0.saturating_sub(1))
}
