//! The root key: it wraps all other keys, and comes from a file, from a passphrase, or is made beside the data.

use std::fmt;

use ring::aead::LessSafeKey;
use zeroize::Zeroizing;

use super::KEY_BYTES;
use super::aead::{aead_key, open, seal};
use super::passphrase::{Derivation, Passphrase};
use crate::authority::hex;
use crate::authority::keyspace::ROOT_CHECK;
use crate::authority::secret::{self, NoRandomness};

/// Where a root key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootSource {
    /// A file that the operator gave.
    File,
    /// A passphrase.
    Passphrase,
    /// The authority made it, beside the data.
    Made,
}

/// Wraps the other keys. It never leaves the process, and is never stored beside what it wraps unless nobody gave one.
#[derive(Clone)]
pub struct RootKey {
    key: LessSafeKey,
    source: RootSource,
}

/// Why a text is no root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotARootKey;

/// What a check of the root key holds: any text serves.
const KNOWN_TEXT: &[u8; KEY_BYTES] = b"token-authority root key check 1";

// === impl RootSource ===

impl RootSource {
    /// As people read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RootSource::File => "a file",
            RootSource::Passphrase => "a passphrase",
            RootSource::Made => "the file that the authority made",
        }
    }
}

// === impl RootKey ===

impl RootKey {
    /// The one that a passphrase gives, by about a second of work. `None` if there is not the memory for it.
    #[must_use]
    pub fn derive(passphrase: &Passphrase, derivation: &Derivation) -> Option<RootKey> {
        let bytes = derivation.derive(passphrase)?;
        Some(RootKey::of(&bytes, RootSource::Passphrase))
    }

    fn of(bytes: &[u8; KEY_BYTES], source: RootSource) -> RootKey {
        RootKey {
            key: aead_key(bytes),
            source,
        }
    }

    /// Where it comes from.
    #[must_use]
    pub fn source(&self) -> RootSource {
        self.source
    }

    /// The same, which the authority made by itself.
    #[must_use]
    pub fn made(self) -> RootKey {
        RootKey {
            source: RootSource::Made,
            ..self
        }
    }

    /// A new one, and the text of its file: 64 hexadecimal digits and a line end.
    pub fn mint() -> Result<(RootKey, Zeroizing<String>), NoRandomness> {
        let bytes = Zeroizing::new(secret::random::<KEY_BYTES>()?);
        let mut text = Zeroizing::new(String::with_capacity(2 * KEY_BYTES + 1));
        text.push_str(&Zeroizing::new(hex::text(bytes.as_ref())));
        text.push('\n');
        Ok((RootKey::of(&bytes, RootSource::Made), text))
    }

    /// Parses the text of a root key file.
    pub fn parse(text: &str) -> Result<RootKey, NotARootKey> {
        let digits = text.trim_end_matches(['\r', '\n']);
        let bytes = Zeroizing::new(hex::parse(digits).ok_or(NotARootKey)?);
        let bytes = bytes.as_slice().try_into().map_err(|_| NotARootKey)?;
        let bytes = Zeroizing::new(bytes);
        Ok(RootKey::of(&bytes, RootSource::File))
    }

    /// Proves later, without a secret, that a root key is this one.
    pub fn check(&self) -> Result<Vec<u8>, NoRandomness> {
        self.wrap(ROOT_CHECK, KNOWN_TEXT)
    }

    /// Whether [`RootKey::check`] of this same key made it.
    #[must_use]
    pub fn passes(&self, check: &[u8]) -> bool {
        self.unwrap(ROOT_CHECK, check)
            .is_some_and(|text| *text == *KNOWN_TEXT)
    }

    /// Wraps a key for the place that it is stored at: nonce, ciphertext and tag.
    pub fn wrap(&self, place: &[u8], key: &[u8]) -> Result<Vec<u8>, NoRandomness> {
        seal(&self.key, place, key)
    }

    /// Unwraps what [`RootKey::wrap`] made for this place; `None` for anything else, as under another root key.
    #[must_use]
    pub fn unwrap(&self, place: &[u8], wrapped: &[u8]) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
        let opened = open(&self.key, place, wrapped)?;
        Some(Zeroizing::new(opened.as_slice().try_into().ok()?))
    }
}

// === impl NotARootKey ===

impl fmt::Display for NotARootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a root key is 64 hexadecimal digits: 32 random bytes, as made by `openssl rand -hex 32`")
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(...)")
    }
}
