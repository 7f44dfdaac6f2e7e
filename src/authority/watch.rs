//! Watching: the audit events of a library, as they are committed, and before that those since a revision.
//!
//! A watch takes what is new from the [`feed`](super::feed), and goes over the log for what lies further back. It is pulled, one
//! [`step`](Watch::step) at a time: a slow reader costs its own time alone. Its caller is judged after each look, by a state
//! that is no older than what was found: whose right is gone is told of nothing that came after.

mod log;
mod seats;
mod turns;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use self::log::{Found, Log, Walk};
use self::seats::{Seat, Seats, Whose};
use self::turns::Turns;
use super::audit::AuditEvent;
use super::caller::Caller;
use super::directory::SYSTEM;
use super::directory::Uid;
use super::error::{Error, Reason};
use super::feed::{Pulse, Shared};
use super::keyspace;
use super::list::EventFilter;
use super::moment::Moment;
use super::{Authority, parse_revision, understand};
use crate::store::{Key, Revision};

/// About how many events are told at once: some 50 KiB, and at the most a tenth of what gRPC clients take.
const TOLD_AT_ONCE: usize = 100;
/// Where to begin for all that is kept.
const BEGINNING: &str = "0";

/// What all watches of an authority share.
#[derive(Default)]
pub(super) struct Watchers {
    seats: Seats,
    turns: Turns,
}

/// A watch of a library.
pub struct Watch {
    authority: Arc<Authority>,
    caller: Caller,
    filter: EventFilter,
    library: Uid,
    /// The library of whoever watches.
    by: Uid,
    /// What the keys of the library's events begin with.
    prefix: Key,
    /// Everything up to here was told.
    told: Revision,
    source: Source,
    pulse: watch::Receiver<Pulse>,
    _seat: Seat,
}

/// Where the next events come from.
enum Source {
    /// From memory.
    Feed,
    /// From the log, where they are looked for.
    Log(Search),
    /// From the log, where they were found; then from what is left of it.
    Found(Found, Option<Walk>),
}

/// One look into the log. It does not wait for whoever watches, so that who never comes back has no turn that others wait for.
struct Search {
    task: JoinSet<Result<Looked, Error>>,
    done: Option<Result<Looked, Error>>,
}

/// What a look into the log came to.
type Looked = (Found, Option<Walk>);

/// What one look came to.
#[derive(Debug)]
pub enum Step {
    /// Events, in the order of their revisions.
    Told(Vec<Shared>),
    /// Nothing yet; there may be more.
    Searching,
    /// Nothing in a part of the log, which is told with this; there is more of it.
    Passed,
    /// Nothing, until [`Watch::more`] returns.
    Waiting,
}

impl Authority {
    /// Begins to watch the audit events of a library that a filter leaves: after a revision, after now if it is empty, or from
    /// the beginning if it is "0".
    ///
    /// # Errors
    /// [`Reason::LimitExceeded`] if too many watch; [`Reason::RevisionUnknown`] for a revision that this store has never had.
    pub fn watch_events(
        self: &Arc<Self>,
        caller: &Caller,
        filter: &EventFilter,
        after: &str,
        now: Moment,
    ) -> Result<Watch, Error> {
        let by = self.authorise(caller, now)?;
        let library = self.uid_of(&by, &filter.library)?;
        let whose = match by.library.as_str() {
            SYSTEM => Whose::Operators,
            _ => Whose::Library(by.library_uid),
        };
        let told = self.revision_after(after)?;
        Ok(Watch {
            caller: caller.clone(),
            filter: filter.clone(),
            library,
            by: by.library_uid,
            prefix: keyspace::audit(library),
            told,
            source: Source::Feed,
            pulse: self.index.feed().pulse(),
            _seat: self.watchers.seats.take(whose)?,
            authority: self.clone(),
        })
    }

    /// Ends all watches, and every one that begins from now on.
    pub fn end_watches(&self) {
        self.index.feed().end();
    }

    fn revision_after(&self, text: &str) -> Result<Revision, Error> {
        let head = self.index.read()?.revision();
        if text.is_empty() {
            return Ok(head);
        }
        if text == BEGINNING {
            return Ok(Revision(0));
        }
        let (id, revision) = parse_revision(text).ok_or_else(|| {
            Error::invalid(
                "after_revision",
                "must be a revision as an answer told it, \"0\" for all that is kept, or empty for what is to come",
            )
        })?;
        if id != self.store.id() || revision > head {
            return Err(Error::new(
                Reason::RevisionUnknown,
                "this store has never had that revision; begin anew, and look at what there is",
            ));
        }
        Ok(revision)
    }
}

// === impl Watch ===

impl Watch {
    /// Everything up to here was told: where another watch goes on. Opaque.
    #[must_use]
    pub fn told(&self) -> String {
        self.authority.revision_text(self.told)
    }

    /// A revision as others see it.
    #[must_use]
    pub fn revision_text(&self, revision: Revision) -> String {
        self.authority.revision_text(revision)
    }

    /// Whether it is looking into the log.
    #[cfg(test)]
    pub(super) fn is_searching(&self) -> bool {
        matches!(self.source, Source::Log(_))
    }

    /// Looks once, and then judges the caller.
    ///
    /// # Errors
    /// What any call of this caller would get now; [`Reason::NotReady`] once the authority stops.
    pub async fn step(&mut self, now: Moment) -> Result<Step, Error> {
        let step = self.look().await;
        self.authority.authorise(&self.caller, now)?;
        if self.pulse.borrow().over {
            let why = "the authority stops; watch again from the last revision";
            return Err(Error::new(Reason::NotReady, why));
        }
        step
    }

    /// Waits until another step may find more.
    pub async fn more(&mut self) {
        // Both can fail only where the authority is gone, and then the next step says so.
        if let Source::Log(search) = &mut self.source {
            tokio::select! {
                () = search.ends() => {}
                _ = self.pulse.wait_for(|pulse| pulse.over) => {}
            }
        } else {
            let _ = self.pulse.changed().await;
        }
    }

    async fn look(&mut self) -> Result<Step, Error> {
        match &mut self.source {
            Source::Feed => Ok(self.look_at_feed()),
            Source::Log(search) => {
                let Some(looked) = search.done.take() else {
                    return Ok(Step::Waiting);
                };
                let (found, rest) = looked?;
                self.source = Source::Found(found, rest);
                Ok(Step::Searching)
            }
            Source::Found(found, rest) => {
                let places = found.take(TOLD_AT_ONCE);
                let told = found.told();
                let keys = places
                    .into_iter()
                    .map(|place| keyspace::audit_at(self.library, place));
                let records = self.authority.store.get(keys.collect()).await?;
                let events = records.iter().flatten().map(understand::<AuditEvent>);
                let events = events
                    .map(|event| event.map(Arc::new))
                    .collect::<Result<Vec<_>, _>>()?;
                let has_moved = told > self.told;
                self.told = told;
                if found.is_empty() {
                    let rest = rest.take();
                    let is_passed = has_moved && rest.is_some();
                    self.source = rest.map_or(Source::Feed, |walk| self.search(Some(walk)));
                    if events.is_empty() && is_passed {
                        return Ok(Step::Passed);
                    }
                }
                Ok(or_searching(events))
            }
        }
    }

    fn look_at_feed(&mut self) -> Step {
        let wanted =
            |event: &AuditEvent| event.key.starts_with(&self.prefix) && self.filter.wants(event);
        // What comes from here on wakes it.
        self.pulse.mark_unchanged();
        let feed = self.authority.index.feed();
        let Some((found, reached)) = feed.after(self.told, TOLD_AT_ONCE, wanted) else {
            self.source = self.search(None);
            return Step::Waiting;
        };
        if reached == self.told {
            return Step::Waiting;
        }
        self.told = reached;
        or_searching(found)
    }
}

impl Watch {
    /// Looks into the log: where a walk has come to, or for all that was not told yet.
    fn search(&self, walk: Option<Walk>) -> Source {
        let (authority, filter) = (self.authority.clone(), self.filter.clone());
        let (library, reader, told) = (self.library, self.by, self.told);
        let look = async move {
            let log = Log {
                store: authority.store.as_ref(),
                library,
                turns: &authority.watchers.turns,
                reader,
            };
            let head = authority.index.read()?.revision();
            let walk = match walk {
                Some(walk) => Some(walk),
                None => log.walk(told, head).await?,
            };
            match walk {
                Some(walk) => log.search(walk, &filter).await,
                None => Ok((Found::none(head), None)),
            }
        };
        let mut task = JoinSet::new();
        task.spawn(look);
        Source::Log(Search { task, done: None })
    }
}

// === impl Search ===

impl Search {
    async fn ends(&mut self) {
        if self.done.is_none() {
            let broken = |_: JoinError| Error::new(Reason::Internal, "the log was not gone over");
            let ended = self.task.join_next().await;
            self.done = ended.map(|ended| ended.map_err(broken).flatten());
        }
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}

fn or_searching(events: Vec<Shared>) -> Step {
    if events.is_empty() {
        Step::Searching
    } else {
        Step::Told(events)
    }
}
