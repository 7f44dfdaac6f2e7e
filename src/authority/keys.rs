//! Keys: the root key that wraps, the HMAC keys that tag secrets, the sealing keys that keep an answer for its repeat.

mod aead;
mod imported;

use std::fmt;
use std::sync::RwLock;

use ring::aead::LessSafeKey;
use ring::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use self::aead::{aead_key, open, seal};
use self::imported::ImportKeys;
pub use self::imported::{Digest, Found};
use super::directory::Uid;
use super::keyspace::ROOT_CHECK;
use super::password::Password;
use super::secret::{self, NoRandomness, Secret, TokenId};

/// Bytes of a tag that the index keeps and compares: 128 bits leave a forger 2^-128 per guess.
pub const SHORT_TAG_BYTES: usize = 16;

/// What a secret must prove: HMAC-SHA-256 over id and secret, under a key of this version.
///
/// A minted secret has 256 bits of entropy, so one approved one-way function is enough (NIST SP 800-63B, section 5.1.2.2,
/// look-up secrets of 112 bits or more); a password hash would only add a way to exhaust the CPU.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// The whole of it.
    pub bytes: [u8; 32],
    /// The key that made it.
    pub key_version: u32,
}

/// Wraps the other keys. It never leaves the process, and is never stored beside what it wraps unless nobody gave one.
pub struct RootKey(LessSafeKey);

/// Seals the secrets of one library that can be shown again.
pub struct RevealKey(LessSafeKey);

/// The HMAC keys by version, and the sealing keys by day.
pub struct Keys {
    hmac: Vec<(u32, hmac::Key)>,
    /// What imported tokens need, of each of the HMAC keys.
    imports: Vec<(u32, ImportKeys)>,
    sealing: RwLock<Vec<(u32, LessSafeKey)>>,
    /// Stands in for the key of a token that does not exist, so that a look-up in vain costs the same.
    dummy: hmac::Key,
}

/// Why a text is no root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotARootKey;

const KEY_BYTES: usize = 32;
/// What the key for passwords is derived by. It is shorter than what tags are made of, and than what else is authenticated.
const PASSWORDS: &[u8] = b"passwords 1";
/// What a check of the root key holds: any text serves.
const KNOWN_TEXT: &[u8; KEY_BYTES] = b"token-authority root key check 1";

// === impl RootKey ===

impl RootKey {
    /// A new one, and the text of its file: 64 hexadecimal digits and a line end.
    pub fn mint() -> Result<(RootKey, Zeroizing<String>), NoRandomness> {
        let bytes = Zeroizing::new(secret::random::<KEY_BYTES>()?);
        let mut text = Zeroizing::new(String::with_capacity(2 * KEY_BYTES + 1));
        for byte in bytes.iter() {
            text.extend(
                [byte >> 4, byte & 15]
                    .map(|nibble| char::from(b"0123456789abcdef"[usize::from(nibble)])),
            );
        }
        text.push('\n');
        Ok((RootKey(aead_key(&bytes)), text))
    }

    /// Parses the text of a root key file.
    pub fn parse(text: &str) -> Result<RootKey, NotARootKey> {
        let digits = text.trim_end_matches(['\r', '\n']).as_bytes();
        if digits.len() != 2 * KEY_BYTES {
            return Err(NotARootKey);
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte =
                nibble(pair[0]).ok_or(NotARootKey)? << 4 | nibble(pair[1]).ok_or(NotARootKey)?;
        }
        Ok(RootKey(aead_key(&bytes)))
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
        seal(&self.0, place, key)
    }

    /// Unwraps what [`RootKey::wrap`] made for this place; `None` for anything else, as under another root key.
    #[must_use]
    pub fn unwrap(&self, place: &[u8], wrapped: &[u8]) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
        let opened = open(&self.0, place, wrapped)?;
        Some(Zeroizing::new(opened.as_slice().try_into().ok()?))
    }
}

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

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(...)")
    }
}

// === impl Keys ===

impl Keys {
    /// Of these HMAC keys, oldest first; the newest makes new tags.
    pub fn new(hmac_keys: &[(u32, Zeroizing<[u8; KEY_BYTES]>)]) -> Result<Keys, NoRandomness> {
        let dummy = secret::random::<KEY_BYTES>()?;
        let hmac: Vec<(u32, hmac::Key)> = hmac_keys
            .iter()
            .map(|(v, k)| (*v, hmac::Key::new(hmac::HMAC_SHA256, k.as_ref())))
            .collect();
        Ok(Keys {
            imports: hmac
                .iter()
                .map(|(v, k)| (*v, ImportKeys::derive(k)))
                .collect(),
            hmac,
            sealing: RwLock::default(),
            dummy: hmac::Key::new(hmac::HMAC_SHA256, &dummy),
        })
    }

    /// The tag of a new secret.
    #[must_use]
    pub fn tag(&self, secret: &Secret) -> Tag {
        let (key_version, key) = self.hmac.last().map_or((0, &self.dummy), |(v, k)| (*v, k));
        Tag {
            bytes: compute(key, secret),
            key_version,
        }
    }

    /// Whether the secret proves the short tag; takes as long for `None`, and compares in constant time.
    #[must_use]
    pub fn proves(&self, secret: &Secret, expected: Option<([u8; SHORT_TAG_BYTES], u32)>) -> bool {
        let found = expected.and_then(|(tag, version)| Some((tag, self.hmac_key(version)?)));
        let (tag, key) = found.unwrap_or(([0; SHORT_TAG_BYTES], &self.dummy));
        let equal = compute(key, secret)[..SHORT_TAG_BYTES].ct_eq(&tag);
        bool::from(equal) && found.is_some()
    }

    /// What is hashed in place of a user's password, under a key of its own that comes from the HMAC key of a version: what is
    /// kept of a password can't be guessed at without the root key, nor be moved to another user. `None` for an unknown version.
    #[must_use]
    pub fn pepper(
        &self,
        version: u32,
        user: Uid,
        password: &Password,
    ) -> Option<Zeroizing<[u8; 32]>> {
        let derived = hmac::sign(self.hmac_key(version)?, PASSWORDS);
        let mut context =
            hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()));
        context.update(&user.0);
        context.update(password.expose().as_bytes());
        Some(Zeroizing::new(to_bytes(&context.sign())))
    }

    /// The version of the key that new passwords and tags are made with.
    #[must_use]
    pub fn newest(&self) -> u32 {
        self.hmac.last().map_or(0, |(version, _)| *version)
    }

    /// A MAC for what callers hand back, such as page tokens.
    #[must_use]
    pub fn mac(&self, label: &str, message: &[u8]) -> [u8; 32] {
        // The oldest key serves, so that adding one does not end every list half way.
        let key = self.hmac.first().map_or(&self.dummy, |(_, k)| k);
        let mut context = hmac::Context::with_key(key);
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

    fn hmac_key(&self, version: u32) -> Option<&hmac::Key> {
        self.hmac
            .iter()
            .rev()
            .find(|(v, _)| *v == version)
            .map(|(_, key)| key)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} versions)", self.hmac.len())
    }
}

// === impl Tag ===

impl Tag {
    /// What the index keeps of it.
    #[must_use]
    pub fn short(&self) -> [u8; SHORT_TAG_BYTES] {
        let mut short = [0; SHORT_TAG_BYTES];
        short.copy_from_slice(&self.bytes[..SHORT_TAG_BYTES]);
        short
    }
}

/// A tag is no secret that lets one in, but nobody needs to see it either.
impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag(key {})", self.key_version)
    }
}

impl fmt::Display for NotARootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a root key is 64 hexadecimal digits: 32 random bytes, as made by `openssl rand -hex 32`")
    }
}

fn compute(key: &hmac::Key, secret: &Secret) -> [u8; 32] {
    let mut message = Zeroizing::new([0; 48]);
    let TokenId(id) = secret.id;
    message[..16].copy_from_slice(&id);
    message[16..].copy_from_slice(secret.bytes.as_ref());
    to_bytes(&hmac::sign(key, message.as_ref()))
}

fn to_bytes(tag: &hmac::Tag) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests;
