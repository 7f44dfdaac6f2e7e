//! The engine in memory, made to let something else happen just before a commit.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::authority::index::Index;
use crate::store::memory::MemoryStore;
use crate::store::{
    Change, Committed, Follower, Key, Load, Precondition, Record, Revision, Store, StoreError,
    StoreId,
};

/// What runs before a commit.
type Hook = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The engine in memory; it can be made to let something else happen just before a commit.
pub(super) struct Staged {
    pub(super) inner: MemoryStore,
    hooks: Mutex<VecDeque<Hook>>,
    in_hook: AtomicBool,
    refuses: AtomicBool,
    unreadable: Mutex<Option<Key>>,
    damaged: Mutex<Option<Key>>,
    pub(super) commits: AtomicUsize,
    pub(super) index: Arc<Mutex<Arc<Index>>>,
}

/// Follows the store for whichever index was opened last.
struct Switch(Arc<Mutex<Arc<Index>>>);

// === impl Staged ===

impl Staged {
    pub(super) fn before_commit(&self, hook: impl Future<Output = ()> + Send + 'static) {
        self.hooks.lock().unwrap().push_back(Box::pin(hook));
    }

    /// Whether no commit is carried out from now on.
    pub(super) fn refuses_commits(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    /// From now on no load gets past this record's bytes.
    pub(super) fn spoil(&self, key: Key) {
        *self.unreadable.lock().unwrap() = Some(key);
    }

    /// From now on no commit gets past this record, as where the disk does not give it back.
    pub(super) fn damages(&self, key: Key) {
        *self.damaged.lock().unwrap() = Some(key);
    }
}

#[async_trait]
impl Store for Staged {
    fn id(&self) -> StoreId {
        self.inner.id()
    }

    async fn head(&self) -> Result<Revision, StoreError> {
        self.inner.head().await
    }

    async fn get(&self, keys: Vec<Key>) -> Result<Vec<Option<Record>>, StoreError> {
        self.inner.get(keys).await
    }

    async fn scan(
        &self,
        prefix: Key,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.inner.scan(prefix, after, limit).await
    }

    async fn commit(
        &self,
        preconditions: Vec<Precondition>,
        changes: Vec<Change>,
    ) -> Result<Revision, StoreError> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(StoreError::Busy);
        }
        let damaged = self.damaged.lock().unwrap().clone();
        if let Some(key) = damaged
            && changes.iter().any(|change| *change.key() == key)
        {
            return Err(StoreError::Damaged(key));
        }
        if !self.in_hook.swap(true, Ordering::SeqCst) {
            self.commits.fetch_add(1, Ordering::SeqCst);
            let hook = self.hooks.lock().unwrap().pop_front();
            if let Some(hook) = hook {
                hook.await;
            }
            self.in_hook.store(false, Ordering::SeqCst);
        }
        self.inner.commit(preconditions, changes).await
    }

    async fn load(&self, load: Load) -> Result<Option<Key>, StoreError> {
        let spoilt = self.unreadable.lock().unwrap().clone();
        if let (
            Some(key),
            Load::Slice {
                prefix,
                after,
                limit,
            },
        ) = (spoilt, &load)
        {
            let records = self.inner.scan(prefix.clone(), after.clone(), *limit);
            if records.await?.iter().any(|record| record.key == key) {
                return Err(StoreError::Damaged(key));
            }
        }
        self.inner.load(load).await
    }

    async fn failed(&self) -> String {
        self.inner.failed().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

impl Follower for Switch {
    fn publish(&mut self, commits: &[Committed]) {
        self.0.lock().unwrap().publish(commits);
    }

    fn loaded(&mut self, load: &Load, records: Vec<Record>) {
        self.0.lock().unwrap().loaded(load, records);
    }
}

pub(super) fn new_store() -> Arc<Staged> {
    let index = Arc::new(Mutex::new(Arc::new(Index::new())));
    Arc::new(Staged {
        inner: MemoryStore::new(Box::new(Switch(index.clone()))),
        hooks: Mutex::default(),
        in_hook: AtomicBool::new(false),
        refuses: AtomicBool::new(false),
        unreadable: Mutex::default(),
        damaged: Mutex::default(),
        commits: AtomicUsize::new(0),
        index,
    })
}
