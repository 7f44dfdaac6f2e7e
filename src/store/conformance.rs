//! The suite that every engine passes: one list of promises, each engine a constructor.

mod model;

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

// === commits ===

async fn an_empty_store_has_nothing_and_revision_zero(engine: Engine) {
    assert_eq!(engine.head().await, 0);
    assert_eq!(engine.get("a").await, None);
    assert!(engine.scan(b"", None, 10).await.is_empty());
    assert_eq!(engine.store.id().epoch, 1);
}

async fn absent_holds_only_for_a_key_without_a_value(engine: Engine) {
    assert_eq!(
        engine.commit(vec![absent("a")], vec![put("a", "1")]).await,
        Ok(1)
    );
    assert_eq!(
        engine.commit(vec![absent("a")], vec![put("a", "2")]).await,
        Err(StoreError::Conflict)
    );
    assert_eq!(engine.commit(vec![], vec![delete("a")]).await, Ok(2));
    assert_eq!(
        engine.commit(vec![absent("a")], vec![put("a", "3")]).await,
        Ok(3)
    );
    assert_eq!(engine.get("a").await.unwrap().value, b"3");
}

async fn at_holds_only_for_the_revision_of_the_last_put(engine: Engine) {
    engine.put("a", "1").await;
    engine.put("b", "1").await;
    engine.put("a", "2").await;
    for stale in [0, 1, 2, 4] {
        let outcome = engine
            .commit(vec![at("a", stale)], vec![put("a", "x")])
            .await;
        assert_eq!(outcome, Err(StoreError::Conflict), "at {stale}");
    }
    assert_eq!(
        engine.commit(vec![at("a", 3)], vec![put("a", "3")]).await,
        Ok(4)
    );
    let outcome = engine
        .commit(vec![at("none", 0)], vec![put("c", "1")])
        .await;
    assert_eq!(
        outcome,
        Err(StoreError::Conflict),
        "a key without a value is at no revision"
    );
}

async fn a_conflict_leaves_nothing_behind(engine: Engine) {
    engine.put("a", "1").await;
    let outcome = engine
        .commit(
            vec![at("a", 1), absent("b"), absent("a")],
            vec![put("a", "2"), put("b", "2"), put("c", "2")],
        )
        .await;
    assert_eq!(outcome, Err(StoreError::Conflict));
    assert_eq!(engine.head().await, 1);
    assert_eq!(engine.scan(b"", None, 10).await, [key("a")]);
    assert_eq!(engine.get("a").await.unwrap().value, b"1");
    assert_eq!(engine.seen.lock().unwrap().commits.len(), 1);
}

async fn a_key_named_twice_is_refused(engine: Engine) {
    let outcome = engine
        .commit(vec![], vec![put("a", "1"), delete("a")])
        .await;
    assert_eq!(outcome, Err(StoreError::Conflict));
    assert_eq!(engine.head().await, 0);
}

async fn what_is_too_large_is_refused_and_what_just_fits_is_kept(engine: Engine) {
    let (long_key, long_value) = (vec![b'k'; MAX_KEY_BYTES], vec![b'v'; MAX_VALUE_BYTES]);
    let longer = |bytes: &[u8]| [bytes, b"x"].concat();
    for change in [
        Change::Put(longer(&long_key), vec![]),
        Change::Put(key("a"), longer(&long_value)),
        Change::Delete(longer(&long_key)),
    ] {
        let outcome = engine.commit(vec![], vec![put("b", "1"), change]).await;
        assert_eq!(outcome, Err(StoreError::TooLarge));
    }
    assert_eq!(engine.head().await, 0);

    let fits = Change::Put(long_key.clone(), long_value.clone());
    engine.commit(vec![], vec![fits]).await.unwrap();
    let kept = engine
        .store
        .get(vec![long_key])
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(kept.value, long_value);
}

async fn revisions_grow_by_one_and_are_in_every_record(engine: Engine) {
    for number in 1..=5 {
        let name = format!("k{number}");
        assert_eq!(
            engine
                .commit(vec![], vec![put(&name, ""), put("last", "")])
                .await,
            Ok(number)
        );
        assert_eq!(engine.head().await, number);
        for (name, created) in [(name.as_str(), number), ("last", 1)] {
            let record = engine.get(name).await.unwrap();
            assert_eq!(record.mod_revision, Revision(number));
            assert_eq!(record.create_revision, Revision(created));
        }
    }
}

async fn create_revision_survives_overwriting_and_begins_anew_after_a_delete(engine: Engine) {
    for (number, change, created) in [
        (1, put("a", "1"), Some(1)),
        (2, put("a", "2"), Some(1)),
        (3, delete("a"), None),
        (4, put("a", "3"), Some(4)),
        (5, put("a", "4"), Some(4)),
    ] {
        assert_eq!(engine.commit(vec![], vec![change]).await, Ok(number));
        let found = engine.get("a").await.map(|record| record.create_revision.0);
        assert_eq!(found, created, "after revision {number}");
    }
}

async fn deleting_what_is_not_there_is_no_fault(engine: Engine) {
    assert_eq!(
        engine
            .commit(vec![], vec![delete("a"), put("b", "1")])
            .await,
        Ok(1)
    );
    let seen = engine.seen.lock().unwrap();
    assert_eq!(seen.commits[0].events[0], Event::Delete(key("a")));
}

async fn any_bytes_make_a_key(engine: Engine) {
    let keys: Vec<Key> = vec![
        vec![],
        vec![0],
        vec![0, 0],
        vec![1],
        vec![0xff],
        vec![0xff; 256],
    ];
    let changes = keys
        .iter()
        .map(|key| Change::Put(key.clone(), key.clone()))
        .collect();
    engine.commit(vec![], changes).await.unwrap();
    assert_eq!(engine.scan(b"", None, 100).await, keys);
    for record in engine.store.get(keys).await.unwrap() {
        let record = record.unwrap();
        assert_eq!(record.key, record.value);
    }
}

// === reads ===

async fn a_scan_is_in_key_order_and_keeps_to_its_prefix(engine: Engine) {
    let keys: [&[u8]; 9] = [
        b"a",
        b"b",
        b"b/",
        b"b/1",
        b"b0",
        b"c",
        b"\xff",
        b"\xff\xff",
        b"\xff\xff\x01",
    ];
    for key in keys.iter().rev() {
        engine
            .commit(vec![], vec![Change::Put(key.to_vec(), vec![])])
            .await
            .unwrap();
    }
    assert_eq!(engine.scan(b"", None, 100).await, keys);
    assert_eq!(engine.scan(b"b", None, 100).await, keys[1..5]);
    assert_eq!(engine.scan(b"b/", None, 100).await, keys[2..4]);
    assert_eq!(engine.scan(b"\xff", None, 100).await, keys[6..]);
    assert_eq!(engine.scan(b"\xff\xff", None, 100).await, keys[7..]);
    assert!(engine.scan(b"bb", None, 100).await.is_empty());
    assert!(engine.scan(b"\xff\xff\xff", None, 100).await.is_empty());
}

async fn a_scan_goes_on_after_a_key_and_stops_at_its_limit(engine: Engine) {
    for name in ["a", "p1", "p2", "p3", "q"] {
        engine.put(name, "").await;
    }
    assert_eq!(engine.scan(b"p", None, 2).await, [key("p1"), key("p2")]);
    assert_eq!(engine.scan(b"p", Some(b"p2"), 2).await, [key("p3")]);
    assert_eq!(engine.scan(b"p", Some(b"p11"), 1).await, [key("p2")]);
    assert_eq!(engine.scan(b"p", Some(b"a"), 1).await, [key("p1")]);
    assert!(engine.scan(b"p", Some(b"p3"), 9).await.is_empty());
    assert!(engine.scan(b"p", Some(b"z"), 9).await.is_empty());
    assert!(engine.scan(b"p", None, 0).await.is_empty());
}

async fn a_get_answers_in_the_order_asked_and_as_of_one_revision(engine: Engine) {
    engine
        .commit(vec![], vec![put("a", "0"), put("b", "0")])
        .await
        .unwrap();
    let writer = {
        let store = engine.store.clone();
        tokio::spawn(async move {
            for number in 1..=200 {
                let value = number.to_string();
                store
                    .commit(vec![], vec![put("a", &value), put("b", &value)])
                    .await
                    .unwrap();
            }
        })
    };
    while !writer.is_finished() {
        let records = engine
            .store
            .get(vec![key("b"), key("none"), key("a")])
            .await
            .unwrap();
        let [Some(b), None, Some(a)] = records.as_slice() else {
            panic!("{records:?}");
        };
        assert_eq!((a.key.as_slice(), b.key.as_slice()), (&b"a"[..], &b"b"[..]));
        assert_eq!(a.value, b.value);
        assert_eq!(a.mod_revision, b.mod_revision);
    }
    writer.await.unwrap();
}

async fn what_is_asked_after_a_commit_sees_it(engine: Engine) {
    let store = &engine.store;
    for number in 1..=20 {
        let value = number.to_string();
        // Polled in this order, so asked in this order, and all before the first answer.
        let (first, found, scanned, loaded, second) = tokio::join!(
            store.commit(vec![], vec![put("a", &value)]),
            store.get(vec![key("a")]),
            store.scan(vec![], None, 9),
            store.load(Load::One(key("a"))),
            store.commit(vec![], vec![put("b", "")]),
        );
        let first = first.unwrap();
        assert_eq!(second, Ok(Revision(first.0 + 1)));
        assert_eq!(loaded, Ok(None));
        let loaded = engine.seen.lock().unwrap().loads.pop().unwrap().1.remove(0);
        for record in [
            found.unwrap().remove(0).unwrap(),
            scanned.unwrap().remove(0),
            loaded,
        ] {
            assert_eq!(record.mod_revision, first);
        }
    }
    assert_eq!(engine.seen.lock().unwrap().wrong_loads, 0);
}

// === the follower ===

async fn the_follower_sees_each_commit_whole_and_before_its_answer(engine: Engine) {
    let mut committers = JoinSet::new();
    for committer in 0..8 {
        let (store, seen) = (engine.store.clone(), engine.seen.clone());
        committers.spawn(async move {
            for number in 0..20 {
                let name = format!("{committer}/{number}");
                let changes = vec![put(&name, "1"), delete("gone"), put("shared", &name)];
                let revision = store.commit(vec![], changes).await.unwrap();
                let seen = seen.lock().unwrap();
                let index = usize::try_from(revision.0).unwrap() - 1;
                let commit = seen.commits.get(index).expect("seen before the answer");
                assert_eq!(commit.revision, revision);
                let [Event::Put(first), Event::Delete(second), Event::Put(third)] =
                    commit.events.as_slice()
                else {
                    panic!("{commit:?}");
                };
                assert_eq!(first.key, key(&name));
                assert_eq!(second, b"gone");
                assert_eq!(third.value, key(&name));
                assert_eq!(
                    (first.mod_revision, third.mod_revision),
                    (revision, revision)
                );
            }
        });
    }
    while let Some(done) = committers.join_next().await {
        done.unwrap();
    }
    let seen = engine.seen.lock().unwrap();
    let revisions: Vec<u64> = seen
        .commits
        .iter()
        .map(|commit| commit.revision.0)
        .collect();
    assert_eq!(revisions, (1..=160).collect::<Vec<u64>>());
}

async fn a_load_hands_over_what_is_stored_before_it_returns(engine: Engine) {
    for name in ["p1", "p2", "p3", "q"] {
        engine.put(name, name).await;
    }
    let slice = |after: Option<&str>| Load::Slice {
        prefix: key("p"),
        after: after.map(key),
        limit: 2,
    };
    let loads = [
        (slice(None), vec!["p1", "p2"], Some(key("p2"))),
        (slice(Some("p1")), vec!["p2", "p3"], Some(key("p3"))),
        (slice(Some("p2")), vec!["p3"], None),
        (slice(Some("p3")), vec![], None),
        (Load::One(key("q")), vec!["q"], None),
        (Load::One(key("none")), vec![], None),
    ];
    for (load, names, end) in loads {
        assert_eq!(engine.store.load(load.clone()).await, Ok(end));
        let mut seen = engine.seen.lock().unwrap();
        let (answered, records) = seen.loads.pop().expect("seen before the answer");
        assert_eq!(answered, load);
        let values: Vec<_> = records.iter().map(|record| record.value.clone()).collect();
        assert_eq!(
            values,
            names.iter().map(|name| key(name)).collect::<Vec<_>>()
        );
        assert_eq!(seen.wrong_loads, 0);
    }
}

async fn slices_loaded_under_commits_miss_nothing_and_are_never_stale(engine: Engine) {
    let seeds = (0..300)
        .map(|number| put(&format!("{number:03}"), "seed"))
        .collect();
    engine.commit(vec![], seeds).await.unwrap();
    let mut committers = JoinSet::new();
    for committer in 0..4_u32 {
        let store = engine.store.clone();
        committers.spawn(async move {
            for number in 0..150_u32 {
                let name = format!("{:03}", (number * 97 + committer * 31) % 400);
                let change = match (number + committer) % 3 {
                    0 => delete(&name),
                    _ => put(&name, &format!("{committer}/{number}")),
                };
                store.commit(vec![], vec![change]).await.unwrap();
            }
        });
    }
    let mut after = None;
    loop {
        let limit = 7;
        let load = Load::Slice {
            prefix: vec![],
            after: after.clone(),
            limit,
        };
        engine.store.load(load).await.unwrap();
        engine.store.load(Load::One(key("007"))).await.unwrap();
        let mut seen = engine.seen.lock().unwrap();
        seen.loads.pop();
        let (_, records) = seen.loads.pop().unwrap();
        if records.len() < limit {
            break;
        }
        after = records.last().map(|record| record.key.clone());
    }
    while let Some(done) = committers.join_next().await {
        done.unwrap();
    }
    let stored = engine.store.scan(vec![], None, usize::MAX).await.unwrap();
    let seen = engine.seen.lock().unwrap();
    assert_eq!(seen.wrong_loads, 0);
    assert_eq!(seen.index.values().cloned().collect::<Vec<_>>(), stored);
}

// === many callers ===

async fn no_increment_is_lost_among_many_committers(engine: Engine) {
    const COMMITTERS: u64 = 16;
    const INCREMENTS: u64 = 10;
    let first = engine.put("counter", "0").await;
    let mut committers = JoinSet::new();
    for _ in 0..COMMITTERS {
        let store = engine.store.clone();
        committers.spawn(async move {
            let mut done = 0;
            while done < INCREMENTS {
                let counter = store
                    .get(vec![key("counter")])
                    .await
                    .unwrap()
                    .remove(0)
                    .unwrap();
                let count: u64 = String::from_utf8(counter.value).unwrap().parse().unwrap();
                let precondition = Precondition::At(counter.key, counter.mod_revision);
                let change = put("counter", &(count + 1).to_string());
                match store.commit(vec![precondition], vec![change]).await {
                    Ok(_) => done += 1,
                    Err(error) => assert_eq!(error, StoreError::Conflict),
                }
            }
        });
    }
    while let Some(done) = committers.join_next().await {
        done.unwrap();
    }
    let counter = engine.get("counter").await.unwrap();
    assert_eq!(
        counter.value,
        (COMMITTERS * INCREMENTS).to_string().as_bytes()
    );
    assert_eq!(counter.mod_revision.0, first + COMMITTERS * INCREMENTS);
}

async fn a_commit_whose_caller_left_is_still_carried_out_whole(engine: Engine) {
    for number in 0..50 {
        let name = number.to_string();
        let commit = engine
            .store
            .commit(vec![], vec![put(&name, ""), put("last", &name)]);
        // Polled once, so that it is asked, and then dropped.
        let _ = tokio::time::timeout(Duration::ZERO, commit).await;
    }
    let kept = engine.scan(b"", None, 100).await;
    assert_eq!(kept.len(), 51);
    assert_eq!(engine.get("last").await.unwrap().value, b"49");
}

// === the end ===

async fn a_closed_store_fails_every_call(engine: Engine) {
    engine.put("a", "1").await;
    engine.store.close().await;
    engine.store.close().await;
    let store = &engine.store;
    assert_eq!(store.head().await, Err(StoreError::Failed));
    assert_eq!(store.get(vec![key("a")]).await, Err(StoreError::Failed));
    assert_eq!(store.scan(vec![], None, 1).await, Err(StoreError::Failed));
    assert_eq!(
        store.commit(vec![], vec![put("b", "1")]).await,
        Err(StoreError::Failed)
    );
    assert_eq!(
        store.load(Load::One(key("a"))).await,
        Err(StoreError::Failed)
    );
    assert_eq!(
        store
            .load(Load::Slice {
                prefix: vec![],
                after: None,
                limit: 1
            })
            .await,
        Err(StoreError::Failed)
    );
    assert_eq!(engine.seen.lock().unwrap().commits.len(), 1);
}

async fn a_sound_engine_never_says_that_it_failed(engine: Engine) {
    engine.put("a", "1").await;
    let wait = Duration::from_millis(50);
    assert!(
        tokio::time::timeout(wait, engine.store.failed())
            .await
            .is_err()
    );
    engine.store.close().await;
    assert!(
        tokio::time::timeout(wait, engine.store.failed())
            .await
            .is_err()
    );
}

// === against the model ===

async fn random_commits_do_what_the_model_says(engine: Engine) {
    model::check(engine).await;
}
