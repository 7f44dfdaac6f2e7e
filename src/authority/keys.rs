//! Keys: the root key that wraps, the HMAC keys that tag secrets, the keys that last, and the sealing keys that keep an answer for
//! its repeat.
//!
//! HMAC keys have versions, are rotated and retired, and are part of the index: whoever looks a token up finds the keys of the
//! same revision. What must outlast a rotation hangs on keys of its own: the ids of imported tokens, and what callers hand back.

mod aead;
mod hmac;
mod imported;
mod passphrase;
mod root;

use std::fmt;
use std::sync::RwLock;

use ring::aead::LessSafeKey;
use zeroize::Zeroizing;

use self::aead::{aead_key, open, seal};
pub use self::hmac::{HmacKeys, SHORT_TAG_BYTES, Tag};
pub use self::imported::{Digest, Found};
pub use self::passphrase::{Derivation, Passphrase};
pub use self::root::{NotARootKey, RootKey, RootSource};
use super::secret::{NoRandomness, Secret, TokenId};

/// Seals the secrets of one library that can be shown again.
pub struct RevealKey(LessSafeKey);

/// The keys that last, and the sealing keys by day.
pub struct Keys {
    /// Authenticates what callers hand back.
    callers: ring::hmac::Key,
    /// Makes the ids of imported tokens.
    ids: ring::hmac::Key,
    sealing: RwLock<Vec<(u32, LessSafeKey)>>,
}

/// What a key that lasts is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// Authenticating what callers hand back, such as page tokens.
    Callers,
    /// The ids of imported tokens, by which their strings are found: another key would find none.
    Ids,
}

pub(super) const KEY_BYTES: usize = 32;

// === impl RevealKey ===

impl RevealKey {
    /// Of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8; KEY_BYTES]) -> RevealKey {
        RevealKey(aead_key(bytes))
    }

    /// Seals a secret for the place that it is stored at.
    pub fn seal(&self, place: &[u8], secret: &Secret) -> Result<Vec<u8>, NoRandomness> {
        seal(&self.0, place, secret.bytes.as_ref())
    }

    /// Opens what [`RevealKey::seal`] made for this place.
    #[must_use]
    pub fn open(&self, place: &[u8], sealed: &[u8], id: TokenId) -> Option<Secret> {
        let opened = open(&self.0, place, sealed)?;
        let bytes = Zeroizing::new(opened.as_slice().try_into().ok()?);
        Some(Secret { id, bytes })
    }
}

// === impl Keys ===

impl Keys {
    /// Of these keys that last, without a sealing key yet.
    #[must_use]
    pub fn new(callers: &[u8; KEY_BYTES], ids: &[u8; KEY_BYTES]) -> Keys {
        let key = |bytes: &[u8; KEY_BYTES]| ring::hmac::Key::new(ring::hmac::HMAC_SHA256, bytes);
        Keys {
            callers: key(callers),
            ids: key(ids),
            sealing: RwLock::default(),
        }
    }

    /// A MAC for what callers hand back, such as page tokens.
    #[must_use]
    pub fn mac(&self, label: &str, message: &[u8]) -> [u8; 32] {
        let mut context = ring::hmac::Context::with_key(&self.callers);
        context.update(label.as_bytes());
        context.update(&[0]);
        context.update(message);
        to_bytes(&context.sign())
    }

    /// Adds the sealing key of a day.
    pub fn add_sealing(&self, day: u32, key: &[u8; KEY_BYTES]) {
        if let Ok(mut keys) = self.sealing.write() {
            keys.retain(|(d, _)| *d != day);
            keys.push((day, aead_key(key)));
        }
    }

    /// Forgets the sealing keys of the days before this one.
    pub fn drop_sealing_before(&self, day: u32) {
        if let Ok(mut keys) = self.sealing.write() {
            keys.retain(|(d, _)| *d >= day);
        }
    }

    /// Whether there is a sealing key of this day.
    #[must_use]
    pub fn can_seal(&self, day: u32) -> bool {
        self.sealing
            .read()
            .is_ok_and(|keys| keys.iter().any(|(d, _)| *d == day))
    }

    /// Seals a text for a place, under the key of a day; `None` if there is none.
    #[must_use]
    pub fn seal(&self, day: u32, place: &[u8], text: &str) -> Option<Vec<u8>> {
        let keys = self.sealing.read().ok()?;
        let (_, key) = keys.iter().find(|(d, _)| *d == day)?;
        seal(key, place, text.as_bytes()).ok()
    }

    /// Opens what [`Keys::seal`] made for this place.
    #[must_use]
    pub fn unseal(&self, day: u32, place: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let keys = self.sealing.read().ok()?;
        let (_, key) = keys.iter().find(|(d, _)| *d == day)?;
        open(key, place, sealed)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(...)")
    }
}

fn to_bytes(tag: &ring::hmac::Tag) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

#[cfg(test)]
mod tests;
