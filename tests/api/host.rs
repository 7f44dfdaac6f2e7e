//! A host whose clock is off, or whose disk fails: `host.c`, compiled and preloaded into the server.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::world::World;

/// The compiled model, and the file that makes the disk fail.
pub(crate) struct Host(TempDir);

// === impl Host ===

impl Host {
    pub(crate) fn new() -> Host {
        let host = Host(tempfile::tempdir().expect("a temporary directory"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/host.c");
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]);
        cc.arg(host.library()).args([source, "-ldl"]);
        assert!(cc.status().expect("a C compiler").success());
        host
    }

    /// A server on what another one left behind, with a clock that is off by so many seconds.
    pub(crate) async fn start(&self, data: TempDir, clock_shift: i64) -> World {
        let (library, flag) = (self.library(), self.flag());
        let envs = [
            ("LD_PRELOAD", library.to_str().expect("a plain path")),
            ("HOST_DISK_FAILS", flag.to_str().expect("a plain path")),
            ("HOST_CLOCK_SHIFT", &clock_shift.to_string()),
        ];
        World::on(data, &[], &envs).await
    }

    /// From now on nothing can be made durable.
    pub(crate) fn fail_disk(&self) {
        fs::write(self.flag(), "").expect("a file");
    }

    fn library(&self) -> PathBuf {
        self.0.path().join("host.so")
    }

    fn flag(&self) -> PathBuf {
        self.0.path().join("the-disk-fails")
    }
}
