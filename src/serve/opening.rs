//! Opening the authority: the data directory, the root key, the store, the first operator.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::root::{GivenRoot, RootCheck, RootError};
use super::secret_file;
use crate::authority::index::Index;
use crate::authority::keys::RootKey;
use crate::authority::moment::{Moment, Now};
use crate::authority::secret::{Secret, SecretString};
use crate::authority::{Authority, StartError};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::sled::{OpenError, SledStore, make_directory};

/// Where the store lies in the data directory.
pub(super) const STORE: &str = "store";
/// The operator's token that is made if none is given.
const OPERATOR_TOKEN: &str = "operator.token";

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
    /// The root key can't be had, or is not this store's.
    Root(RootError),
    /// The file does not hold a token.
    BootstrapToken(PathBuf),
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
    let (store, root, check) = opening.await.map_err(|_| OpeningError::Interrupted)??;
    let wall = Clock::system(0).now();
    let opened = Authority::open(Arc::new(store), index, root, Moment(wall))
        .await
        .map_err(OpeningError::Authority)?;
    // The store has proved it too: if two were possible, this one is left.
    check.keep()?;
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
        secret_file::write(&path, text.as_bytes(), true)
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
fn open_store(
    config: &Config,
    index: Arc<Index>,
) -> Result<(SledStore, RootKey, RootCheck), OpeningError> {
    let Config {
        data_dir,
        root_key_file,
        root_passphrase_file,
        ..
    } = config;
    make_directory(data_dir).map_err(|error| OpeningError::File(data_dir.clone(), error))?;
    let store_dir = data_dir.join(STORE);
    let given = match GivenRoot::read(root_key_file.as_deref(), root_passphrase_file.as_deref())? {
        Some(given) => given,
        None => GivenRoot::in_data_dir(data_dir, store_dir.exists())?,
    };
    // Proved before the store is opened, which writes to its files even where it changes no record.
    let (root, check) = RootCheck::prove(&store_dir, &given)?;
    let store = SledStore::open(&store_dir, Box::new(index)).map_err(OpeningError::Store)?;
    Ok((store, root, check))
}

fn read_token(path: &Path) -> Result<Secret, OpeningError> {
    let text = secret_file::read(path);
    let text = text.map_err(|error| OpeningError::File(path.to_owned(), error))?;
    Secret::parse(text.trim_end_matches(['\r', '\n']))
        .map_err(|_| OpeningError::BootstrapToken(path.to_owned()))
}

// === impl OpeningError ===

impl fmt::Display for OpeningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpeningError::File(path, error) => write!(f, "{}: {error}", path.display()),
            OpeningError::Root(error) => write!(f, "{error}"),
            OpeningError::BootstrapToken(path) => {
                write!(
                    f,
                    "{}: does not hold a token of this authority",
                    path.display()
                )
            }
            OpeningError::Store(error) => write!(f, "{error}"),
            OpeningError::Interrupted => {
                f.write_str("opening the store was interrupted; start again")
            }
            OpeningError::Authority(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for OpeningError {}

impl From<RootError> for OpeningError {
    fn from(error: RootError) -> Self {
        OpeningError::Root(error)
    }
}
