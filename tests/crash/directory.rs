//! The data directory under test.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A data directory that is removed when it is dropped.
pub(crate) struct Directory(TempDir);

// === impl Directory ===

impl Directory {
    /// An empty one.
    pub(crate) fn new() -> Directory {
        Directory(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The engine's files.
    pub(crate) fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }
}
