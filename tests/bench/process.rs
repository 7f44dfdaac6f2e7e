//! What the operating system knows of the server.

use std::fs;
use std::path::Path;

pub(crate) use crate::harness::{cpu_seconds, resident_bytes};

/// Bytes of disk that a folder holds, as `du` counts.
pub(crate) fn disk_bytes(folder: &Path) -> f64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = fs::read_dir(folder).expect("a folder");
    let sizes = entries.map(|entry| {
        let entry = entry.expect("an entry");
        let metadata = entry.metadata().expect("an entry");
        if metadata.is_dir() {
            disk_bytes(&entry.path())
        } else {
            // Blocks of 512 bytes, whatever the file system's own are.
            metadata.blocks() as f64 * 512.0
        }
    });
    sizes.sum()
}
