//! A host whose clock is off, or whose disk fails: `host.c`, compiled and preloaded into the server.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::world::World;

const LIBRARY: &str = "host.so";
const FAILS: &str = "the-disk-fails";
const STALLS: &str = "the-disk-stalls";

/// The compiled model, and the files that make the disk fail or stall.
pub(crate) struct Host(TempDir);

// === impl Host ===

impl Host {
    pub(crate) fn new() -> Host {
        let host = Host(tempfile::tempdir().expect("a temporary directory"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/host.c");
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]);
        cc.arg(host.path(LIBRARY)).args([source, "-ldl"]);
        assert!(cc.status().expect("a C compiler").success());
        host
    }

    /// A server on what another one left behind, with a clock that is off by so many seconds.
    pub(crate) async fn start(&self, data: TempDir, args: &[&str], clock_shift: i64) -> World {
        let [library, fails, stalls] = [LIBRARY, FAILS, STALLS].map(|name| self.path(name));
        let envs = [
            ("LD_PRELOAD", library.to_str().expect("a plain path")),
            ("HOST_DISK_FAILS", fails.to_str().expect("a plain path")),
            ("HOST_DISK_STALLS", stalls.to_str().expect("a plain path")),
            ("HOST_CLOCK_SHIFT", &clock_shift.to_string()),
        ];
        World::on(data, args, &envs).await
    }

    /// From now on nothing can be made durable.
    pub(crate) fn fail_disk(&self) {
        fs::write(self.path(FAILS), "").expect("a file");
    }

    /// From now on it takes half a second to make anything durable.
    pub(crate) fn stall_disk(&self) {
        fs::write(self.path(STALLS), "").expect("a file");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
