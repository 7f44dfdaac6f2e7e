//! kill -9 of a loaded server.

use std::time::Duration;

use crate::check::{self, Findings};
use crate::directory::Directory;
use crate::harness::{Server, furnish};
use crate::journal::Journal;
use crate::load::Load;
use crate::report;

/// Data directories, one after the other: the more kills a directory has seen, the longer its check takes.
const DIRECTORIES: u64 = 10;
/// Kills of each.
const KILLS: u64 = 10;

/// How long the load runs before the kill: 150 to 400 ms, another time for every kill.
fn until_kill(kill: u64) -> Duration {
    Duration::from_millis(150 + kill * 61 % 251)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_server_has_lost_nothing_that_it_acknowledged() {
    let mut findings = Findings::default();
    let (mut kills, mut acknowledged) = (0, 0);
    for _ in 0..DIRECTORIES {
        let directory = Directory::new();
        let mut journal = Journal::default();
        let mut server = Server::start(directory.path());
        furnish(&server).await;
        for _ in 0..KILLS {
            let load = Load::start(&server, journal).await;
            tokio::time::sleep(until_kill(kills)).await;
            load.may_fail();
            server.kill9();
            let (seen, after) = load.finish().await;
            journal = after;
            kills += 1;
            acknowledged += seen.acknowledged;

            server = Server::start(directory.path());
            let found = check::compare(&server, &mut journal).await;
            found.assert_sound();
            findings.add(found);
        }
    }
    report(&format!(
        "kill -9: {kills} kills, {acknowledged} changes acknowledged, {findings}"
    ));
}
