//! The newest audit events, in memory, for those who watch. The writer puts them here and waits for nobody; watchers take them
//! at their own pace, and who falls behind what is kept goes over the log instead.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::audit::AuditEvent;
use super::keyspace::{self, Versioned};
use crate::store::{Committed, Event, Record, Revision};

/// Events that are kept: some 4 MiB, and a second of commits one by one.
pub(super) const KEPT: usize = 4096;
/// Events that are looked at while the writer may have to wait.
const LOOKED_AT: usize = 512;

/// An event as it is shared between watchers.
pub(super) type Shared = Arc<Versioned<AuditEvent>>;

/// See the module.
#[derive(Default)]
pub(super) struct Feed {
    recent: Mutex<Recent>,
    pulse: watch::Sender<Pulse>,
}

/// What wakes watchers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pulse {
    /// The revision of the newest event.
    newest: Revision,
    /// Whether there will be no more.
    pub(super) over: bool,
}

/// What is kept.
#[derive(Default)]
struct Recent {
    /// In the order of their revisions.
    events: VecDeque<Shared>,
    /// Every event after this revision is among them.
    since: Revision,
    /// The revision of the newest event, whether it is among them or not.
    newest: Revision,
}

// === impl Feed ===

impl Feed {
    /// The store was opened at this revision: what came before is in the log alone.
    pub(super) fn start_at(&self, revision: Revision) {
        let mut recent = self.recent();
        recent.since = revision;
        recent.newest = revision;
    }

    /// Takes the events of commits that the index holds already. While nobody watches, it notes only that there were some.
    pub(super) fn publish(&self, commits: &[Committed]) {
        let events = commits.iter().flat_map(|commit| &commit.events);
        let mut records = events.filter_map(logged).peekable();
        if records.peek().is_none() {
            return;
        }
        let watched = self.pulse.receiver_count() > 0;
        let newest = {
            let mut recent = self.recent();
            for record in records {
                recent.add(record, watched);
            }
            recent.newest
        };
        self.pulse.send_modify(|pulse| pulse.newest = newest);
    }

    /// What wakes whoever watches: seen as it is now.
    pub(super) fn pulse(&self) -> watch::Receiver<Pulse> {
        self.pulse.subscribe()
    }

    /// Tells all who watch that it is over.
    pub(super) fn end(&self) {
        self.pulse.send_modify(|pulse| pulse.over = true);
    }

    /// The oldest events after this revision that are wanted, about so many, no commit's in part; and the revision up to which
    /// these are all. `None` if some are in the log alone.
    pub(super) fn after(
        &self,
        told: Revision,
        most: usize,
        wanted: impl Fn(&AuditEvent) -> bool,
    ) -> Option<(Vec<Shared>, Revision)> {
        let recent = self.recent();
        if told < recent.since {
            return None;
        }
        let first = recent
            .events
            .partition_point(|event| event.revision <= told);
        let (mut found, mut last) = (Vec::new(), told);
        for (looked_at, event) in recent.events.range(first..).enumerate() {
            let enough = found.len() >= most || looked_at >= LOOKED_AT;
            if enough && event.revision > last {
                return Some((found, last));
            }
            last = event.revision;
            if wanted(&event.value) {
                found.push(event.clone());
            }
        }
        Some((found, last.max(recent.newest)))
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        // A panic of the writer ends the process; what is here is whole at every step.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The record of an audit event that was committed.
fn logged(event: &Event) -> Option<&Record> {
    match event {
        Event::Put(record) if record.key.starts_with(keyspace::AUDIT) => Some(record),
        _ => None,
    }
}

// === impl Recent ===

impl Recent {
    fn add(&mut self, record: &Record, watched: bool) {
        self.newest = record.mod_revision;
        // One that can't be read is met in the log, where that is told.
        let event = watched.then(|| keyspace::decode::<AuditEvent>(record));
        let Some(event) = event.flatten() else {
            self.events.clear();
            self.since = record.mod_revision;
            return;
        };
        if self.events.len() >= KEPT
            && let Some(oldest) = self.events.pop_front()
        {
            self.since = oldest.revision;
        }
        self.events.push_back(Arc::new(event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::directory::Uid;
    use crate::authority::moment::Moment;

    /// A commit of so many events.
    fn commit(revision: u64, events: u32) -> Committed {
        let revision = Revision(revision);
        let put = |number| {
            let event = AuditEvent {
                key: keyspace::audit_event(Uid([1; 16]), Moment(1), number, [0; 4]),
                comment: number.to_string(),
                ..AuditEvent::default()
            };
            Event::Put(Record {
                value: keyspace::encode(&event),
                key: event.key,
                create_revision: revision,
                mod_revision: revision,
            })
        };
        Committed {
            revision,
            events: (0..events).map(put).collect(),
        }
    }

    fn told(feed: &Feed, after: u64, most: usize) -> Option<(Vec<u64>, u64)> {
        let (found, reached) = feed.after(Revision(after), most, |_| true)?;
        let revisions = found.iter().map(|event| event.revision.0);
        Some((revisions.collect(), reached.0))
    }

    #[test]
    fn events_are_told_in_order_and_no_commit_in_part() {
        let feed = Feed::default();
        feed.start_at(Revision(4));
        let _watching = feed.pulse();
        feed.publish(&[commit(5, 1), commit(6, 0), commit(7, 3), commit(9, 1)]);
        assert_eq!(told(&feed, 4, 100), Some((vec![5, 7, 7, 7, 9], 9)));
        assert_eq!(told(&feed, 4, 1), Some((vec![5], 5)));
        assert_eq!(told(&feed, 5, 2), Some((vec![7, 7, 7], 7)));
        assert_eq!(told(&feed, 7, 2), Some((vec![9], 9)));
        assert_eq!(told(&feed, 11, 2), Some((vec![], 11)));
        assert_eq!(told(&feed, 3, 100), None);
    }

    #[test]
    fn what_nobody_watched_or_is_kept_no_more_is_in_the_log_alone() {
        let feed = Feed::default();
        feed.publish(&[commit(5, 1)]);
        assert_eq!(told(&feed, 4, 100), None);
        assert_eq!(told(&feed, 5, 100), Some((vec![], 5)));
        let pulse = feed.pulse();
        assert!(!pulse.has_changed().unwrap());
        let kept = u64::try_from(KEPT).unwrap();
        for revision in 6..=(6 + kept) {
            feed.publish(&[commit(revision, 1)]);
        }
        assert!(pulse.has_changed().unwrap());
        assert_eq!(told(&feed, 5, 1), None);
        assert_eq!(told(&feed, 6, 1), Some((vec![7], 7)));
        // The oldest of a commit is gone, so the others don't count.
        let feed = Feed::default();
        let _watching = feed.pulse();
        feed.publish(&[commit(5, u32::try_from(KEPT).unwrap() + 1), commit(6, 1)]);
        assert_eq!(told(&feed, 4, 1), None);
        assert_eq!(told(&feed, 5, 1), Some((vec![6], 6)));
    }

    #[test]
    fn a_look_that_finds_nothing_ends_after_some_and_goes_on_from_there() {
        let feed = Feed::default();
        let _watching = feed.pulse();
        for revision in 1..=1000 {
            feed.publish(&[commit(revision, 1)]);
        }
        let look = |told| feed.after(told, 1, |_| false).unwrap();
        let (found, reached) = look(Revision(0));
        assert!(found.is_empty());
        assert_eq!(reached, Revision(LOOKED_AT as u64));
        assert_eq!(look(reached).1, Revision(1000));
    }
}
