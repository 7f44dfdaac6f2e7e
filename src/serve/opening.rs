//! Opening the authority: the data directory, the root key, the store, the first operator.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, RenameFlags};
use zeroize::Zeroizing;

use crate::authority::index::Index;
use crate::authority::keys::{NotARootKey, RootKey};
use crate::authority::moment::{Moment, Now};
use crate::authority::secret::{self, NoRandomness, Secret, SecretString};
use crate::authority::{Authority, StartError};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::sled::{OpenError, SledStore, make_directory, sync_parent};

/// Where the store lies in the data directory.
const STORE: &str = "store";
/// The root key that is made if none is given.
const ROOT_KEY: &str = "root.key";
/// In the store's directory: proves the root key.
const ROOT_CHECK: &str = "root.check";
/// The operator's token that is made if none is given.
const OPERATOR_TOKEN: &str = "operator.token";
/// Longest file that holds a key or a token, bytes: more is another file.
const MAX_SECRET_FILE: u64 = 4096;
/// The rights of everybody in a file's mode; a group may read what Kubernetes mounts.
const OTHERS: u32 = 0o007;

/// An authority that answers, and the time it judges by.
pub(super) struct Open {
    pub(super) authority: Arc<Authority>,
    pub(super) clock: Arc<Clock>,
}

/// Why the authority could not be opened.
#[derive(Debug)]
pub enum OpeningError {
    /// A file or directory can't be used.
    File(PathBuf, io::Error),
    /// There is a store, but the root key that it was made with is gone.
    RootKeyMissing(PathBuf),
    /// The file does not hold a root key.
    RootKey(PathBuf, NotARootKey),
    /// The file does not hold a token.
    BootstrapToken(PathBuf),
    /// The operating system gives no random bytes.
    NoRandomness,
    /// The store can't be opened.
    Store(OpenError),
    /// The thread that opened the store ended before it was done.
    Interrupted,
    /// The authority refuses.
    Authority(StartError),
}

/// Opens the authority: it answers Verify from now on.
pub(super) async fn open(config: &Config) -> Result<Open, OpeningError> {
    let index = Arc::new(Index::new());
    // On a thread of its own: recovery may take long, and health and signals are answered meanwhile.
    let opening = tokio::task::spawn_blocking({
        let (config, index) = (config.clone(), index.clone());
        move || open_store(&config, index)
    });
    let (store, root) = opening.await.map_err(|_| OpeningError::Interrupted)??;
    let check = root
        .check()
        .map_err(|NoRandomness| OpeningError::NoRandomness)?;
    let wall = Clock::system(0).now();
    let opened = Authority::open(Arc::new(store), index, root, Moment(wall))
        .await
        .map_err(OpeningError::Authority)?;
    keep_check(&check, &config.data_dir.join(STORE).join(ROOT_CHECK))?;
    let clock = Arc::new(Clock::system(opened.mark.0));
    Ok(Open {
        authority: opened.authority,
        clock,
    })
}

/// Makes an operator's token if there is no live one. All tokens must be loaded.
pub(super) async fn ensure_operator(config: &Config, open: &Open) -> Result<(), OpeningError> {
    let given = config
        .bootstrap_token_file
        .as_deref()
        .map(read_token)
        .transpose()?;
    let path = config.data_dir.join(OPERATOR_TOKEN);
    let was_given = given.is_some();
    let keep = |token: &SecretString| {
        let text = Zeroizing::new(format!("{}\n", token.expose()));
        write_secret(&path, text.as_bytes(), true)
    };
    let now = Now {
        time: Moment(open.clock.now()),
        mark: open.clock.mark().map(Moment),
    };
    if open
        .authority
        .ensure_operator(given, keep, now)
        .await
        .map_err(OpeningError::Authority)?
    {
        if was_given {
            tracing::warn!(
                "there was no live operator token: the one in bootstrap_token_file is good for 90 days"
            );
        } else {
            tracing::warn!(path = %path.display(), "there was no live operator token: a new one was written, good for 90 days");
        }
    }
    Ok(())
}

/// Proves the root key before the store is opened, which writes to its files even where it changes no record. The store holds
/// a check of its own, for where this file is gone.
fn prove(root: &RootKey, check: &Path) -> Result<(), OpeningError> {
    match fs::read(check) {
        Ok(content) if root.passes(&content) => Ok(()),
        Ok(_) => Err(OpeningError::Authority(StartError::WrongRootKey)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(OpeningError::File(check.to_owned(), error)),
    }
}

/// Leaves what [`prove`] reads at the next start.
fn keep_check(check: &[u8], path: &Path) -> Result<(), OpeningError> {
    if path.exists() {
        return Ok(());
    }
    write_secret(path, check, true).map_err(|error| OpeningError::File(path.to_owned(), error))
}

/// The store, which writes to the index from now on, and the root key. Blocks.
fn open_store(config: &Config, index: Arc<Index>) -> Result<(SledStore, RootKey), OpeningError> {
    make_directory(&config.data_dir)
        .map_err(|error| OpeningError::File(config.data_dir.clone(), error))?;
    let store_dir = config.data_dir.join(STORE);
    let root = root_key(config, &store_dir)?;
    prove(&root, &store_dir.join(ROOT_CHECK))?;
    let store = SledStore::open(&store_dir, Box::new(index)).map_err(OpeningError::Store)?;
    Ok((store, root))
}

fn root_key(config: &Config, store_dir: &Path) -> Result<RootKey, OpeningError> {
    if let Some(path) = &config.root_key_file {
        return read_root_key(path);
    }
    let path = config.data_dir.join(ROOT_KEY);
    if path.exists() {
        return read_root_key(&path);
    }
    if store_dir.exists() {
        return Err(OpeningError::RootKeyMissing(path));
    }
    let (key, text) = RootKey::mint().map_err(|NoRandomness| OpeningError::NoRandomness)?;
    write_secret(&path, text.as_bytes(), false)
        .map_err(|error| OpeningError::File(path.clone(), error))?;
    tracing::warn!(
        path = %path.display(),
        "a root key was made beside the data that it protects; for production give root_key_file, on another volume"
    );
    Ok(key)
}

fn read_root_key(path: &Path) -> Result<RootKey, OpeningError> {
    let text = read_secret(path)?;
    RootKey::parse(&text).map_err(|why| OpeningError::RootKey(path.to_owned(), why))
}

fn read_token(path: &Path) -> Result<Secret, OpeningError> {
    let text = read_secret(path)?;
    Secret::parse(text.trim_end_matches(['\r', '\n']))
        .map_err(|_| OpeningError::BootstrapToken(path.to_owned()))
}

fn read_secret(path: &Path) -> Result<Zeroizing<String>, OpeningError> {
    let fault = |error| OpeningError::File(path.to_owned(), error);
    let metadata = fs::metadata(path).map_err(fault)?;
    if metadata.mode() & OTHERS != 0 {
        tracing::warn!(path = %path.display(), "everybody can read or write a secret; stop that: chmod 600");
    }
    if metadata.len() > MAX_SECRET_FILE {
        return Err(fault(io::Error::new(
            io::ErrorKind::InvalidData,
            "the file is too long to hold a secret",
        )));
    }
    fs::read_to_string(path).map(Zeroizing::new).map_err(fault)
}

/// Writes a file that only this user reads, whole or not at all, and durably. Two processes that do so at once don't mix;
/// one that must not replace what is there is told so.
fn write_secret(path: &Path, content: &[u8], replace: bool) -> io::Result<()> {
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

// === impl OpeningError ===

impl fmt::Display for OpeningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpeningError::File(path, error) => write!(f, "{}: {error}", path.display()),
            OpeningError::RootKeyMissing(path) => write!(
                f,
                "there is a store, but no root key: put the one that it was made with at {}, or give root_key_file",
                path.display()
            ),
            OpeningError::RootKey(path, why) => write!(f, "{}: {why}", path.display()),
            OpeningError::BootstrapToken(path) => {
                write!(
                    f,
                    "{}: does not hold a token of this authority",
                    path.display()
                )
            }
            OpeningError::NoRandomness => write!(f, "{NoRandomness}"),
            OpeningError::Store(error) => write!(f, "{error}"),
            OpeningError::Interrupted => {
                f.write_str("opening the store was interrupted; start again")
            }
            OpeningError::Authority(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for OpeningError {}

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
        write_secret(&path, b"first", false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        // Another process was quicker: its key stays.
        let taken = write_secret(&path, b"second", false).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        write_secret(&path, b"third", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        assert_eq!(names(folder.path()), ["root.key"]);
    }

    #[test]
    fn a_check_lets_the_right_root_key_through_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(ROOT_CHECK);
        let (right, wrong) = (RootKey::mint().unwrap().0, RootKey::mint().unwrap().0);
        prove(&wrong, &path).unwrap();
        keep_check(&right.check().unwrap(), &path).unwrap();
        prove(&right, &path).unwrap();
        let refused = prove(&wrong, &path).unwrap_err();
        assert!(matches!(
            refused,
            OpeningError::Authority(StartError::WrongRootKey)
        ));
    }
}
