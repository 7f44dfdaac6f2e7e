//! Opening the authority: the data directory, the root key, the store, the first operator.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::authority::index::Index;
use crate::authority::keys::{NotARootKey, RootKey};
use crate::authority::moment::{Moment, Now};
use crate::authority::secret::{NoRandomness, Secret, SecretString};
use crate::authority::{Authority, StartError};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::sled::{OpenError, SledStore};

/// Where the store lies in the data directory.
const STORE: &str = "store";
/// The root key that is made if none is given.
const ROOT_KEY: &str = "root.key";
/// The operator's token that is made if none is given.
const OPERATOR_TOKEN: &str = "operator.token";
/// Longest file that holds a key or a token, bytes: more is another file.
const MAX_SECRET_FILE: u64 = 4096;

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
    let wall = Clock::system(0).now();
    let opened = Authority::open(Arc::new(store), index, root, Moment(wall))
        .await
        .map_err(OpeningError::Authority)?;
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
        write_secret(&path, &text, true)
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

/// The store, which writes to the index from now on, and the root key. Blocks.
fn open_store(config: &Config, index: Arc<Index>) -> Result<(SledStore, RootKey), OpeningError> {
    create_dir(&config.data_dir)?;
    let store_dir = config.data_dir.join(STORE);
    let root = root_key(config, &store_dir)?;
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
    write_secret(&path, &text, false).map_err(|error| OpeningError::File(path.clone(), error))?;
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
    let length = fs::metadata(path).map_err(fault)?.len();
    if length > MAX_SECRET_FILE {
        return Err(fault(io::Error::new(
            io::ErrorKind::InvalidData,
            "the file is too long to hold a secret",
        )));
    }
    fs::read_to_string(path).map(Zeroizing::new).map_err(fault)
}

/// Writes a file that only this user reads, whole or not at all, and durably.
fn write_secret(path: &Path, text: &str, replace: bool) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let target = if replace {
        path.with_extension("new")
    } else {
        path.to_owned()
    };
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if replace {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let mut file = options.open(&target)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    if replace {
        fs::rename(&target, path)?;
    }
    File::open(directory)?.sync_all()
}

fn create_dir(path: &Path) -> Result<(), OpeningError> {
    fs::create_dir_all(path).map_err(|error| OpeningError::File(path.to_owned(), error))
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
