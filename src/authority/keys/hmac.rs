//! The HMAC keys: what they make of a secret is kept in its place. The newest makes new tags; the others go on proving old ones
//! until they are retired.

use std::fmt;
use std::sync::Arc;

use ring::hmac::{self, HMAC_SHA256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::imported::ImportKeys;
use super::{KEY_BYTES, to_bytes};
use crate::authority::directory::Uid;
use crate::authority::keyspace;
use crate::authority::password::Password;
use crate::authority::secret::{Secret, TokenId};
use crate::store::{Precondition, Revision};

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

/// The HMAC keys that are not retired, as of one revision. A copy costs a pointer for each.
#[derive(Clone)]
pub struct HmacKeys {
    /// Oldest first.
    keys: Vec<Arc<HmacKey>>,
    /// Stands in for the key of a token that does not exist, so that a look-up in vain costs the same. It is no secret: whatever
    /// it proves is not believed.
    dummy: hmac::Key,
}

struct HmacKey {
    version: u32,
    /// The revision of its record.
    revision: Revision,
    key: hmac::Key,
    /// What imported tokens need of it.
    imports: ImportKeys,
}

/// What the key for passwords is derived by. It is shorter than what tags are made of.
const PASSWORDS: &[u8] = b"passwords 1";

// === impl HmacKeys ===

impl HmacKeys {
    /// None yet.
    #[must_use]
    pub fn none() -> HmacKeys {
        HmacKeys {
            keys: Vec::new(),
            dummy: hmac::Key::new(HMAC_SHA256, &[0; KEY_BYTES]),
        }
    }

    /// Adds the key of a version, whose record is at this revision, or replaces it.
    pub fn put(&mut self, version: u32, revision: Revision, bytes: &[u8; KEY_BYTES]) {
        self.remove(version);
        let key = hmac::Key::new(HMAC_SHA256, bytes);
        let added = HmacKey {
            version,
            revision,
            imports: ImportKeys::derive(&key),
            key,
        };
        let place = self.keys.partition_point(|k| k.version < version);
        self.keys.insert(place, Arc::new(added));
    }

    /// Forgets the key of a version: what it made proves nothing from then on.
    pub fn remove(&mut self, version: u32) {
        self.keys.retain(|k| k.version != version);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The version of the key that new passwords and tags are made with.
    #[must_use]
    pub fn newest(&self) -> u32 {
        self.keys.last().map_or(0, |k| k.version)
    }

    /// What must still hold when something that was made with the newest key is committed. A rotation writes the record of the
    /// key that it replaces: after it, nothing more comes to hang on that.
    #[must_use]
    pub fn unrotated(&self) -> Precondition {
        let newest = self.keys.last();
        let (version, revision) = newest.map_or((0, Revision(0)), |k| (k.version, k.revision));
        Precondition::At(keyspace::hmac_key(version), revision)
    }

    /// The tag of a new secret.
    #[must_use]
    pub fn tag(&self, secret: &Secret) -> Tag {
        let newest = self.keys.last();
        let (key_version, key) = newest.map_or((0, &self.dummy), |k| (k.version, &k.key));
        Tag {
            bytes: compute(key, secret),
            key_version,
        }
    }

    /// Whether the secret proves the short tag; takes as long for `None`, and compares in constant time.
    #[must_use]
    pub fn proves(&self, secret: &Secret, expected: Option<([u8; SHORT_TAG_BYTES], u32)>) -> bool {
        let found = expected.and_then(|(tag, version)| Some((tag, &self.of(version)?.key)));
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
        let derived = hmac::sign(&self.of(version)?.key, PASSWORDS);
        let mut context = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, derived.as_ref()));
        context.update(&user.0);
        context.update(password.expose().as_bytes());
        Some(Zeroizing::new(to_bytes(&context.sign())))
    }

    /// What imported tokens need of the newest key, and its version.
    pub(super) fn newest_imports(&self) -> Option<(u32, &ImportKeys)> {
        self.keys.last().map(|k| (k.version, &k.imports))
    }

    /// What imported tokens need of the key of a version.
    pub(super) fn imports(&self, version: u32) -> Option<&ImportKeys> {
        self.of(version).map(|k| &k.imports)
    }

    pub(super) fn dummy(&self) -> &hmac::Key {
        &self.dummy
    }

    fn of(&self, version: u32) -> Option<&HmacKey> {
        let mut newest_first = self.keys.iter().rev();
        newest_first.find(|k| k.version == version).map(Arc::as_ref)
    }
}

impl fmt::Debug for HmacKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HmacKeys({} versions)", self.keys.len())
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

fn compute(key: &hmac::Key, secret: &Secret) -> [u8; 32] {
    let mut message = Zeroizing::new([0; 48]);
    let TokenId(id) = secret.id;
    message[..16].copy_from_slice(&id);
    message[16..].copy_from_slice(secret.bytes.as_ref());
    to_bytes(&hmac::sign(key, message.as_ref()))
}
