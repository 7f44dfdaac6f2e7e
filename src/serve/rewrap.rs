//! Changing the root key of a store whose server is stopped.
//!
//! Three steps, each durable before the next: `root.check` proves both root keys; one commit wraps every key anew; `root.check`
//! proves the new root key alone. Before the commit the store opens with the old one, after it with the new one, and whichever
//! is given, the file lets it try. So a change that was interrupted is begun anew, or found to be done.

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::slice;

use super::opening::STORE;
use super::root::{self, GivenRoot, Proof, ROOT_KEY, RootError};
use crate::authority::StartError;
use crate::authority::keys::{RootKey, RootSource};
use crate::authority::moment::Moment;
use crate::authority::rewrap::{is_under, rewrap};
use crate::clock::Clock;
use crate::config::{LogFilter, LogFormat, Rewrap, Value as _};
use crate::store::sled::{OpenError, SledStore, holds_store};
use crate::store::{Committed, Follower, Load, Record, Store as _};
use crate::telemetry;

/// Why the root key was not changed, or not to its end.
#[derive(Debug)]
enum RewrapError {
    /// There is no store.
    NoStore(PathBuf),
    /// A root key can't be had, or is not this store's.
    Root(RootError),
    /// The new one is the old one.
    Same,
    /// The store can't be opened.
    Open(OpenError),
    /// There could be no runtime.
    Runtime(io::Error),
    /// The authority refuses.
    Authority(StartError),
}

/// The two root keys, and what proves them.
struct Roots {
    /// `None` if the store seems to be under the new one already.
    old: Option<(RootKey, Proof)>,
    new: (RootKey, Proof),
}

/// What was done.
struct Done {
    /// How many keys were wrapped anew; `None` if they were before.
    keys: Option<usize>,
    new: RootSource,
}

/// Nobody follows: nothing is judged meanwhile.
struct Nobody;

impl Follower for Nobody {
    fn publish(&mut self, _: &[Committed]) {}

    fn loaded(&mut self, _: &Load, _: Vec<Record>) {}
}

/// Changes the root key, and says what to do next.
#[must_use]
pub fn main(asked: &Rewrap) -> ExitCode {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    if let Ok(filter) = LogFilter::parse("warn") {
        telemetry::start(LogFormat::Text, &filter);
    }
    // Where nobody reads, the exit code has to say it.
    let code = match change(asked) {
        Ok(done) => {
            let _ = io::stdout().write_all(done.tell(asked).as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "token-authority: {error}");
            ExitCode::FAILURE
        }
    };
    let _ = io::stdout().flush();
    code
}

fn change(asked: &Rewrap) -> Result<Done, RewrapError> {
    let store_dir = asked.data_dir.join(STORE);
    if !holds_store(&store_dir) {
        return Err(RewrapError::NoStore(asked.data_dir.clone()));
    }
    let roots = Roots::of(asked, &store_dir)?;
    // It holds the store's lock from here on: a server that runs, or starts, and this exclude each other.
    let store = SledStore::open(&store_dir, Box::new(Nobody)).map_err(RewrapError::Open)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(RewrapError::Runtime)?;
    runtime.block_on(async {
        let done = roots.change(&store, &store_dir).await;
        store.close().await;
        done
    })
}

// === impl Roots ===

impl Roots {
    fn of(asked: &Rewrap, store_dir: &Path) -> Result<Roots, RewrapError> {
        let Rewrap {
            data_dir,
            root_key_file,
            root_passphrase_file,
            new_root_key_file,
            new_root_passphrase_file,
        } = asked;
        let old = GivenRoot::read(root_key_file.as_deref(), root_passphrase_file.as_deref())?;
        let old = match old {
            Some(old) => old,
            None => GivenRoot::in_data_dir(data_dir, true)?,
        };
        let new = GivenRoot::read(
            new_root_key_file.as_deref(),
            new_root_passphrase_file.as_deref(),
        )?;
        // The command line demands one of them.
        let new = new.ok_or_else(|| RootError::Missing(data_dir.join(ROOT_KEY)))?;

        let proofs = root::kept(store_dir)?;
        let known = proofs.as_deref().unwrap_or_default();
        let new_known = new.among(known)?;
        let old = match (old.among(known)?, &old) {
            (Some(found), _) => Some(found),
            // The store has a check of its own.
            (None, GivenRoot::Key(_)) if proofs.is_none() => Some(old.anew()?),
            // It was changed before, it seems.
            (None, _) if new_known.is_some() => None,
            (None, _) => return Err(old.refusal(known).into()),
        };
        if let Some((_, proof)) = &old
            && new.among(slice::from_ref(proof))?.is_some()
        {
            return Err(RewrapError::Same);
        }
        let new = match new_known {
            Some(new) => new,
            None => new.anew()?,
        };
        Ok(Roots { old, new })
    }

    async fn change(&self, store: &SledStore, store_dir: &Path) -> Result<Done, RewrapError> {
        let (new, new_proof) = &self.new;
        let mut keys = None;
        if !is_under(store, new).await? {
            let (old, old_proof) = self.old.as_ref().ok_or(RootError::Wrong)?;
            if !is_under(store, old).await? {
                return Err(RootError::Wrong.into());
            }
            root::keep_in(store_dir, &[old_proof, new_proof])?;
            let now = Moment(Clock::system(0).now());
            keys = Some(rewrap(store, old, new, now).await?);
        }
        root::keep_in(store_dir, &[new_proof])?;
        Ok(Done {
            keys,
            new: new.source(),
        })
    }
}

// === impl Done ===

impl Done {
    fn tell(&self, asked: &Rewrap) -> String {
        let done = match self.keys {
            Some(keys) => format!("{keys} keys are wrapped by the new root key."),
            None => "The root key was changed before: nothing was left to do.".to_owned(),
        };
        let (setting, other) = match self.new {
            RootSource::Passphrase => ("root_passphrase_file", "root_key_file"),
            RootSource::File | RootSource::Made => ("root_key_file", "root_passphrase_file"),
        };
        let made = asked.data_dir.join(ROOT_KEY);
        let deletable = match (&asked.root_key_file, &asked.root_passphrase_file) {
            (None, None) => format!(
                "{} opens nothing here any more, and may be deleted.\n",
                made.display()
            ),
            _ => String::new(),
        };
        format!(
            "{done}\nBefore the next start, set {setting} to the new file, and {other} to none.\n{deletable}\
             Backups that were made before need the old root key still; so does what the disk keeps of them.\n"
        )
    }
}

// === impl RewrapError ===

impl From<RootError> for RewrapError {
    fn from(error: RootError) -> Self {
        RewrapError::Root(error)
    }
}

impl From<StartError> for RewrapError {
    fn from(error: StartError) -> Self {
        RewrapError::Authority(error)
    }
}

impl fmt::Display for RewrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RewrapError::NoStore(dir) => write!(
                f,
                "there is no store in {}; give the data_dir of the server",
                dir.display()
            ),
            RewrapError::Root(error) => write!(f, "{error}"),
            RewrapError::Same => f.write_str(
                "the new root key is the one that the store has; nothing was changed. Make another: openssl rand -hex 32",
            ),
            RewrapError::Open(error @ OpenError::InUse(_)) => write!(
                f,
                "the server must be stopped while its root key is changed; nothing was changed: {error}"
            ),
            RewrapError::Open(error) => write!(f, "{error}"),
            RewrapError::Runtime(error) => write!(f, "can't start: {error}"),
            RewrapError::Authority(error) => write!(f, "{error}"),
        }
    }
}
