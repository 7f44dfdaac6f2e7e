//! Damaged and left-over snapshot files of the engine: they only speed up its start, so none may prevent it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::check;
use crate::directory::Directory;
use crate::harness::{Server, furnish};
use crate::journal::Journal;
use crate::load::Load;
use crate::report;

/// A way to spoil the snapshots of a store.
type Damage = fn(&Path);

const DAMAGES: [(&str, Damage); 5] = [
    ("cut short", |store| {
        for path in snapshots(store) {
            let half = fs::metadata(&path).expect("a file").len() / 2;
            let file = fs::File::options().write(true).open(&path);
            file.expect("a file").set_len(half).expect("a shorter file");
        }
    }),
    ("one bit flipped", |store| {
        for path in snapshots(store) {
            let mut bytes = fs::read(&path).expect("a file");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&path, bytes).expect("a file");
        }
    }),
    ("empty", |store| {
        for path in snapshots(store) {
            fs::write(&path, []).expect("a file");
        }
    }),
    // Sorts after every real one, so that it is the one that is read.
    ("a left-over of nobody's", |store| {
        fs::write(store.join("snap.7FFFFFFFFFFFFFFF"), [7; 100]).expect("a file");
    }),
    ("one that was being written", |store| {
        fs::write(store.join("snap.7FFFFFFFFFFFFFFF.generating"), [7; 100]).expect("a file");
    }),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_damaged_snapshot_neither_stops_the_start_nor_loses_anything() {
    let directory = Directory::new();
    let mut journal = Journal::default();
    let mut server = Server::start(directory.path());
    furnish(&server).await;
    for (name, damage) in DAMAGES {
        let load = Load::start(&server, journal).await;
        load.may_fail();
        assert_eq!(server.terminate().code(), Some(0));
        let (_, after) = load.finish().await;
        journal = after;

        // The engine writes its snapshot when it opens a store.
        let opened = Server::start(directory.path());
        opened.ready().await;
        opened.kill9();
        assert!(
            !snapshots(&directory.store()).is_empty(),
            "nothing to damage"
        );
        damage(&directory.store());

        report(&format!("a damaged snapshot: {name}"));
        server = Server::start(directory.path());
        let found = check::compare(&server, &mut journal).await;
        assert!(found.lost.is_empty(), "{name}: {:?}", found.lost);
        assert!(
            found.half_written.is_empty(),
            "{name}: {:?}",
            found.half_written
        );
    }
}

/// The engine's snapshot files.
fn snapshots(store: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(store).expect("the store's folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("snap."))
        })
        .collect()
}
