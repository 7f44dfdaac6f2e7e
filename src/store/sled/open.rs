//! Opening a directory: made if it is not there, locked, recovered, and durable as a directory before anything is promised.

use std::{
    fmt,
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rand::{TryRng, rngs::SysRng};
use rustix::fs::{FlockOperation, flock};

use super::{
    aside::Aside,
    envelope::{FORMAT, META_KEY, Meta, MetaError},
    mark::{MARK_FILE, Mark},
};
use crate::store::{Revision, StoreId};

/// sled's page cache, bytes: reads come from the index, so it need only hold what is written to.
const CACHE_BYTES: u64 = 64 << 20;
/// How often sled rewrites segments that are mostly garbage, milliseconds, its default. Nothing else does that, so without it
/// the file would grow for ever. That it also syncs then, and swallows errors, does no harm: the writer syncs by itself.
const CLEAN_EVERY_MS: u64 = 500;
/// Longest wait for sled to let go of its file: its threads hold it for a moment after it was dropped.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);
/// How often that is looked at.
const RELEASE_CHECK: Duration = Duration::from_millis(2);

/// Until the first restore.
const FIRST_EPOCH: u32 = 1;

/// Our own lock. sled locks its file as well, but says only that it could not.
const LOCK_FILE: &str = "lock";
/// sled's log.
pub(super) const DATA_FILE: &str = "db";
/// sled's parameters.
const CONF_FILE: &str = "conf";
/// Where sled puts values that are too large for its log: ours never are, but the directory belongs to the store.
const BLOB_DIR: &str = "blobs";

/// A directory, opened.
pub(super) struct Opened {
    pub(super) db: ::sled::Db,
    pub(super) data: File,
    pub(super) lock: Lock,
    pub(super) meta: Meta,
    pub(super) mark: Mark,
}

/// Keeps all others out of the directory, until it is dropped.
pub(super) struct Lock(File);

/// Why a directory can't be opened as a store.
#[derive(Debug)]
pub enum OpenError {
    /// A file or directory can't be made, opened or synced.
    Io(PathBuf, io::Error),
    /// Another process, or another store of this one, uses the directory.
    InUse(PathBuf),
    /// A later release wrote it, in this form.
    NewerFormat(u32),
    /// What is there is not what was written. The text says what was found.
    Damaged(PathBuf, String),
    /// It is older than what it has promised: commits are lost, and with them, maybe, revocations.
    Behind {
        /// The store's directory.
        dir: PathBuf,
        /// A revision that was durable once.
        promised: Revision,
        /// The newest revision that is there.
        found: Revision,
    },
    /// The operating system gave no random bytes for the store's id.
    NoRandomness,
    /// No thread could be started.
    Thread(io::Error),
}

/// Opens or makes a store.
pub(super) fn open(dir: &Path) -> Result<Opened, OpenError> {
    let began = Instant::now();
    make_directory(dir).map_err(at(dir))?;
    let lock = lock(dir)?;
    let (db, found) = recover(dir)?;
    let data = sync_all(dir)?;
    let meta = match found {
        Some(meta) => meta,
        None => create(&db, &data, dir)?,
    };
    let mark = Mark::new(dir, meta).map_err(at(dir))?;
    tracing::info!(
        store.dir = %dir.display(),
        store.created = found.is_none(),
        store.head = meta.head.0,
        store.epoch = meta.id.epoch,
        elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "opened the store"
    );
    Ok(Opened {
        db,
        data,
        lock,
        meta,
        mark,
    })
}

// === the directory ===

/// Whether there is a store in it.
pub(crate) fn holds_store(dir: &Path) -> bool {
    dir.join(DATA_FILE).exists()
}

/// Makes it and what leads to it, for this user alone, and syncs what it made.
pub(crate) fn make_directory(dir: &Path) -> io::Result<()> {
    // The last ancestor of a relative path is empty: it stands for the current directory, which is there.
    let missing: Vec<&Path> = dir
        .ancestors()
        .take_while(|at| !at.as_os_str().is_empty() && !at.exists())
        .collect();
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    missing.into_iter().try_for_each(sync_parent)
}

fn lock(dir: &Path) -> Result<Lock, OpenError> {
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(at(&path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Lock(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse(dir.to_owned())),
        Err(error) => Err(OpenError::Io(path, error.into())),
    }
}

/// Syncs what sled made without syncing it. At each open, since the one that made it may not have come to it.
fn sync_all(dir: &Path) -> Result<File, OpenError> {
    let sync = |name: &str| {
        let path = dir.join(name);
        let file = File::open(&path).map_err(at(&path))?;
        file.sync_all().map_err(at(&path))?;
        Ok(file)
    };
    sync(CONF_FILE)?;
    sync(BLOB_DIR)?;
    let data = sync(DATA_FILE)?;
    sync_directory(dir).map_err(at(dir))?;
    sync_parent(dir).map_err(at(dir))?;
    Ok(data)
}

/// Makes what was made, renamed or removed at a path outlast a power loss.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    sync_directory(parent(path))
}

fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all())
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

// === sled ===

/// sled, and the store's own record if there is one. A damaged or left-over snapshot stops sled, but it only saves it from
/// reading its log, so what there is of them is set aside for a second attempt. If that fails too, all is put back.
fn recover(dir: &Path) -> Result<(::sled::Db, Option<Meta>), OpenError> {
    let what = match attempt(dir) {
        Err(OpenError::Damaged(_, what)) => what,
        outcome => return outcome,
    };
    let Some(aside) = Aside::move_snapshots(dir).map_err(at(dir))? else {
        return Err(OpenError::Damaged(dir.to_owned(), what));
    };
    tracing::warn!(
        store.dir = %dir.display(),
        "sled could not open the store ({what}): set its snapshots aside to try once more"
    );
    let outcome = attempt(dir);
    match &outcome {
        Ok(_) => aside.keep().map_err(at(dir))?,
        Err(_) => aside.put_back(dir).map_err(at(dir))?,
    }
    outcome
}

/// sled panics on some kinds of damage, and shows some only at the first read.
fn attempt(dir: &Path) -> Result<(::sled::Db, Option<Meta>), OpenError> {
    let damaged = |what: &str| OpenError::Damaged(dir.to_owned(), what.to_owned());
    if let Ok(data) = File::open(dir.join(DATA_FILE))
        && !wait_until_released(&data)
    {
        return Err(OpenError::InUse(dir.to_owned()));
    }
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let db = ::sled::Config::new()
            .path(dir)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(Some(CLEAN_EVERY_MS))
            .open()?;
        let meta = db.get(META_KEY)?;
        let empty = db.is_empty();
        Ok::<_, ::sled::Error>((db, meta, empty))
    }));
    let (db, meta, empty) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(::sled::Error::Io(error))) => return Err(OpenError::Io(dir.to_owned(), error)),
        Ok(Err(::sled::Error::Unsupported(what))) => return Err(damaged(&what)),
        Ok(Err(_)) => return Err(damaged("a page or a snapshot is corrupt")),
        Err(_) => return Err(damaged("sled panicked on what it found")),
    };
    let meta = match meta.map(|bytes| Meta::decode(&bytes)).transpose() {
        Ok(None) if !empty => return Err(damaged("there are records, but not the store's own")),
        Ok(meta) => meta,
        Err(MetaError::Newer(format)) => return Err(OpenError::NewerFormat(format)),
        Err(MetaError::Damaged) => return Err(damaged("the store's own record is damaged")),
    };
    if let Some(mark) = Mark::read(dir).map_err(at(dir))?
        && meta.is_none_or(|meta| meta.id != mark.id || meta.head < mark.head)
    {
        return Err(OpenError::Behind {
            dir: dir.to_owned(),
            promised: mark.head,
            found: meta.map_or(Revision(0), |meta| meta.head),
        });
    }
    Ok((db, meta))
}

/// Waits until no sled of this process holds its file, as its threads do for a moment after it was dropped; `false` if one
/// still does.
pub(super) fn wait_until_released(data: &File) -> bool {
    let began = Instant::now();
    while flock(data, FlockOperation::NonBlockingLockExclusive).is_err() {
        if began.elapsed() > RELEASE_LIMIT {
            return false;
        }
        thread::sleep(RELEASE_CHECK);
    }
    flock(data, FlockOperation::Unlock).is_ok()
}

/// Gives an empty store its id.
fn create(db: &::sled::Db, data: &File, dir: &Path) -> Result<Meta, OpenError> {
    let uid = SysRng.try_next_u64().map_err(|_| OpenError::NoRandomness)?;
    let meta = Meta {
        id: StoreId {
            uid,
            epoch: FIRST_EPOCH,
        },
        head: Revision(0),
    };
    let written = db.insert(META_KEY, meta.encode()).and_then(|_| db.flush());
    written.map_err(|error| match error {
        ::sled::Error::Io(error) => OpenError::Io(dir.to_owned(), error),
        _ => OpenError::Damaged(dir.to_owned(), "sled could not write".to_owned()),
    })?;
    data.sync_data().map_err(at(dir))?;
    Ok(meta)
}

// === impl Lock ===

impl Drop for Lock {
    /// Closing the file alone would not let go of it while another thread starts a process: between its fork and its exec the
    /// child holds the same lock. It can only fail for a file that is not open.
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

// === impl OpenError ===

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Io(path, error) => write!(f, "{}: {error}", path.display()),
            OpenError::InUse(dir) => write!(
                f,
                "another process uses the store in {}: stop it, or choose another directory",
                dir.display()
            ),
            OpenError::NewerFormat(format) => write!(
                f,
                "the store has format {format}, and this release knows {FORMAT} at most: use a newer release"
            ),
            OpenError::Damaged(dir, what) => write!(
                f,
                "the store in {} is damaged ({what}): restore it from a backup",
                dir.display()
            ),
            OpenError::Behind {
                dir,
                promised,
                found,
            } => write!(
                f,
                "the store in {} has lost commits: it was at revision {} and is at {} now. Restore it from a backup; to go on \
                 without them, remove its file {MARK_FILE}",
                dir.display(),
                promised.0,
                found.0
            ),
            OpenError::NoRandomness => f.write_str("the operating system gives no random bytes"),
            OpenError::Thread(error) => write!(f, "no thread could be started: {error}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Io(_, error) | OpenError::Thread(error) => Some(error),
            _ => None,
        }
    }
}

// === helpers ===

fn at(path: &Path) -> impl Fn(io::Error) -> OpenError + '_ {
    move |error| OpenError::Io(path.to_owned(), error)
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn a_lock_that_a_starting_process_holds_too_is_let_go_of() {
        let dir = tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        // As between the fork and the exec of a child.
        let inherited = held.0.try_clone().unwrap();
        assert!(matches!(lock(dir.path()), Err(OpenError::InUse(_))));
        drop(held);
        assert!(lock(dir.path()).is_ok());
        drop(inherited);
    }
}
