//! What tokens are used for: when last, from where, by which service, what for, and how often in vain.
//!
//! Verify notes it in memory, and nothing of it is in a token's record, its etag or its events. A table of buckets, by the
//! first bytes of the ids, is at once how it is kept in memory and how it is stored: upkeep writes the buckets in which
//! something new was noted, a few each second. A crash takes back what was not written yet, which is a sample and no more.
//!
//! Whatever is noted moves forward only, so that what is read later, or comes from elsewhere, is merged by the maximum.

mod ahead;
mod entry;
mod flush;
mod record;
mod told;
mod waiting;
mod words;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::ahead::Ahead;
use self::entry::Entry;
pub use self::entry::{LastUse, Refused, Use};
use self::waiting::Waiting;
use self::words::Words;
use super::audit::AUTHORITY;
use super::cidr::Address;
use super::directory::Uid;
use super::judge::Verdict;
use super::keyspace;
use super::moment::Moment;
use super::name::Name;
use super::permission::{Permission, Reserved};
use super::secret::TokenId;
use crate::store::{Change, Key, Record};

/// A use within this time of the last one is the same use, milliseconds: a token that is busy is only read.
pub const SAMPLE_MS: i64 = 1000;
/// What was noted is written again once it is this much newer than what was written, milliseconds.
const STEP_MS: i64 = 30 * 1000;
/// How much of the last uses a crash takes back, milliseconds: the step, and as long again to get its turn among the writes.
/// Three turns of four are theirs, so it holds for sessions as long as fewer than 1100 of their buckets are written within it.
pub const FLUSH_INTERVAL_MS: i64 = 60 * 1000;
/// Most distinct permissions that are kept of what was demanded of a token.
pub const MAX_DEMANDED: usize = 16;
/// Most refusals that wait to be told in an event: what comes beyond is told by a later one.
const MAX_UNTOLD: usize = 10_000;

/// The tokens whose ids begin with the same two bytes: those that are written together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(pub u16);

/// What all tokens were used for.
pub struct Uses {
    /// One for each bucket, sorted by id: a million tokens make about 16 in each.
    buckets: Box<[Mutex<Vec<Entry>>]>,
    words: Words,
    waiting: Mutex<Waiting>,
    /// Refusals that an event is due for.
    untold: Mutex<VecDeque<(TokenId, Verdict)>>,
    ahead: Ahead,
    /// The latest time that is known to be stored, Unix milliseconds; all of it until that was read.
    known: AtomicI64,
    /// How many records a bucket is stored in, where it is more than one.
    parts: Mutex<HashMap<Bucket, u16>>,
    /// What is being written: it comes back through the index, which knows it.
    own: Mutex<HashMap<Key, Vec<u8>>>,
}

/// Who asks about a token.
#[derive(Debug, Clone, Copy)]
pub enum Service<'a> {
    /// It did not say: anonymous verification is switched on.
    Anonymous,
    /// This authority, of a credential for a call of its own.
    Own,
    /// A user of a library.
    User(&'a Name, &'a Name),
}

/// One use of a token whose secret has proved right.
#[derive(Debug, Clone, Copy)]
pub struct Note<'a> {
    /// The token.
    pub id: TokenId,
    /// Its library.
    pub library: Uid,
    /// Whether it is a session.
    pub is_session: bool,
    /// What was found.
    pub verdict: Verdict,
    /// What was demanded.
    pub demanded: &'a [Permission],
    /// Of a credential for a call of this authority's own: the right that was.
    pub right: Option<Reserved>,
    /// The end client's address, if it is known.
    pub client_ip: Option<Address>,
    /// Who asked.
    pub by: Service<'a>,
    /// When, by a clock that is trusted.
    pub time: Moment,
    /// When by the clock as it is, while that is not trusted.
    pub ahead: Option<Moment>,
}

// === impl Bucket ===

impl Bucket {
    /// Where a token belongs.
    #[must_use]
    pub fn of(id: TokenId) -> Bucket {
        let [high, low, ..] = id.0;
        Bucket(u16::from_be_bytes([high, low]))
    }
}

// === impl Service ===

impl Service<'_> {
    /// As it is shown: `library/user`, or the authority's own name.
    fn text(self) -> String {
        match self {
            Service::Anonymous => String::new(),
            Service::Own => AUTHORITY.to_owned(),
            Service::User(library, user) => format!("{library}/{user}"),
        }
    }

    /// Whether it is shown as this text.
    fn is(self, text: &str) -> bool {
        match self {
            Service::Anonymous => text.is_empty(),
            Service::Own => text == AUTHORITY,
            Service::User(library, user) => {
                text.split_once('/') == Some((library.as_str(), user.as_str()))
            }
        }
    }
}

// === impl Uses ===

impl Uses {
    /// None yet.
    #[must_use]
    pub fn new() -> Uses {
        Uses {
            buckets: (0..=u16::MAX).map(|_| Mutex::default()).collect(),
            words: Words::default(),
            waiting: Mutex::default(),
            untold: Mutex::default(),
            ahead: Ahead::default(),
            known: AtomicI64::new(i64::MAX),
            parts: Mutex::default(),
            own: Mutex::default(),
        }
    }

    /// Notes a use, or a refused one. The hot path: it allocates only for what is new.
    pub fn note(&self, note: &Note<'_>) {
        let bucket = Bucket::of(note.id);
        let mut entries = self.bucket(bucket);
        let entry = entry_of(&mut entries, note.id);
        let is_new = match note.verdict {
            Verdict::Valid => {
                self.ahead.note(note);
                entry.accept(note, &self.words)
            }
            verdict => {
                if entry.refuse(note, verdict, &self.words) {
                    self.must_tell(entry, verdict);
                }
                false
            }
        };
        if entry.is_due(is_new, note.time) {
            lock(&self.waiting).push(bucket, note.is_session);
        }
    }

    /// What a token was used for; `None` if never, nor in vain.
    #[must_use]
    pub fn of(&self, id: TokenId) -> Option<Use> {
        let entries = self.bucket(Bucket::of(id));
        let at = entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
        Some(entries[at].used.clone())
    }

    /// When a token was last used.
    #[must_use]
    pub fn last_time(&self, id: TokenId) -> Option<Moment> {
        let entries = self.bucket(Bucket::of(id));
        let at = entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
        Some(entries[at].used.last.as_ref()?.time)
    }

    /// When a session was last active, by the clock that it is judged by.
    #[must_use]
    pub fn last_active(&self, id: TokenId) -> Option<Moment> {
        self.last_time(id).max(self.ahead.of(id))
    }

    /// What is trusted to have been: this moment, and none that lies far behind it.
    pub(super) fn know(&self, mark: Moment) {
        self.known.store(mark.0, Ordering::Relaxed);
    }

    /// Bytes allocated for the buckets; what permissions and refusals take comes to it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let entries = self.buckets.iter().map(|bucket| lock(bucket).capacity());
        entries.sum::<usize>() * size_of::<Entry>() + size_of_val(&*self.buckets)
    }

    /// Takes in what a record tells; `None` if it can't be understood whole. What this process wrote itself is known. Of a
    /// token whose library is not known yet, the texts count for none.
    pub(super) fn put(
        &self,
        record: &Record,
        library_of: impl Fn(TokenId) -> Option<Uid>,
    ) -> Option<()> {
        if lock(&self.own).get(&record.key) == Some(&record.value) {
            return Some(());
        }
        let bucket = keyspace::bucket(&record.key)?;
        let part = keyspace::uses_part(&record.key)?;
        let keep = |id, kind, text: &Arc<str>| match library_of(id) {
            Some(library) => self.words.keep(library, kind, text),
            None => Some(text.clone()),
        };
        let read = record::read(record, keep)?;
        let mut entries = self.bucket(bucket);
        let known = Moment(self.known.load(Ordering::Relaxed));
        for (id, mut used) in read {
            if Bucket::of(id) == bucket {
                used.clamp(known);
                let entry = entry_of(&mut entries, id);
                entry.merge(used);
                for verdict in entry.untold(known) {
                    self.must_tell(entry, verdict);
                }
            }
        }
        if part > 0 {
            let mut parts = lock(&self.parts);
            let known = parts.entry(bucket).or_default();
            *known = part.saturating_add(1).max(*known);
        }
        Some(())
    }

    /// The changes that store a bucket as it is now, without what was noted of tokens that are gone.
    fn take(&self, bucket: Bucket, is_gone: impl Fn(TokenId) -> bool) -> Vec<Change> {
        let mut entries = self.bucket(bucket);
        entries.retain(|entry| !is_gone(entry.id));
        entries.iter_mut().for_each(Entry::set_written);
        let values = record::write(&entries);
        drop(entries);
        let now = u16::try_from(values.len()).unwrap_or(u16::MAX);
        let mut parts = lock(&self.parts);
        let before = match now {
            0 | 1 => parts.remove(&bucket),
            more => parts.insert(bucket, more),
        };
        let puts = (0..now)
            .zip(values)
            .map(|(part, value)| Change::Put(keyspace::uses(bucket, part), value));
        let gone = now..before.unwrap_or(1);
        puts.chain(gone.map(|part| Change::Delete(keyspace::uses(bucket, part))))
            .collect()
    }

    /// Lets every bucket wait in which anything was noted since it was written.
    fn all_wait(&self) {
        for number in 0..=u16::MAX {
            let mut entries = self.bucket(Bucket(number));
            let mut unwritten = entries.iter_mut().filter(|entry| entry.is_unwritten());
            if unwritten.next().is_some() {
                lock(&self.waiting).push(Bucket(number), false);
            }
        }
    }

    /// An event is due: it is told in its turn, or, where too many wait, once there is another refusal.
    fn must_tell(&self, entry: &mut Entry, verdict: Verdict) {
        let mut untold = lock(&self.untold);
        if untold.len() < MAX_UNTOLD {
            untold.push_back((entry.id, verdict));
            entry.set_waiting(verdict, true);
        }
    }

    fn bucket(&self, bucket: Bucket) -> MutexGuard<'_, Vec<Entry>> {
        lock(&self.buckets[usize::from(bucket.0)])
    }
}

impl Default for Uses {
    fn default() -> Self {
        Uses::new()
    }
}

/// What is noted is sound after each step, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn entry_of(entries: &mut Vec<Entry>, id: TokenId) -> &mut Entry {
    let at = match entries.binary_search_by_key(&id, |entry| entry.id) {
        Ok(at) => at,
        Err(at) => {
            entries.insert(at, Entry::new(id));
            at
        }
    };
    &mut entries[at]
}

#[cfg(test)]
mod tests;
