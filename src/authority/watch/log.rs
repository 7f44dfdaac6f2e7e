//! Going over a library's log for the events since a revision: from where the oldest of them may be, stretch by stretch of time,
//! so that what was found in one is told before the next is looked at, and a watch that is resumed goes on from there.
//!
//! The log is ordered by time; revisions follow it but for [`SLACK_MS`]. So once all of a time is passed, whatever was logged
//! up to that much before it was committed before everything that is left.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::turns::Turns;
use crate::authority::audit::{AuditEvent, SLACK_MS};
use crate::authority::directory::Uid;
use crate::authority::error::Error;
use crate::authority::keyspace;
use crate::authority::list::EventFilter;
use crate::authority::moment::Moment;
use crate::authority::understand;
use crate::store::{Record, Revision, Store, StoreError};

/// Events that one stretch remembers: half a MiB. If there are more, the oldest are told, and it is gone over again.
const REMEMBERED: usize = 20_000;
/// Records that are read at once: commits come in between.
const SCANNED: usize = 250;
/// Reads of one turn: others who go over the log come in between.
const READS_OF_TURN: usize = 16;
/// Records of a stretch, about: some four turns.
const STRETCH: usize = 16_000;
/// The shortest stretch, milliseconds: half of it is new ground.
const SHORTEST_MS: i64 = 2 * SLACK_MS;
/// The first one, milliseconds. The next are longer by [`FACTOR`] as long as there is little in them, or else shorter.
const FIRST_MS: i64 = 60 * 60 * 1000;
const FACTOR: i64 = 8;
/// How exactly it is looked for where to begin, milliseconds.
const EXACT_MS: i64 = 60 * 1000;

/// An event by its revision and its place in the log: of one commit's, the first comes last in the log.
type Place = (Revision, Reverse<[u8; 16]>);

/// A library's log, for one who takes turns to read it.
pub(super) struct Log<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) library: Uid,
    pub(super) turns: &'a Turns,
    /// The library of the one who reads.
    pub(super) reader: Uid,
}

/// A walk over a library's log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    /// Everything up to here was found.
    told: Revision,
    /// What was committed when it began. What comes during it is another one's.
    head: Revision,
    /// Of that, nothing is newer.
    newest: Moment,
    /// And of what is left to find, nothing is older.
    from: Moment,
    /// How long the next stretch is, milliseconds.
    length_ms: i64,
}

/// What a stretch has come to.
struct Stretch {
    walk: Walk,
    /// The first moment after it.
    until: Moment,
    /// The latest revision of which it is certain that everything up to it was passed.
    settled: Revision,
    /// The oldest so far: the newest of them on top.
    oldest: BinaryHeap<Place>,
    /// The first revision of which not all are remembered.
    cut: Option<Revision>,
    most: usize,
    passed: usize,
}

/// What a walk has found.
pub(super) struct Found {
    /// In the order of their revisions.
    places: VecDeque<Place>,
    /// With them, everything up to here is told.
    reached: Revision,
}

// === impl Log ===

impl Log<'_> {
    /// A walk for what was committed after one revision and up to another; `None` if there is nothing in the log.
    pub(super) async fn walk(&self, told: Revision, head: Revision) -> Result<Option<Walk>, Error> {
        let place = self.turns.place(self.reader).await;
        let _turn = self.turns.take(&place).await;
        let Some((newest, revision)) = self.before(None).await? else {
            return Ok(None);
        };
        // What came after an event that was told is at most so much older.
        let floor = |time: Moment| Moment(time.0.saturating_sub(SLACK_MS));
        let (mut from, mut low, mut high) = (Moment(i64::MIN), 0, newest.0.saturating_add(1));
        if revision <= told {
            (from, low) = (floor(newest), high);
        }
        while high.saturating_sub(low) > EXACT_MS {
            let middle = Moment(low + (high - low) / 2);
            from = match self.before(Some(middle)).await? {
                Some((_, revision)) if revision > told => {
                    high = middle.0;
                    continue;
                }
                Some((time, _)) => floor(time),
                None => middle,
            };
            low = middle.0;
        }
        Ok(Some(Walk {
            told,
            head,
            newest,
            from: from.max(Moment(0)),
            length_ms: FIRST_MS,
        }))
    }

    /// Goes over one stretch; the walk goes on from there, unless that was all.
    pub(super) async fn search(
        &self,
        mut walk: Walk,
        filter: &EventFilter,
    ) -> Result<(Found, Option<Walk>), Error> {
        // For as long as it remembers what it has found: others wait for theirs without anything in their hands.
        let place = self.turns.place(self.reader).await;
        'again: loop {
            let mut stretch = walk.stretch();
            let mut at = Some(keyspace::audit_before(self.library, stretch.until));
            loop {
                let _turn = self.turns.take(&place).await;
                for _ in 0..READS_OF_TURN {
                    let prefix = keyspace::audit(self.library);
                    let records = self.store.scan(prefix, at, SCANNED).await?;
                    let is_over = stretch.passes(&records, filter)?;
                    if is_over || records.len() < SCANNED {
                        return Ok(stretch.found());
                    }
                    if stretch.is_too_long() {
                        walk.length_ms = SHORTEST_MS.max(walk.length_ms / FACTOR);
                        continue 'again;
                    }
                    at = records.last().map(|record| record.key.clone());
                }
            }
        }
    }

    /// When the newest event before a moment was logged, and its revision.
    async fn before(&self, time: Option<Moment>) -> Result<Option<(Moment, Revision)>, Error> {
        let prefix = keyspace::audit(self.library);
        let after = time.map(|time| keyspace::audit_before(self.library, time));
        let found = self.store.scan(prefix, after, 1).await?.pop();
        let of = |record: Record| Ok((place_of(&record)?.1, record.mod_revision));
        found.map(of).transpose()
    }
}

// === impl Walk ===

impl Walk {
    fn stretch(self) -> Stretch {
        let until = self.from.plus(self.length_ms);
        Stretch {
            walk: self,
            until: until.min(self.newest.plus(1)),
            settled: self.told,
            oldest: BinaryHeap::new(),
            cut: None,
            most: REMEMBERED,
            passed: 0,
        }
    }
}

// === impl Stretch ===

impl Stretch {
    fn is_last(&self) -> bool {
        self.until > self.walk.newest
    }

    /// Passes records, newest first; says whether they go beyond it.
    fn passes(&mut self, records: &[Record], filter: &EventFilter) -> Result<bool, Error> {
        for record in records {
            let (place, time) = place_of(record)?;
            if time < self.walk.from {
                return Ok(true);
            }
            self.passed += 1;
            let revision = record.mod_revision;
            if revision <= self.walk.told || revision > self.walk.head {
                continue;
            }
            if time.0 < self.until.0.saturating_sub(SLACK_MS) {
                self.settled = self.settled.max(revision);
            }
            if !filter.chooses() || filter.wants(&understand::<AuditEvent>(record)?.value) {
                self.remember((revision, Reverse(place)));
            }
        }
        Ok(false)
    }

    /// Whether a shorter one would be better.
    fn is_too_long(&self) -> bool {
        self.passed > STRETCH && self.walk.length_ms > SHORTEST_MS
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

    /// What was found, and where to go on.
    fn found(self) -> (Found, Option<Walk>) {
        let passed = if self.is_last() {
            self.walk.head
        } else {
            self.settled
        };
        let reached = self.cut.map_or(passed, |cut| passed.min(before(cut)));
        let mut places = self.oldest.into_sorted_vec();
        places.retain(|(revision, _)| *revision <= reached);
        let mut rest = Walk {
            told: reached,
            ..self.walk
        };
        // Not all of it is remembered: it is gone over again.
        let is_cut = reached < passed;
        if !is_cut {
            rest.from = Moment(self.until.0.saturating_sub(SLACK_MS));
            if self.passed < STRETCH / 8 {
                rest.length_ms = rest.length_ms.saturating_mul(FACTOR);
            }
        }
        let found = Found {
            places: places.into(),
            reached,
        };
        let is_over = self.until > self.walk.newest && !is_cut;
        (found, (!is_over).then_some(rest))
    }
}

// === impl Found ===

impl Found {
    /// Nothing up to a revision.
    pub(super) fn none(reached: Revision) -> Found {
        Found {
            places: VecDeque::new(),
            reached,
        }
    }

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

fn place_of(record: &Record) -> Result<([u8; 16], Moment), Error> {
    let place = keyspace::audit_place(&record.key).zip(keyspace::audit_time(&record.key));
    place.ok_or_else(|| StoreError::Damaged(record.key.clone()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
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

    /// A walk from the beginning, for all that is in a log.
    fn walk(log: &[Record], told: u64) -> Walk {
        let revisions = log.iter().map(|record| record.mod_revision);
        Walk {
            told: Revision(told),
            head: revisions.max().unwrap(),
            newest: place_of(&log[0]).unwrap().1,
            from: Moment(0),
            length_ms: SHORTEST_MS,
        }
    }

    /// The revisions that each stretch of a walk tells, and how far it reaches.
    fn told(log: &[Record], walk: Walk, most: usize) -> Vec<(Vec<u64>, u64)> {
        let (all, mut told) = (EventFilter::of(named("acme")), Vec::new());
        let mut rest = Some(walk);
        while let Some(walk) = rest {
            let mut stretch = walk.stretch();
            stretch.most = most;
            let begin = keyspace::audit_before(LIBRARY, stretch.until);
            let first = log.partition_point(|record| record.key <= begin);
            stretch.passes(&log[first..], &all).unwrap();
            let found;
            (found, rest) = stretch.found();
            let revisions = found.places.iter().map(|(revision, _)| revision.0);
            told.push((revisions.collect(), found.reached.0));
        }
        told
    }

    /// All of these, and that each stretch reached further than the one before or found nothing.
    fn whole(told: &[(Vec<u64>, u64)]) -> Vec<u64> {
        assert!(told.is_sorted_by_key(|(_, reached)| reached));
        told.iter().flat_map(|(found, _)| found.clone()).collect()
    }

    #[test]
    fn what_was_committed_late_is_found_in_its_turn_and_once() {
        let minute = SLACK_MS / 5;
        // The time goes on by a minute, and now and then lies as far back as it can.
        let late = |n: i64| if n % 7 == 3 { 5 * minute } else { 0 };
        let time = |n: u64| i64::try_from(n).unwrap() * minute;
        let log = log_of((6..=500).map(|n| (n, time(n) - late(n.cast_signed()))));
        let all = told(&log, walk(&log, 0), REMEMBERED);
        assert!(all.len() > 2, "{}", all.len());
        assert_eq!(whole(&all), (6..=500).collect::<Vec<_>>());
        assert_eq!(all.last().unwrap().1, 500);
        // Whatever was told before, the rest is found.
        for before in [6, 100, 101, 102, 103, 104, 499, 500] {
            let rest = told(&log, walk(&log, before), REMEMBERED);
            assert_eq!(whole(&rest), (before + 1..=500).collect::<Vec<_>>());
        }
        // What comes during a walk is another one's.
        let mut earlier = walk(&log, 0);
        earlier.head = Revision(400);
        let all = told(&log, earlier, REMEMBERED);
        assert_eq!((whole(&all).len(), all.last().unwrap().1), (395, 400));
        // Nor does it reach into that before its end.
        earlier.head = Revision(30);
        let all = told(&log, earlier, REMEMBERED);
        assert_eq!(whole(&all), (6..=30).collect::<Vec<_>>());
        assert!(all.iter().all(|(_, reached)| *reached <= 30));
    }

    #[test]
    fn a_stretch_that_finds_too_many_tells_the_oldest_and_no_commit_in_part() {
        // Pairs of events, each pair of one commit.
        let log = log_of((0..100_u64).map(|n| (1 + n / 2, n.cast_signed())));
        let all = told(&log, walk(&log, 0), 7);
        assert!(all.iter().all(|(found, _)| found.len() <= 7));
        let expected: Vec<u64> = (0..100).map(|n| 1 + n / 2).collect();
        assert_eq!(whole(&all), expected);
    }

    #[test]
    fn a_commit_that_was_told_in_part_is_told_again() {
        let log = log_of([(5, 1), (6, 2), (6, 3), (7, 4)]);
        let mut stretch = walk(&log, 0).stretch();
        let all = EventFilter::of(named("acme"));
        stretch.passes(&log, &all).unwrap();
        let (mut found, rest) = stretch.found();
        let told = [1, 1, 1, 1].map(|most| (found.take(most).len(), found.told().0));
        assert_eq!(told, [(1, 5), (1, 5), (1, 6), (1, 7)]);
        assert!(rest.is_none());
    }
}
