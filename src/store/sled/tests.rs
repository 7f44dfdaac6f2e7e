//! What only an engine with a disk must keep.

mod damage;
mod powerloss;

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::mpsc, time::Duration};

use tempfile::tempdir;

use super::*;
use crate::store::{Committed, MAX_VALUE_BYTES};

/// Sees nothing.
struct Blind;

impl Follower for Blind {
    fn publish(&mut self, _: &[Committed]) {}
    fn loaded(&mut self, _: &Load, _: Vec<Record>) {}
}

/// Can't stand commits.
struct Panicking;

impl Follower for Panicking {
    fn publish(&mut self, _: &[Committed]) {
        panic!("as it should");
    }
    fn loaded(&mut self, _: &Load, _: Vec<Record>) {}
}

/// Says when it is told of commits, and then waits for leave to go on.
struct Gate {
    told: mpsc::Sender<usize>,
    leave: mpsc::Receiver<()>,
}

impl Follower for Gate {
    fn publish(&mut self, commits: &[Committed]) {
        let _ = self.told.send(commits.len());
        let _ = self.leave.recv();
    }
    fn loaded(&mut self, _: &Load, _: Vec<Record>) {}
}

fn open(dir: &Path) -> SledStore {
    SledStore::open(dir, Box::new(Blind)).unwrap()
}

fn refused(dir: &Path) -> OpenError {
    SledStore::open(dir, Box::new(Blind)).expect_err("must not open")
}

fn put(key: &str, value: &[u8]) -> Change {
    Change::Put(key.as_bytes().to_vec(), value.to_vec())
}

async fn get(store: &SledStore, key: &str) -> Result<Option<Record>, StoreError> {
    Ok(store.get(vec![key.as_bytes().to_vec()]).await?.remove(0))
}

/// sled itself, without the store.
fn raw(dir: &Path) -> ::sled::Db {
    ::sled::open(dir).unwrap()
}

fn snapshots(dir: &Path) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("snap.")
        })
        .collect()
}

// === reopening ===

#[tokio::test]
async fn a_store_opened_again_has_everything_and_the_same_id_and_head() {
    let dir = tempdir().unwrap();
    let store = open(dir.path());
    let id = store.id();
    for number in 0..40 {
        let key = number.to_string();
        store
            .commit(vec![], vec![put(&key, key.as_bytes()), put("last", b"")])
            .await
            .unwrap();
    }
    let before = store.scan(vec![], None, 100).await.unwrap();
    store.close().await;

    let store = open(dir.path());
    assert_eq!(store.id(), id);
    assert_eq!(store.head().await, Ok(Revision(40)));
    assert_eq!(store.scan(vec![], None, 100).await.unwrap(), before);
    assert_eq!(
        store.commit(vec![], vec![put("more", b"")]).await,
        Ok(Revision(41))
    );
}

#[tokio::test]
async fn what_was_asked_before_the_close_is_carried_out() {
    let dir = tempdir().unwrap();
    let store = open(dir.path());
    let commit = store.commit(vec![], vec![put("a", b"1")]);
    let (outcome, ()) = tokio::join!(commit, store.close());
    assert_eq!(outcome, Ok(Revision(1)));
    assert!(get(&open(dir.path()), "a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_store_dropped_without_a_close_loses_nothing() {
    let dir = tempdir().unwrap();
    let store = open(dir.path());
    store.commit(vec![], vec![put("a", b"1")]).await.unwrap();
    drop(store);
    // Nobody waited for it to let go of the directory.
    let store = loop {
        match SledStore::open(dir.path(), Box::new(Blind)) {
            Err(OpenError::InUse(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
            outcome => break outcome.unwrap(),
        }
    };
    assert!(get(&store, "a").await.unwrap().is_some());
}

#[tokio::test]
async fn two_stores_have_different_ids() {
    let (one, other) = (tempdir().unwrap(), tempdir().unwrap());
    assert_ne!(open(one.path()).id().uid, open(other.path()).id().uid);
}

#[tokio::test]
async fn a_second_open_is_refused_and_says_why() {
    let dir = tempdir().unwrap();
    let _store = open(dir.path());
    let error = refused(dir.path());
    assert!(matches!(error, OpenError::InUse(_)), "{error:?}");
    assert!(
        error.to_string().contains("another process uses"),
        "{error}"
    );
}

#[tokio::test]
async fn a_directory_that_is_made_is_closed_to_others() {
    let dir = tempdir().unwrap();
    let made = dir.path().join("some/where");
    let _store = open(&made);
    for path in [made.clone(), dir.path().join("some")] {
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }
}

#[tokio::test]
async fn the_largest_values_stay_in_the_log() {
    let dir = tempdir().unwrap();
    let store = open(dir.path());
    for round in 0..20 {
        let key = |number| format!("{round}/{number}");
        let changes = (0..50)
            .map(|number| put(&key(number), &[b'v'; MAX_VALUE_BYTES]))
            .collect();
        store.commit(vec![], changes).await.unwrap();
    }
    store.close().await;
    assert_eq!(fs::read_dir(dir.path().join("blobs")).unwrap().count(), 0);
}

// === failure ===

#[tokio::test]
async fn a_follower_that_panics_is_the_end_and_nobody_hangs() {
    let dir = tempdir().unwrap();
    let store = SledStore::open(dir.path(), Box::new(Panicking)).unwrap();
    let outcome = store.commit(vec![], vec![put("a", b"1")]).await;
    assert_eq!(outcome, Err(StoreError::Failed));
    assert_eq!(store.failed().await, "the writer panicked");
    assert_eq!(get(&store, "a").await, Err(StoreError::Failed));
    assert_eq!(store.head().await, Err(StoreError::Failed));
    store.close().await;
    assert!(
        matches!(refused(dir.path()), OpenError::InUse(_)),
        "sled's threads are still there"
    );
}

#[tokio::test]
async fn nobody_waits_for_a_writer_that_hangs() {
    let dir = tempdir().unwrap();
    let (told, was_told) = mpsc::channel();
    let (leave, wait) = mpsc::channel();
    let store = SledStore::open(dir.path(), Box::new(Gate { told, leave: wait })).unwrap();
    let shared = store.shared.clone();
    let watchdog = tokio::task::spawn_blocking(move || {
        was_told.recv().unwrap();
        shared.fail("it hangs".to_owned());
    });
    let outcome = store.commit(vec![], vec![put("a", b"1")]).await;
    assert_eq!(outcome, Err(StoreError::Failed));
    watchdog.await.unwrap();
    assert_eq!(get(&store, "a").await, Err(StoreError::Failed));
    store.close().await;
    drop(leave);
}

// === the queue ===

#[tokio::test]
async fn a_full_queue_refuses_commits_and_what_waits_shares_one_batch() {
    let dir = tempdir().unwrap();
    let (told, was_told) = mpsc::channel();
    let (leave, wait) = mpsc::channel();
    let store =
        Arc::new(SledStore::open(dir.path(), Box::new(Gate { told, leave: wait })).unwrap());
    let commit = |number: usize| {
        let store = Arc::clone(&store);
        let changes = vec![put(&number.to_string(), b"")];
        tokio::spawn(async move { store.commit(vec![], changes).await })
    };
    let mut asked = vec![commit(0)];
    tokio::task::yield_now().await;
    assert_eq!(was_told.recv(), Ok(1));
    // The writer is held in the first batch; all these wait.
    asked.extend((1..=QUEUE_CALLS).map(commit));
    while store.calls.capacity() > 0 {
        tokio::task::yield_now().await;
    }
    let outcome = store.commit(vec![], vec![put("one too many", b"")]).await;
    assert_eq!(outcome, Err(StoreError::Busy));
    let one = Load::One(b"0".to_vec());
    assert_eq!(store.load(one).await, Err(StoreError::Busy));

    drop(leave);
    for commit in asked {
        commit.await.unwrap().unwrap();
    }
    let batches: Vec<usize> = was_told.iter().take(4).collect();
    assert_eq!(batches, [writer::BATCH_CALLS; 4]);
    assert_eq!(get(&store, "one too many").await, Ok(None));
}
