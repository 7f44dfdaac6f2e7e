//! A disk that loses its power, or fails, by the model in `powerloss.c`, preloaded into the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::check::{self, Findings};
use crate::harness::{Server, furnish};
use crate::journal::Journal;
use crate::load::Load;
use crate::report;

/// Losses of power, each on what the one before left.
const LOSSES: u64 = 8;
/// Attempts of the control at losing something: how much the disk writes back by itself is up to chance.
const CONTROLS: u64 = 5;
/// How long the control's load runs: sled's own thread syncs every 500 ms, so the records before the load survive.
const CONTROL_LOAD: Duration = Duration::from_millis(1300);

/// A disk of its own.
pub(crate) struct Disk {
    files: TempDir,
}

// === impl Disk ===

impl Disk {
    pub(crate) fn new() -> Disk {
        let files = tempfile::tempdir().expect("a temporary directory");
        let disk = Disk { files };
        disk.compile("powerloss.so", &["-shared", "-fPIC"]);
        disk.compile("powerloss", &["-DPOWERLOSS_TOOL"]);
        disk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        // The model wants paths without symbolic links.
        let folder = self.files.path().canonicalize();
        folder.expect("the temporary directory").join(name)
    }

    fn compile(&self, name: &str, flags: &[&str]) {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/crash/powerloss.c");
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-Wall", "-o"]).arg(self.path(name));
        cc.args(flags).args([source, "-ldl", "-lpthread"]);
        let status = cc.status().expect("a C compiler");
        assert!(status.success(), "{status}");
    }

    /// A server whose data directory `data` is on this disk; the disk's image is `image`.
    fn start(&self, data: &str, image: &str, settings: &[(&str, &str)]) -> Server {
        let envs = self.model(data, image);
        let mut envs: Vec<_> = envs
            .iter()
            .map(|(name, path)| (*name, text(path)))
            .collect();
        envs.extend(settings);
        Server::start_with(&self.path(data), &[], &envs)
    }

    /// The environment of a program whose data directory `data` is on this disk.
    pub(crate) fn model(&self, data: &str, image: &str) -> [(&'static str, PathBuf); 4] {
        [
            ("LD_PRELOAD", self.path("powerloss.so")),
            ("POWERLOSS_DIR", self.path(data)),
            ("POWERLOSS_IMAGE", self.path(image)),
            ("POWERLOSS_FAIL_SYNC", self.path("fault")),
        ]
    }

    /// From now on every sync fails.
    fn fail(&self) {
        fs::write(self.path("fault"), []).expect("a file");
    }

    /// What a machine finds when the power is back: the new directory `after`.
    pub(crate) fn power_returns(&self, image: &str, after: &str) -> PathBuf {
        let after = self.path(after);
        let mut tool = Command::new(self.path("powerloss"));
        let status = tool.arg(self.path(image)).arg(&after).status();
        assert!(status.expect("the model's tool").success());
        after
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lost_power_has_lost_nothing_that_was_acknowledged() {
    let disk = Disk::new();
    let mut journal = Journal::default();
    let mut findings = Findings::default();
    let mut acknowledged = 0;
    for loss in 0..LOSSES {
        let [data, image] = ["data", "image"].map(|name| format!("{name}-{loss}"));
        let after = format!("data-{}", loss + 1);
        // Every other disk writes some of it back before it is told to, in any order.
        let (eager, chance) = ((loss % 2 * 30).to_string(), loss.to_string());
        let settings = [("POWERLOSS_EAGER", &*eager), ("POWERLOSS_SEED", &*chance)];
        let server = disk.start(&data, &image, &settings);
        if loss == 0 {
            furnish(&server).await;
        }
        server.ready().await;
        let load = Load::start(&server, journal).await;
        tokio::time::sleep(Duration::from_millis(200 + loss * 40)).await;
        load.may_fail();
        server.kill9();
        let (seen, told) = load.finish().await;
        journal = told;
        acknowledged += seen.acknowledged;

        // What the check itself asks for is done without the model, so it counts as durable in the next round.
        let server = Server::start(&disk.power_returns(&image, &after));
        let found = check::compare(&server, &mut journal).await;
        found.assert_sound();
        findings.add(found);
        assert_eq!(server.terminate().code(), Some(0));
    }
    report(&format!(
        "power: {LOSSES} losses, {acknowledged} changes acknowledged, {findings}"
    ));
}

/// The same without the writer's sync: a model that can lose nothing would prove nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_the_sync_a_lost_power_loses_what_was_acknowledged() {
    for attempt in 1..=CONTROLS {
        let disk = Disk::new();
        let server = disk.start("data", "image", &[("POWERLOSS_IGNORE_FDATASYNC", "1")]);
        furnish(&server).await;
        let load = Load::start(&server, Journal::default()).await;
        tokio::time::sleep(CONTROL_LOAD + Duration::from_millis(70 * attempt)).await;
        load.may_fail();
        server.kill9();
        let (seen, mut journal) = load.finish().await;

        let server = Server::start(&disk.power_returns("image", "after"));
        let found = check::compare(&server, &mut journal).await;
        report(&format!(
            "power, control without the sync, attempt {attempt}: {} changes acknowledged, {found}",
            seen.acknowledged
        ));
        if !found.lost.is_empty() {
            return;
        }
    }
    panic!("nothing was lost in {CONTROLS} attempts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_failed_sync_nothing_is_acknowledged_and_the_server_ends() {
    let disk = Disk::new();
    let server = disk.start("data", "image", &[]);
    furnish(&server).await;
    let load = Load::start(&server, Journal::default()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;

    load.may_fail();
    disk.fail();
    // A call that begins now needs a sync that begins now or later.
    load.mark();
    let (status, log) = server.wait();
    let (seen, journal) = load.finish().await;
    assert!(
        status.code().is_some_and(|code| code != 0),
        "{status}\n{log}"
    );
    assert!(seen.begun_after_mark > 0, "{seen:?}");
    assert_eq!(seen.acknowledged_after_mark, 0, "{seen:?}");

    fs::remove_file(disk.path("fault")).expect("the disk is well again");
    let mut findings = Vec::new();
    // Neither the restart of the process nor that of the machine finds anything lost.
    for data in [disk.path("data"), disk.power_returns("image", "after")] {
        let server = Server::start(&data);
        let found = check::compare(&server, &mut journal.clone()).await;
        found.assert_sound();
        findings.push(found.to_string());
    }
    report(&format!(
        "failed sync: {status}, {} changes acknowledged, of {} calls begun after it {} acknowledged; restarts: {}",
        seen.acknowledged,
        seen.begun_after_mark,
        seen.acknowledged_after_mark,
        findings.join(" / ")
    ));
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
