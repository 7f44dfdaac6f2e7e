//! Going over a library's log for the events since a revision. The log is ordered by time, newest first; revisions follow it
//! but for [`SLACK_MS`], so that no more is read than what is new and what was logged in that time before it.

use std::cmp::Reverse;
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

/// An event by its revision and its place in the log: of one commit's, the first comes last in the log.
type Place = (Revision, Reverse<[u8; 16]>);

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
                self.remember((revision, Reverse(place)));
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
        some.map(|(_, Reverse(place))| place).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::directory::Uid;
    use crate::authority::tests::samples::named;

    const LIBRARY: Uid = Uid([1; 16]);

    /// The log of these events, newest first: each by its revision and its time.
    fn log_of(events: impl IntoIterator<Item = (u64, i64)>) -> Vec<Record> {
        let record = |(revision, time)| Record {
            key: keyspace::audit_event(LIBRARY, Moment(time), 0, [0; 4]),
            value: Vec::new(),
            create_revision: Revision(revision),
            mod_revision: Revision(revision),
        };
        let mut log: Vec<Record> = events.into_iter().map(record).collect();
        log.sort_by(|a, b| a.key.cmp(&b.key));
        log
    }

    /// The times that a walk finds, how far they reach, and how much of the log it read, in slices of ten.
    fn walked(log: &[Record], mut walk: Walk) -> (Vec<i64>, u64, usize) {
        let (all, mut read) = (EventFilter::of(named("acme")), 0);
        for slice in log.chunks(10) {
            read += slice.len();
            if walk.passes(slice, 10, &all).unwrap() {
                break;
            }
        }
        let mut found = walk.found();
        let keys = found.take(usize::MAX);
        let times = keys
            .into_iter()
            .map(|place| keyspace::audit_time(&keyspace::audit_at(LIBRARY, place)));
        (times.map(|t| t.unwrap().0).collect(), found.told().0, read)
    }

    #[test]
    fn a_walk_reads_no_further_back_than_what_may_be_new() {
        let minute = SLACK_MS / 5;
        let log = log_of((1..=1000).map(|n| (n, i64::try_from(n).unwrap() * minute)));
        let (times, reached, read) = walked(&log, Walk::new(Revision(990), Revision(1000)));
        assert_eq!(times, (991..=1000).map(|n| n * minute).collect::<Vec<_>>());
        assert_eq!((reached, read), (1000, 20));
        // One that was committed as late as can be.
        let late = log_of([(1, 0), (2, 3 * minute), (3, 10 * minute), (4, 5 * minute)]);
        let (times, _, _) = walked(&late, Walk::new(Revision(3), Revision(4)));
        assert_eq!(times, [5 * minute]);
        // What comes during a walk is another one's.
        let (times, reached, _) = walked(&late, Walk::new(Revision(0), Revision(2)));
        assert_eq!((times, reached), (vec![0, 3 * minute], 2));
    }

    #[test]
    fn a_walk_that_finds_too_many_tells_the_oldest_and_no_commit_in_part() {
        // Pairs of events, each pair of one commit.
        let log = log_of((0..100).map(|n| (1 + n / 2, i64::try_from(n).unwrap())));
        let mut told = Vec::new();
        let mut reached = 0;
        while reached < 50 {
            let mut walk = Walk::new(Revision(reached), Revision(50));
            walk.most = 7;
            let (times, to, _) = walked(&log, walk);
            assert!(times.len() <= 7 && to > reached);
            told.extend(times);
            reached = to;
        }
        assert_eq!(told, (0..100).collect::<Vec<i64>>());
    }

    #[test]
    fn a_commit_that_was_told_in_part_is_told_again() {
        let log = log_of([(5, 1), (6, 2), (6, 3), (7, 4)]);
        let mut walk = Walk::new(Revision(0), Revision(9));
        walk.passes(&log, 10, &EventFilter::of(named("acme")))
            .unwrap();
        let mut found = walk.found();
        let told = [1, 1, 1, 1].map(|most| (found.take(most).len(), found.told().0));
        assert_eq!(told, [(1, 5), (1, 5), (1, 6), (1, 9)]);
    }
}
