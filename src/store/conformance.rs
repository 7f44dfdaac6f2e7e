//! The suite that every engine passes: one list of promises, each engine a constructor.

mod callers;
mod commits;
mod follower;
mod model;
mod reads;

use {callers::*, commits::*, follower::*, reads::*};

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tempfile::TempDir;
use tokio::task::JoinSet;

use super::{
    Change, Committed, Event, Follower, Key, Load, MAX_KEY_BYTES, MAX_VALUE_BYTES, Precondition,
    Record, Revision, Store, StoreError, memory::MemoryStore, sled::SledStore,
};

/// Names the promises once, and has each engine keep them.
macro_rules! every_engine {
    ($($promise:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $promise() {
                super::$promise(super::in_memory()).await;
            })*
        }
        mod sled {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $promise() {
                super::$promise(super::on_sled()).await;
            })*
        }
    };
}

every_engine! {
    an_empty_store_has_nothing_and_revision_zero,
    absent_holds_only_for_a_key_without_a_value,
    at_holds_only_for_the_revision_of_the_last_put,
    a_conflict_leaves_nothing_behind,
    a_key_named_twice_is_refused,
    what_is_too_large_is_refused_and_what_just_fits_is_kept,
    revisions_grow_by_one_and_are_in_every_record,
    create_revision_survives_overwriting_and_begins_anew_after_a_delete,
    deleting_what_is_not_there_is_no_fault,
    any_bytes_make_a_key,
    a_scan_is_in_key_order_and_keeps_to_its_prefix,
    a_scan_goes_on_after_a_key_and_stops_at_its_limit,
    a_get_answers_in_the_order_asked_and_as_of_one_revision,
    what_is_asked_after_a_commit_sees_it,
    the_follower_sees_each_commit_whole_and_before_its_answer,
    a_load_hands_over_what_is_stored_before_it_returns,
    slices_loaded_under_commits_miss_nothing_and_are_never_stale,
    no_increment_is_lost_among_many_committers,
    a_commit_whose_caller_left_is_still_carried_out_whole,
    a_closed_store_fails_every_call,
    a_sound_engine_never_says_that_it_failed,
    random_commits_do_what_the_model_says,
}

// === engines ===

/// A store, and what its follower saw.
struct Engine {
    store: Arc<dyn Store>,
    seen: Arc<Mutex<Seen>>,
    /// Deleted with the engine.
    _dir: Option<TempDir>,
}

fn in_memory() -> Engine {
    let (follower, seen) = recorder();
    Engine {
        store: Arc::new(MemoryStore::new(follower)),
        seen,
        _dir: None,
    }
}

fn on_sled() -> Engine {
    let dir = tempfile::tempdir().unwrap();
    let (follower, seen) = recorder();
    Engine {
        store: Arc::new(SledStore::open(dir.path(), follower).unwrap()),
        seen,
        _dir: Some(dir),
    }
}

// === the follower ===

/// What a follower saw, and the replica that it made of it.
#[derive(Default)]
struct Seen {
    commits: Vec<Committed>,
    /// By publication alone: what the store must hold, since the store was empty.
    replica: BTreeMap<Key, Record>,
    loads: Vec<(Load, Vec<Record>)>,
    /// By slices, and by publication behind them: what an index holds.
    index: BTreeMap<Key, Record>,
    /// Keys up to here are in the index.
    cursor: Option<Key>,
    /// Slices that differed from the replica at that moment.
    wrong_loads: usize,
}

struct Recorder(Arc<Mutex<Seen>>);

fn recorder() -> (Box<Recorder>, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    (Box::new(Recorder(seen.clone())), seen)
}

impl Follower for Recorder {
    fn publish(&mut self, commits: &[Committed]) {
        let mut seen = self.0.lock().unwrap();
        for commit in commits {
            for event in &commit.events {
                seen.apply(event);
            }
            seen.commits.push(commit.clone());
        }
    }

    fn loaded(&mut self, load: &Load, records: Vec<Record>) {
        let mut seen = self.0.lock().unwrap();
        if records != expected(&seen.replica, load) {
            seen.wrong_loads += 1;
        }
        if let Load::Slice { limit, .. } = load {
            // A short slice is the last: nothing is ahead any more.
            let last = records.last().filter(|_| records.len() == *limit);
            seen.cursor = Some(last.map_or(vec![0xff; MAX_KEY_BYTES], |last| last.key.clone()));
            seen.index.extend(
                records
                    .iter()
                    .map(|record| (record.key.clone(), record.clone())),
            );
        }
        seen.loads.push((load.clone(), records));
    }
}

impl Seen {
    fn apply(&mut self, event: &Event) {
        let (Event::Put(Record { key, .. }) | Event::Delete(key)) = event;
        let behind = self.cursor.as_ref().is_some_and(|cursor| key <= cursor);
        match event {
            Event::Put(record) => {
                if behind {
                    self.index.insert(key.clone(), record.clone());
                }
                self.replica.insert(key.clone(), record.clone());
            }
            Event::Delete(key) => {
                self.index.remove(key);
                self.replica.remove(key);
            }
        }
    }
}

/// What a load must find, by the definition.
fn expected(records: &BTreeMap<Key, Record>, load: &Load) -> Vec<Record> {
    let all = records.values();
    match load {
        Load::One(key) => all.filter(|record| record.key == *key).cloned().collect(),
        Load::Slice {
            prefix,
            after,
            limit,
        } => all
            .filter(|record| record.key.starts_with(prefix))
            .filter(|record| after.as_ref().is_none_or(|after| record.key > *after))
            .take(*limit)
            .cloned()
            .collect(),
    }
}

// === shorthand ===

fn key(key: &str) -> Key {
    key.as_bytes().to_vec()
}

fn put(name: &str, value: &str) -> Change {
    Change::Put(key(name), value.as_bytes().to_vec())
}

fn delete(name: &str) -> Change {
    Change::Delete(key(name))
}

fn absent(name: &str) -> Precondition {
    Precondition::Absent(key(name))
}

fn at(name: &str, revision: u64) -> Precondition {
    Precondition::At(key(name), Revision(revision))
}

impl Engine {
    async fn commit(
        &self,
        preconditions: Vec<Precondition>,
        changes: Vec<Change>,
    ) -> Result<u64, StoreError> {
        self.store
            .commit(preconditions, changes)
            .await
            .map(|revision| revision.0)
    }

    async fn put(&self, name: &str, value: &str) -> u64 {
        self.commit(vec![], vec![put(name, value)]).await.unwrap()
    }

    async fn get(&self, name: &str) -> Option<Record> {
        self.store.get(vec![key(name)]).await.unwrap().remove(0)
    }

    async fn head(&self) -> u64 {
        self.store.head().await.unwrap().0
    }

    async fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Key> {
        let after = after.map(<[u8]>::to_vec);
        let records = self
            .store
            .scan(prefix.to_vec(), after, limit)
            .await
            .unwrap();
        records.into_iter().map(|record| record.key).collect()
    }
}
