//! The root key as it is given, and the file that proves it before anything else is touched.
//!
//! `root.check` lies in the store's directory. It says which root key is the store's: for a key, by a check that only it passes;
//! for a passphrase, by how the key is derived as well. While the root key is changed there are two in it, and either is right.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::secret_file;
use crate::authority::hex;
use crate::authority::keys::{Derivation, NotARootKey, Passphrase, RootKey};
use crate::authority::secret::NoRandomness;
use crate::store::sled::{holds_store, make_directory};

/// In the data directory: the root key that is made if none is given.
pub(super) const ROOT_KEY: &str = "root.key";
/// In the store's directory: proves the root key.
const ROOT_CHECK: &str = "root.check";
/// What the file begins with.
const HEADER: &str = "token-authority root check 1\n";
/// The word for a root key that is not derived.
const KEY: &str = "key";
/// Between how a root key comes about and its check.
const CHECK: &str = " check=";
/// Length of a check: the whole file, in the form that it had before there were passphrases.
const CHECK_BYTES: usize = 60;
/// Longest file, bytes: two lines.
const MAX_BYTES: u64 = 4096;

/// What was given as a root key.
pub(super) enum GivenRoot {
    /// The key itself.
    Key(Box<RootKey>),
    /// What it is derived from.
    Passphrase(Passphrase),
}

/// How a root key comes about, and what proves it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proof {
    /// `None` for a key that is given itself.
    derivation: Option<Derivation>,
    check: Vec<u8>,
}

/// What proves the root key of a store.
pub(super) struct RootCheck {
    store_dir: PathBuf,
    /// What the file should hold.
    proof: Proof,
    /// Whether it is all that the file holds.
    is_kept: bool,
}

/// Why there is no root key, or not this store's.
#[derive(Debug)]
pub enum RootError {
    /// A file or directory can't be used.
    File(PathBuf, io::Error),
    /// There is a store, but the root key that was made with it is gone.
    Missing(PathBuf),
    /// The file does not hold a root key.
    NotAKey(PathBuf, NotARootKey),
    /// The file does not hold a passphrase: what it must be.
    NotAPassphrase(PathBuf, &'static str),
    /// What proves the root key is not what was written.
    Damaged(PathBuf),
    /// It is not the one.
    Wrong,
    /// A passphrase was given, and the store's root key is a key.
    IsAKey,
    /// A key was given, and the store's root key comes from a passphrase.
    IsAPassphrase,
    /// What a passphrase is derived by is gone.
    NoDerivation(PathBuf),
    /// There is not the memory to derive it.
    NoMemory,
    /// The operating system gives no random bytes.
    NoRandomness,
}

// === impl GivenRoot ===

impl GivenRoot {
    /// What these files hold; `None` if neither is named.
    pub(super) fn read(
        key: Option<&Path>,
        passphrase: Option<&Path>,
    ) -> Result<Option<GivenRoot>, RootError> {
        if let Some(path) = key {
            return read_key(path).map(|key| Some(GivenRoot::Key(Box::new(key))));
        }
        let Some(path) = passphrase else {
            return Ok(None);
        };
        let text = secret_file::read(path).map_err(at(path))?;
        let passphrase = Passphrase::of_file(&text);
        let passphrase = passphrase.map_err(|why| RootError::NotAPassphrase(path.to_owned(), why));
        passphrase.map(|passphrase| Some(GivenRoot::Passphrase(passphrase)))
    }

    /// The one that the authority makes where none is given.
    pub(super) fn in_data_dir(data_dir: &Path, there_is_a_store: bool) -> Result<Self, RootError> {
        let path = data_dir.join(ROOT_KEY);
        if path.exists() {
            return read_key(&path).map(|key| GivenRoot::Key(Box::new(key.made())));
        }
        if there_is_a_store {
            return Err(match kept(&data_dir.join(super::opening::STORE)) {
                Ok(Some(proofs)) if proofs.iter().all(|p| p.derivation.is_some()) => {
                    RootError::IsAPassphrase
                }
                _ => RootError::Missing(path),
            });
        }
        let (key, text) = RootKey::mint()?;
        secret_file::write(&path, text.as_bytes(), false).map_err(at(&path))?;
        tracing::warn!(
            path = %path.display(),
            "a root key was made beside the data that it protects; for production give root_key_file, on another volume"
        );
        Ok(GivenRoot::Key(Box::new(key)))
    }

    /// The root key that this gives, and its proof, if one of these proves it.
    pub(super) fn among(&self, proofs: &[Proof]) -> Result<Option<(RootKey, Proof)>, RootError> {
        for proof in proofs {
            let key = match (self, &proof.derivation) {
                (GivenRoot::Key(key), None) => key.as_ref().clone(),
                (GivenRoot::Passphrase(passphrase), Some(derivation)) => {
                    RootKey::derive(passphrase, derivation).ok_or(RootError::NoMemory)?
                }
                _ => continue,
            };
            if key.passes(&proof.check) {
                return Ok(Some((key, proof.clone())));
            }
        }
        Ok(None)
    }

    /// A root key that this gives from now on, and its proof.
    pub(super) fn anew(&self) -> Result<(RootKey, Proof), RootError> {
        let (key, derivation) = match self {
            GivenRoot::Key(key) => (key.as_ref().clone(), None),
            GivenRoot::Passphrase(passphrase) => {
                let derivation = Derivation::new()?;
                let key = RootKey::derive(passphrase, &derivation).ok_or(RootError::NoMemory)?;
                (key, Some(derivation))
            }
        };
        let check = key.check()?;
        Ok((key, Proof { derivation, check }))
    }

    /// Why none of these proves it.
    pub(super) fn refusal(&self, proofs: &[Proof]) -> RootError {
        let derived = proofs.iter().all(|proof| proof.derivation.is_some());
        let given = proofs.iter().all(|proof| proof.derivation.is_none());
        match self {
            GivenRoot::Key(_) if derived => RootError::IsAPassphrase,
            GivenRoot::Passphrase(_) if given => RootError::IsAKey,
            _ => RootError::Wrong,
        }
    }
}

// === impl RootCheck ===

impl RootCheck {
    /// Proves a root key by what is kept in the store's directory. A store that is new, or whose file is gone, has a check of its
    /// own for a key; but for a passphrase there must be the file, which is made here, before there is anything that it protects.
    pub(super) fn prove(
        store_dir: &Path,
        given: &GivenRoot,
    ) -> Result<(RootKey, RootCheck), RootError> {
        let check = |proof, is_kept| RootCheck {
            store_dir: store_dir.to_owned(),
            proof,
            is_kept,
        };
        if let Some(proofs) = kept(store_dir)? {
            let found = given.among(&proofs)?;
            let (key, proof) = found.ok_or_else(|| given.refusal(&proofs))?;
            return Ok((key, check(proof, proofs.len() == 1)));
        }
        let is_passphrase = matches!(given, GivenRoot::Passphrase(_));
        if is_passphrase && holds_store(store_dir) {
            return Err(RootError::NoDerivation(store_dir.join(ROOT_CHECK)));
        }
        let (key, proof) = given.anew()?;
        if is_passphrase {
            make_directory(store_dir).map_err(at(store_dir))?;
            keep_in(store_dir, &[&proof])?;
        }
        Ok((key, check(proof, is_passphrase)))
    }

    /// Leaves this proof, alone.
    pub(super) fn keep(&self) -> Result<(), RootError> {
        if self.is_kept {
            return Ok(());
        }
        keep_in(&self.store_dir, &[&self.proof])
    }
}

/// What proves the root key of the store in this directory; `None` if nothing is kept there.
pub(super) fn kept(store_dir: &Path) -> Result<Option<Vec<Proof>>, RootError> {
    let path = store_dir.join(ROOT_CHECK);
    let content = match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Ok(metadata) if metadata.len() > MAX_BYTES => return Err(RootError::Damaged(path)),
        _ => fs::read(&path).map_err(at(&path))?,
    };
    let proofs = match std::str::from_utf8(&content) {
        Ok(text) if text.starts_with(HEADER) => {
            let lines = text[HEADER.len()..].lines();
            lines.map(Proof::parse).collect::<Option<Vec<Proof>>>()
        }
        _ if content.len() == CHECK_BYTES => Some(vec![Proof {
            derivation: None,
            check: content,
        }]),
        _ => None,
    };
    match proofs {
        Some(proofs) if !proofs.is_empty() => Ok(Some(proofs)),
        _ => Err(RootError::Damaged(path)),
    }
}

/// Keeps these proofs for the store in this directory, durably, and no others.
pub(super) fn keep_in(store_dir: &Path, proofs: &[&Proof]) -> Result<(), RootError> {
    let path = store_dir.join(ROOT_CHECK);
    let lines: Vec<String> = proofs.iter().map(|proof| format!("{proof}\n")).collect();
    let text = format!("{HEADER}{}", lines.concat());
    secret_file::write(&path, text.as_bytes(), true).map_err(at(&path))
}

// === impl Proof ===

impl Proof {
    fn parse(line: &str) -> Option<Proof> {
        let (how, check) = line.rsplit_once(CHECK)?;
        Some(Proof {
            derivation: match how {
                KEY => None,
                how => Some(Derivation::parse(how)?),
            },
            check: hex::parse(check).filter(|check| check.len() == CHECK_BYTES)?,
        })
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.derivation {
            None => f.write_str(KEY)?,
            Some(derivation) => write!(f, "{derivation}")?,
        }
        write!(f, "{CHECK}{}", hex::text(&self.check))
    }
}

fn read_key(path: &Path) -> Result<RootKey, RootError> {
    let text = secret_file::read(path).map_err(at(path))?;
    RootKey::parse(&text).map_err(|why| RootError::NotAKey(path.to_owned(), why))
}

fn at(path: &Path) -> impl Fn(io::Error) -> RootError + '_ {
    move |error| RootError::File(path.to_owned(), error)
}

// === impl RootError ===

impl From<NoRandomness> for RootError {
    fn from(_: NoRandomness) -> Self {
        RootError::NoRandomness
    }
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RootError::File(path, error) => write!(f, "{}: {error}", path.display()),
            RootError::Missing(path) => write!(
                f,
                "there is a store, but no root key: put the one that it was made with at {}, or give root_key_file or root_passphrase_file",
                path.display()
            ),
            RootError::NotAKey(path, why) => write!(f, "{}: {why}", path.display()),
            RootError::NotAPassphrase(path, why) => write!(f, "{}: {why}", path.display()),
            RootError::Damaged(path) => write!(
                f,
                "{}: is not what was written; nothing was changed. Put it back from a backup",
                path.display()
            ),
            RootError::Wrong => f.write_str(
                "the root key is not the one that this store was made with; nothing was written. \
                 Give the right root_key_file or root_passphrase_file, or another data_dir",
            ),
            RootError::IsAKey => f.write_str(
                "the root key of this store is in a file, and a passphrase was given; nothing was written. Give root_key_file, \
                 or change the root key with `token-authority keys rewrap`",
            ),
            RootError::IsAPassphrase => f.write_str(
                "the root key of this store comes from a passphrase, and a key was given or none; nothing was written. Give \
                 root_passphrase_file, or change the root key with `token-authority keys rewrap`",
            ),
            RootError::NoDerivation(path) => write!(
                f,
                "{} is gone, without which no passphrase opens this store: put it back from a backup. If the root key is in a \
                 file, give root_key_file, or change it with `token-authority keys rewrap`",
                path.display()
            ),
            RootError::NoMemory => f.write_str("there is not the memory to derive the root key from the passphrase: 256 MiB"),
            RootError::NoRandomness => write!(f, "{NoRandomness}"),
        }
    }
}

impl std::error::Error for RootError {}

#[cfg(test)]
mod tests;
