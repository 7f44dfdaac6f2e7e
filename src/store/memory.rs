//! The reference engine, in memory: one map behind one lock. What it does is what the other engines must do.

use std::{
    collections::BTreeMap,
    fmt,
    future::pending,
    hash::{BuildHasher, RandomState},
    ops::Bound,
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;

use super::{
    Change, Committed, Event, Follower, Key, Load, Precondition, Record, Revision, Store,
    StoreError, StoreId, admissible,
};

/// A store that lasts as long as its value: for tests.
pub struct MemoryStore {
    id: StoreId,
    state: Mutex<State>,
}

struct State {
    records: BTreeMap<Key, Record>,
    head: Revision,
    follower: Box<dyn Follower>,
    closed: bool,
}

// === impl MemoryStore ===

impl MemoryStore {
    /// An empty store, followed by `follower`.
    #[must_use]
    pub fn new(follower: Box<dyn Follower>) -> MemoryStore {
        MemoryStore {
            id: StoreId {
                uid: RandomState::new().hash_one(0),
                epoch: 1,
            },
            state: Mutex::new(State {
                records: BTreeMap::new(),
                head: Revision(0),
                follower,
                closed: false,
            }),
        }
    }

    /// The state, unless the store was closed, or a follower panicked and left it poisoned.
    fn state(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.state.lock().map_err(|_| StoreError::Failed)?;
        if state.closed {
            return Err(StoreError::Failed);
        }
        Ok(state)
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn id(&self) -> StoreId {
        self.id
    }

    async fn head(&self) -> Result<Revision, StoreError> {
        Ok(self.state()?.head)
    }

    async fn get(&self, keys: Vec<Key>) -> Result<Vec<Option<Record>>, StoreError> {
        let state = self.state()?;
        Ok(keys
            .iter()
            .map(|key| state.records.get(key).cloned())
            .collect())
    }

    async fn scan(
        &self,
        prefix: Key,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        Ok(self.state()?.scan(&prefix, after.as_ref(), limit))
    }

    async fn commit(
        &self,
        preconditions: Vec<Precondition>,
        changes: Vec<Change>,
    ) -> Result<Revision, StoreError> {
        admissible(&changes)?;
        let mut state = self.state()?;
        if !preconditions
            .iter()
            .all(|precondition| state.holds(precondition))
        {
            return Err(StoreError::Conflict);
        }
        let revision = Revision(state.head.0 + 1);
        let events = changes
            .into_iter()
            .map(|change| state.apply(change, revision))
            .collect();
        state.head = revision;
        state.follower.publish(&[Committed { revision, events }]);
        Ok(revision)
    }

    async fn load(&self, load: Load) -> Result<Option<Key>, StoreError> {
        let mut state = self.state()?;
        let records = match &load {
            Load::Slice {
                prefix,
                after,
                limit,
            } => state.scan(prefix, after.as_ref(), *limit),
            Load::One(key) => state.records.get(key).cloned().into_iter().collect(),
        };
        let end = load.end(&records);
        state.follower.loaded(&load, records);
        Ok(end)
    }

    async fn failed(&self) -> String {
        pending().await
    }

    async fn close(&self) {
        if let Ok(mut state) = self.state.lock() {
            state.closed = true;
        }
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

// === impl State ===

impl State {
    fn holds(&self, precondition: &Precondition) -> bool {
        match precondition {
            Precondition::Absent(key) => !self.records.contains_key(key),
            Precondition::At(key, revision) => self
                .records
                .get(key)
                .is_some_and(|record| record.mod_revision == *revision),
        }
    }

    fn apply(&mut self, change: Change, revision: Revision) -> Event {
        match change {
            Change::Put(key, value) => {
                let before = self.records.get(&key);
                let record = Record {
                    create_revision: before.map_or(revision, |record| record.create_revision),
                    mod_revision: revision,
                    key,
                    value,
                };
                self.records.insert(record.key.clone(), record.clone());
                Event::Put(record)
            }
            Change::Delete(key) => {
                self.records.remove(&key);
                Event::Delete(key)
            }
        }
    }

    fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Vec<Record> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.records
            .range::<Key, _>((from, Bound::Unbounded))
            .map(|(_, record)| record)
            .take_while(|record| record.key.starts_with(prefix))
            .take(limit)
            .cloned()
            .collect()
    }
}
