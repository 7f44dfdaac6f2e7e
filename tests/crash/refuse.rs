//! Starts that must be refused, and must leave what is there as it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use token_authority::store::sled::SledStore;
use token_authority::store::{Committed, Follower, Load as Slice, Record, Revision, Store};

use crate::check;
use crate::directory::Directory;
use crate::harness::{Server, furnish};
use crate::journal::Journal;
use crate::load::Load;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_second_server_on_a_data_directory_is_refused_and_the_first_goes_on() {
    let directory = Directory::new();
    let first = Server::start(directory.path());
    furnish(&first).await;
    let load = Load::start(&first, Journal::default()).await;

    let (status, log) = Server::refused(directory.path());
    assert!(!status.success(), "{status}");
    assert!(
        log.contains("in use") || log.contains("another process"),
        "the message says what is wrong:\n{log}"
    );
    assert!(
        log.contains(&directory.path().display().to_string()),
        "and where:\n{log}"
    );

    // No call of the load has failed: it would have said so.
    load.may_fail();
    assert_eq!(first.terminate().code(), Some(0));
    let (_, mut journal) = load.finish().await;
    let again = Server::start(directory.path());
    check::compare(&again, &mut journal).await.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wrong_root_key_is_refused_and_nothing_is_written() {
    let (directory, mut journal) = filled().await;
    let root_key = directory.path().join("root.key");
    let right = fs::read(&root_key).expect("the root key");
    fs::write(&root_key, another_root_key().await).expect("the root key can be replaced");
    let before = bytes_below(directory.path());

    let (status, log) = Server::refused(directory.path());
    assert!(!status.success(), "{status}");
    assert!(
        log.contains("root key"),
        "the message says what is wrong:\n{log}"
    );
    assert!(before.len() > 3, "the engine's files are among them");
    assert!(
        before == bytes_below(directory.path()),
        "a byte was written"
    );

    // Without the file that is read first, the store's own check refuses, and no record is changed.
    fs::remove_file(directory.store().join("root.check")).expect("the check can be removed");
    let before = Contents::of(&directory).await;
    let (status, _) = Server::refused(directory.path());
    assert!(!status.success(), "{status}");
    before.assert_same(&Contents::of(&directory).await);

    fs::write(&root_key, right).expect("the root key can be put back");
    let server = Server::start(directory.path());
    check::compare(&server, &mut journal).await.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_missing_root_key_is_refused_rather_than_made_anew() {
    let (directory, mut journal) = filled().await;
    let root_key = directory.path().join("root.key");
    let right = fs::read(&root_key).expect("the root key");
    fs::remove_file(&root_key).expect("the root key can be removed");
    let before = Contents::of(&directory).await;

    let (status, log) = Server::refused(directory.path());
    assert!(!status.success(), "{status}");
    assert!(
        log.contains("root key"),
        "the message says what is wrong:\n{log}"
    );
    before.assert_same(&Contents::of(&directory).await);

    fs::write(&root_key, right).expect("the root key can be put back");
    let server = Server::start(directory.path());
    check::compare(&server, &mut journal).await.assert_sound();
}

/// A data directory with tokens in it, and no server.
async fn filled() -> (Directory, Journal) {
    let directory = Directory::new();
    let server = Server::start(directory.path());
    furnish(&server).await;
    let load = Load::start(&server, Journal::default()).await;
    load.may_fail();
    assert_eq!(server.terminate().code(), Some(0));
    let (_, journal) = load.finish().await;
    (directory, journal)
}

/// A root key as good as any, of another store.
async fn another_root_key() -> Vec<u8> {
    let other = Directory::new();
    let server = Server::start(other.path());
    server.ready().await;
    server.kill9();
    fs::read(other.path().join("root.key")).expect("the other root key")
}

/// What a data directory holds: the files beside the store, and the store's records with its newest revision. Not the
/// engine's own bytes: sled pads its log and renews its snapshot whenever it is opened.
#[derive(PartialEq, Eq)]
struct Contents {
    files: BTreeMap<PathBuf, Vec<u8>>,
    head: Revision,
    records: Vec<Record>,
}

// === impl Contents ===

impl Contents {
    async fn of(directory: &Directory) -> Contents {
        let store = SledStore::open(&directory.store(), Box::new(Nobody)).expect("a store");
        let head = store.head().await.expect("a revision");
        let records = store.scan(Vec::new(), None, usize::MAX).await;
        store.close().await;
        Contents {
            files: files(directory.path()),
            head,
            records: records.expect("records"),
        }
    }

    /// Compares without printing what is secret.
    fn assert_same(&self, after: &Contents) {
        let names = |contents: &Contents| contents.files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(self), names(after));
        assert_eq!(self.head, after.head);
        assert!(!self.records.is_empty(), "the store holds nothing");
        assert!(self == after, "a file or a record was written");
    }
}

/// Follows nothing.
struct Nobody;

// === impl Nobody ===

impl Follower for Nobody {
    fn publish(&mut self, _: &[Committed]) {}
    fn loaded(&mut self, _: &Slice, _: Vec<Record>) {}
}

/// Every file below a folder, with its bytes.
fn bytes_below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = files(folder);
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(bytes_below(&path));
        }
    }
    found
}

/// The files of a folder, not of those below it, with their bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(&path).expect("a file")))
        .collect()
}
