//! The store remembers: bytes, revisions, atomic commits, durability, and a feed of what was committed.
//!
//! It doesn't know what a token is. An engine is a [`Store`]; one conformance suite holds for all of them.
//!
//! The feed is a push: a [`Follower`] is told of every commit, whole and in revision order, after it is durable and before
//! anybody is told that it succeeded. So what the follower has not seen, nobody was promised (G2), and what somebody was
//! promised, the follower has seen (G3).

pub mod memory;
pub mod sled;

#[cfg(test)]
mod conformance;

use std::{collections::HashSet, fmt};

use async_trait::async_trait;

/// A key: at most [`MAX_KEY_BYTES`] bytes, ordered bytewise.
pub type Key = Vec<u8>;

/// Longest key, bytes: the longest that the key layout makes is under 200.
pub const MAX_KEY_BYTES: usize = 256;
/// Longest value, bytes: larger ones leave sled's pages for separate files.
pub const MAX_VALUE_BYTES: usize = 4 * 1024;

/// A number that grows by one with every commit. 0 is the empty store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

/// What tells revisions of this store from those of any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StoreId {
    /// Random, made with the store.
    pub uid: u64,
    /// Grows with each restore from a backup.
    pub epoch: u32,
}

/// A value as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Its key.
    pub key: Key,
    /// Its bytes.
    pub value: Vec<u8>,
    /// The revision at which the key came into being.
    pub create_revision: Revision,
    /// The revision of the last put.
    pub mod_revision: Revision,
}

/// What must hold for a commit to be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// The key has no value.
    Absent(Key),
    /// The key's `mod_revision` is this.
    At(Key, Revision),
}

/// One change of a commit. A commit names each key at most once.
#[derive(Clone, PartialEq, Eq)]
pub enum Change {
    /// Sets a value.
    Put(Key, Vec<u8>),
    /// Removes a key; one without a value is no fault.
    Delete(Key),
}

/// A change as the follower is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The key has this value now.
    Put(Record),
    /// The key has no value any more.
    Delete(Key),
}

/// One commit, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Its revision.
    pub revision: Revision,
    /// Its changes, in the order in which they were given.
    pub events: Vec<Event>,
}

/// What [`Store::load`] reads for the follower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Load {
    /// Up to `limit` records whose keys begin with `prefix`, in key order, those after the key `after`.
    Slice {
        /// What the keys begin with.
        prefix: Key,
        /// Where the slice before ended; `None` for the first.
        after: Option<Key>,
        /// How many at most.
        limit: usize,
    },
    /// This one key.
    One(Key),
}

/// Sees everything that is committed. Its calls never overlap; they come from the engine's writer.
pub trait Follower: Send {
    /// These commits are durable. Called once per batch, in revision order, before any of them is answered.
    fn publish(&mut self, commits: &[Committed]);

    /// What [`Store::load`] found, read between two commits: nothing that was published is missing from it, and nothing
    /// that was not is in it. For a slice, fewer than `limit` records mean that it was the last.
    fn loaded(&mut self, load: &Load, records: Vec<Record>);
}

/// An engine.
#[async_trait]
pub trait Store: Send + Sync {
    /// What tells its revisions from those of other stores.
    fn id(&self) -> StoreId;

    /// The revision of the newest durable commit.
    async fn head(&self) -> Result<Revision, StoreError>;

    /// The values of these keys, all as of one revision; `None` for a key without one. Only what is durable is seen.
    async fn get(&self, keys: Vec<Key>) -> Result<Vec<Option<Record>>, StoreError>;

    /// Up to `limit` records whose keys begin with `prefix`, in key order, those after the key `after`, as of one revision.
    async fn scan(
        &self,
        prefix: Key,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// Carries out all changes, or none; durable, and seen by the follower, when it returns.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a precondition does not hold, or if a key is named twice: nothing was done. Dropping the
    /// future does not undo it.
    async fn commit(
        &self,
        preconditions: Vec<Precondition>,
        changes: Vec<Change>,
    ) -> Result<Revision, StoreError>;

    /// Reads for the follower, between two commits; the follower has seen it when this returns. Answers with the last key of
    /// a slice that holds `limit` records: there may be more after it.
    async fn load(&self, load: Load) -> Result<Option<Key>, StoreError>;

    /// Waits until the engine can go on no longer, and says why. Pending for ever on a sound engine.
    async fn failed(&self) -> String;

    /// Carries out what was asked before, then stops: every later call is [`StoreError::Failed`].
    async fn close(&self);
}

/// Why a call to the store was not carried out. None holds a value, or any part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// A precondition does not hold, or the commit names a key twice and so contradicts itself; nothing was done.
    Conflict,
    /// A key or a value is larger than the store takes; nothing was done.
    TooLarge,
    /// Too much waits already; nothing was done.
    Busy,
    /// A stored record is not in the form in which it was written.
    Damaged(Key),
    /// The engine failed or was closed; a commit under way may or may not survive.
    Failed,
}

// === impl Record ===

/// Values may hold wrapped keys and tags, so none is ever printed.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("key", &self.key.escape_ascii().to_string())
            .field("bytes", &self.value.len())
            .field("create_revision", &self.create_revision.0)
            .field("mod_revision", &self.mod_revision.0)
            .finish()
    }
}

// === impl Change ===

impl Change {
    /// The key that it changes.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Change::Put(key, _) | Change::Delete(key) => key,
        }
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Put(key, value) => {
                write!(f, "Put({}, {} bytes)", key.escape_ascii(), value.len())
            }
            Change::Delete(key) => write!(f, "Delete({})", key.escape_ascii()),
        }
    }
}

// === impl Load ===

impl Load {
    /// Where it ended, if there may be more: the last key of a slice that holds as many records as it may.
    fn end(&self, records: &[Record]) -> Option<Key> {
        match self {
            Load::Slice { limit, .. } if records.len() == *limit => {
                records.last().map(|record| record.key.clone())
            }
            Load::Slice { .. } | Load::One(_) => None,
        }
    }
}

// === impl StoreError ===

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Conflict => f.write_str("a precondition does not hold"),
            StoreError::TooLarge => f.write_str("a key or a value is too large"),
            StoreError::Busy => f.write_str("too many calls wait for the store"),
            StoreError::Damaged(key) => write!(f, "the record {} is damaged", key.escape_ascii()),
            StoreError::Failed => f.write_str("the store has stopped"),
        }
    }
}

impl std::error::Error for StoreError {}

/// Tells every record whose key begins with a prefix, in key order, so many of them read at once: commits come in between.
///
/// # Errors
/// Those of the store, and the first of `tell`: then nothing more is read.
pub async fn each_record<E: From<StoreError>>(
    store: &dyn Store,
    prefix: &[u8],
    at_once: usize,
    mut tell: impl FnMut(&Record) -> Result<(), E> + Send,
) -> Result<(), E> {
    let mut after = None;
    loop {
        let records = store.scan(prefix.to_vec(), after, at_once).await?;
        records.iter().try_for_each(&mut tell)?;
        match records.into_iter().nth(at_once - 1) {
            Some(last) => after = Some(last.key),
            None => return Ok(()),
        }
    }
}

// === what every engine does alike ===

/// Refuses what no engine takes, before anything is read.
fn admissible(changes: &[Change]) -> Result<(), StoreError> {
    let fits = |change: &Change| match change {
        Change::Put(key, value) => key.len() <= MAX_KEY_BYTES && value.len() <= MAX_VALUE_BYTES,
        Change::Delete(key) => key.len() <= MAX_KEY_BYTES,
    };
    if !changes.iter().all(fits) {
        return Err(StoreError::TooLarge);
    }
    let mut named = HashSet::with_capacity(changes.len());
    if !changes.iter().all(|change| named.insert(change.key())) {
        return Err(StoreError::Conflict);
    }
    Ok(())
}
