//! sled's snapshots, out of its sight, and a copy of its log as long as it is not known whether that was right.
//!
//! Without its snapshots sled reads all of its log, and what it can't read it cuts off for good.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::open::DATA_FILE;

/// What sled takes for snapshots.
const SNAPSHOT_PREFIX: &str = "snap.";
/// What they are called when they are out of its sight.
const ASIDE_PREFIX: &str = "set-aside.";

/// See the module.
pub(super) struct Aside {
    /// What was moved: from where, and where to.
    snapshots: Vec<(PathBuf, PathBuf)>,
    log_copy: PathBuf,
}

// === impl Aside ===

impl Aside {
    /// Sets the snapshots aside; `None` if there are none.
    pub(super) fn move_snapshots(dir: &Path) -> io::Result<Option<Aside>> {
        let found = snapshots(dir)?;
        if found.is_empty() {
            return Ok(None);
        }
        let log_copy = aside(dir, DATA_FILE);
        fs::copy(dir.join(DATA_FILE), &log_copy)?;
        File::open(&log_copy)?.sync_all()?;
        let mut moved = Vec::with_capacity(found.len());
        for snapshot in found {
            let name = snapshot.file_name().unwrap_or_default().to_string_lossy();
            let target = aside(dir, &name);
            fs::rename(&snapshot, &target)?;
            moved.push((snapshot, target));
        }
        Ok(Some(Aside {
            snapshots: moved,
            log_copy,
        }))
    }

    /// It was right: the log's copy is not needed. The snapshots stay where they are, for whoever wants to know.
    pub(super) fn keep(self) -> io::Result<()> {
        fs::remove_file(self.log_copy)
    }

    /// It was not: all is as it was found, for another attempt at it.
    pub(super) fn put_back(self, dir: &Path) -> io::Result<()> {
        for snapshot in snapshots(dir)? {
            fs::remove_file(snapshot)?;
        }
        fs::rename(self.log_copy, dir.join(DATA_FILE))?;
        for (from, to) in self.snapshots {
            fs::rename(to, from)?;
        }
        File::open(dir)?.sync_all()
    }
}

// === helpers ===

fn snapshots(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(SNAPSHOT_PREFIX)
        {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// A name that nothing has yet, and that sled does not look for.
fn aside(dir: &Path, name: &str) -> PathBuf {
    let path = |n: u32| dir.join(format!("{ASIDE_PREFIX}{n}.{name}"));
    (0..u32::MAX)
        .map(path)
        .find(|path| !path.exists())
        .unwrap_or_else(|| path(u32::MAX))
}
