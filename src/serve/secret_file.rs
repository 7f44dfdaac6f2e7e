//! Files that hold a secret: read with care, written whole and durably for this user alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags};
use zeroize::Zeroizing;

use crate::authority::secret;
use crate::store::sled::sync_parent;

/// Longest file that holds a secret, bytes: more is another file.
const MAX_BYTES: u64 = 4096;
/// The rights of everybody in a file's mode; a group may read what Kubernetes mounts.
const OTHERS: u32 = 0o007;

/// The text of a file that holds a secret.
pub(super) fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let metadata = fs::metadata(path)?;
    if metadata.mode() & OTHERS != 0 {
        tracing::warn!(path = %path.display(), "everybody can read or write a secret; stop that: chmod 600");
    }
    if metadata.len() > MAX_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the file is too long to hold a secret",
        ));
    }
    fs::read_to_string(path).map(Zeroizing::new)
}

/// Writes a file that only this user reads, whole or not at all, and durably. Two processes that do so at once don't mix;
/// one that must not replace what is there is told so.
pub(super) fn write(path: &Path, content: &[u8], replace: bool) -> io::Result<()> {
    let random = u32::from_be_bytes(secret::random().map_err(io::Error::other)?);
    let new = path.with_extension(format!("{random:08x}"));
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    let flags = if replace {
        RenameFlags::empty()
    } else {
        RenameFlags::NOREPLACE
    };
    let written = file
        .write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| Ok(rustix::fs::renameat_with(CWD, &new, CWD, path, flags)?));
    if written.is_err() {
        // What went wrong is told; that the rest stays too is worth no second word.
        let _ = fs::remove_file(&new);
    }
    written?;
    sync_parent(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_secret_is_written_whole_for_its_owner_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        write(&path, b"first", false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        // Another process was quicker: its key stays.
        let taken = write(&path, b"second", false).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        write(&path, b"third", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        assert_eq!(names(folder.path()), ["root.key"]);
    }
}
