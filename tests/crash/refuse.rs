//! Starts that must be refused, and must leave what is there as it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

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
    let before = contents(directory.path());

    let (status, log) = Server::refused(directory.path());
    assert!(!status.success(), "{status}");
    assert!(
        log.contains("root key"),
        "the message says what is wrong:\n{log}"
    );
    assert_same(&before, &contents(directory.path()));

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
    let before = contents(directory.path());

    let (status, log) = Server::refused(directory.path());
    assert!(!status.success(), "{status}");
    assert!(
        log.contains("root key"),
        "the message says what is wrong:\n{log}"
    );
    assert_same(&before, &contents(directory.path()));

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

/// Every file below `folder`, with its bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            let bytes = fs::read(&path).expect("a file");
            files.insert(path, bytes);
        }
    }
    files
}

/// Compares without printing what the files hold.
fn assert_same(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) {
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(before), names(after));
    for (path, bytes) in before {
        assert!(after[path] == *bytes, "{} was written to", path.display());
    }
}
