//! The mark: the id of the store, and a revision that it has promised, in a file of their own.
//!
//! sled recovers what it can read of its log, and says nothing of the rest: cut its file and it opens an older store, or an
//! empty one. In such a store what was revoked is not revoked any more. So an open refuses a store that is behind its mark.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::envelope::Meta;

/// Its name in the store's directory.
pub(super) const MARK_FILE: &str = "mark";
/// What it is called until it is whole.
const NEW_MARK_FILE: &str = "mark.new";
/// Shortest time between two marks: each costs two syncs, and a loss of fewer seconds than this at the log's end may go
/// unseen.
const MARK_EVERY: Duration = Duration::from_secs(5);

/// Writes the mark, now and then.
pub(super) struct Mark {
    dir: PathBuf,
    written: Instant,
}

// === impl Mark ===

impl Mark {
    /// The mark of a directory; `None` if there is none, or none that can be read: it guards, and must not stop a sound store.
    pub(super) fn read(dir: &Path) -> io::Result<Option<Meta>> {
        let bytes = match fs::read(dir.join(MARK_FILE)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mark = Meta::decode(&bytes).ok();
        if mark.is_none() {
            tracing::warn!(store.dir = %dir.display(), "the store's mark can't be read: going on without");
        }
        Ok(mark)
    }

    /// Marks what is durable.
    pub(super) fn new(dir: &Path, meta: Meta) -> io::Result<Mark> {
        let mut mark = Mark {
            dir: dir.to_owned(),
            written: Instant::now(),
        };
        mark.write(meta)?;
        Ok(mark)
    }

    /// Marks what is durable, if it is time.
    pub(super) fn keep(&mut self, meta: Meta) -> io::Result<()> {
        if self.written.elapsed() < MARK_EVERY {
            return Ok(());
        }
        self.write(meta)
    }

    /// Marks what is durable: by a new file in the old one's place, so that there is always a whole one.
    pub(super) fn write(&mut self, meta: Meta) -> io::Result<()> {
        let new = self.dir.join(NEW_MARK_FILE);
        let mut file = File::create(&new)?;
        file.write_all(&meta.encode())?;
        file.sync_data()?;
        fs::rename(&new, self.dir.join(MARK_FILE))?;
        File::open(&self.dir)?.sync_all()?;
        self.written = Instant::now();
        Ok(())
    }
}
