//! SIGTERM under load.

use std::time::Duration;

use crate::check;
use crate::directory::Directory;
use crate::harness::{Server, furnish};
use crate::journal::Journal;
use crate::load::Load;
use crate::report;

/// How a call may end that a stopping server never took up. The last is this client's word for a stream that it had queued
/// when the farewell came: it answers the farewell first, so the server's last stream lies before it (RFC 9113, section 6.8).
const CLEAN: [&str; 3] = [
    "Unavailable",
    "Cancelled",
    "Internal: h2 protocol error: http2 error",
];
/// Stops of one data directory.
const STOPS: u64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stopped_server_answers_every_call_that_it_carries_out() {
    let directory = Directory::new();
    let mut journal = Journal::default();
    let mut server = Server::start(directory.path());
    furnish(&server).await;
    let mut acknowledged = 0;
    for stop in 0..STOPS {
        let load = Load::start(&server, journal).await;
        tokio::time::sleep(Duration::from_millis(20 + stop * 37)).await;
        load.may_fail();
        let status = server.terminate();
        let (seen, after) = load.finish().await;
        journal = after;
        acknowledged += seen.acknowledged;
        assert_eq!(status.code(), Some(0), "{status}");

        server = Server::start(directory.path());
        let found = check::compare(&server, &mut journal).await;
        found.assert_sound();
        let cut_off = found.carried_out_unanswered;
        assert_eq!(cut_off, 0, "carried out, not answered: {:?}", seen.failures);
        for failure in seen.failures.keys() {
            let clean = CLEAN.iter().any(|clean| failure.starts_with(clean));
            assert!(clean, "{:?}", seen.failures);
        }
    }
    report(&format!(
        "SIGTERM: {STOPS} stops, {acknowledged} changes acknowledged, 0 calls cut off"
    ));
}
