//! What is kept of contexts between two commands: one file with all of them, and each credential in a file of its own.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use toml::Table;

use super::written::{Context, Contexts};
use crate::cli::connect::Environment;
use crate::cli::failure::Failure;

/// Largest file of contexts, bytes: thousands fit.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// For this user alone.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// The permission bits of everybody but the owner.
pub(in crate::cli) const OTHERS: u32 = 0o077;

/// In the directory: all contexts.
const CONTEXTS: &str = "config.toml";
/// In the directory: held while they are changed.
const LOCK: &str = "lock";
/// What ends the name of a credential's file.
const CREDENTIAL_SUFFIX: &str = ".token";

/// The directory in which contexts are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Place(PathBuf);

// === impl Place ===

impl Place {
    /// As the XDG Base Directory Specification has it: `$XDG_CONFIG_HOME`, else `$HOME/.config`; a relative path counts as none.
    pub(in crate::cli) fn of(environment: Environment<'_>) -> Result<Place, Failure> {
        let absolute = |name: &str| {
            let path = environment(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let base = absolute("XDG_CONFIG_HOME");
        let base = base.or_else(|| absolute("HOME").map(|home| home.join(".config")));
        let place = base.map(|base| Place(base.join("token-authority")));
        place.ok_or_else(|| {
            Failure::usage(
                "neither HOME nor XDG_CONFIG_HOME is an absolute path, so there is no place for contexts",
                "set HOME, or do without contexts: --server and --credential-file",
            )
        })
    }

    /// The file with all contexts.
    pub(in crate::cli) fn file(&self) -> PathBuf {
        self.0.join(CONTEXTS)
    }

    /// Where a context's credential is.
    pub(in crate::cli) fn credential(&self, context: &Context) -> Option<PathBuf> {
        context
            .credential_file
            .as_ref()
            .map(|file| self.0.join(file))
    }

    /// All contexts; none where nothing was kept yet.
    pub(in crate::cli) fn load(&self) -> Result<Contexts, Failure> {
        let path = self.file();
        let mut text = String::new();
        match File::open(&path) {
            Ok(file) => {
                let read = file.take(MAX_FILE_BYTES).read_to_string(&mut text);
                read.map_err(|error| Failure::file("contexts", &path, &error))?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Contexts::default()),
            Err(error) => return Err(Failure::file("contexts", &path, &error)),
        }
        // The parser's own message would quote the line, and a token may have got into it.
        let table: Result<Table, _> = text.parse();
        let contexts = table.ok().ok_or("is not TOML".to_owned());
        contexts
            .and_then(|table| Contexts::read(&table))
            .map_err(|why| {
                Failure::usage(
                    format!("{} {why}", path.display()),
                    "correct it, or move it away and log in again: token-authority login",
                )
            })
    }

    /// Changes what is kept, whole or not at all, while nobody else does. Whatever `change` does beside it comes first.
    pub(in crate::cli) fn change<T>(
        &self,
        change: impl FnOnce(&mut Contexts) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.make()?;
        let lock = self.0.join(LOCK);
        let _lock = open_lock(&lock).map_err(|error| cant("lock", &lock, &error))?;
        let mut contexts = self.load()?;
        let done = change(&mut contexts)?;
        let path = self.file();
        replace(&path, contexts.write().as_bytes())
            .map_err(|error| cant("write", &path, &error))?;
        Ok(done)
    }

    /// Keeps a credential for a context of this name, in a file of its own, and says in which.
    pub(in crate::cli) fn keep_credential(
        &self,
        name: &str,
        token: &[u8],
    ) -> Result<PathBuf, Failure> {
        let file = credential_file(name);
        let path = self.0.join(&file);
        replace(&path, &[token, b"\n"].concat()).map_err(|error| cant("write", &path, &error))?;
        Ok(file)
    }

    /// Gives a context's credential the name that goes with the context's.
    pub(in crate::cli) fn move_credential(
        &self,
        context: &mut Context,
        to: &str,
    ) -> Result<(), Failure> {
        let Some(before) = context.credential_file.clone() else {
            return Ok(());
        };
        // One that lies elsewhere isn't this directory's.
        if before.is_absolute() {
            return Ok(());
        }
        let after = credential_file(to);
        let path = self.0.join(&after);
        fs::rename(self.0.join(&before), &path).map_err(|error| cant("write", &path, &error))?;
        context.credential_file = Some(after);
        Ok(())
    }

    /// Removes a context's credential, and says whether there was one.
    pub(in crate::cli) fn forget_credential(&self, context: &mut Context) -> Result<bool, Failure> {
        let Some(file) = context.credential_file.take() else {
            return Ok(false);
        };
        if file.is_absolute() {
            return Ok(false);
        }
        let path = self.0.join(file);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(cant("remove", &path, &error)),
        }
    }

    /// Makes the directory for this user alone, and refuses one in which others can put files.
    fn make(&self) -> Result<(), Failure> {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(&self.0);
        let metadata = made.and_then(|()| fs::metadata(&self.0));
        let metadata = metadata.map_err(|error| cant("make", &self.0, &error))?;
        if metadata.permissions().mode() & OTHERS == 0 {
            return Ok(());
        }
        let path = self.0.display();
        Err(Failure::usage(
            format!("others can get into {path}, where your credentials would be"),
            format!("stop them: chmod 700 {path}"),
        ))
    }
}

fn credential_file(name: &str) -> PathBuf {
    PathBuf::from(format!("{name}{CREDENTIAL_SUFFIX}"))
}

/// Held until it is dropped.
fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options
        .create(true)
        .truncate(false)
        .write(true)
        .mode(FILE_MODE);
    let file = options.open(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

/// Puts a file, which its owner alone reads, in the place of another, whole or not at all.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut draft = path.to_owned().into_os_string();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    // Left behind by a command that was killed; whoever writes holds the lock.
    let _ = fs::remove_file(&draft);
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(&draft)?;
    let written = file
        .write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

fn cant(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::usage(
        format!("can't {what} {}: {error}", path.display()),
        "see to it that its directory is yours and can be written to",
    )
}
