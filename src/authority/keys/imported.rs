//! What imported tokens are found, proved and kept by. Every key here is derived from an HMAC key for one purpose, so nothing
//! that is made with one stands for anything else, and none of it can be tested without the root key.

use std::fmt;
use std::hash::{Hash, Hasher};

use ring::aead::LessSafeKey;
use ring::digest::{SHA256, digest};
use ring::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::aead::{aead_key, open, seal};
use super::hmac::{HmacKeys, SHORT_TAG_BYTES, Tag};
use super::{KEY_BYTES, Keys, to_bytes};
use crate::authority::directory::Uid;
use crate::authority::secret::{NoRandomness, TokenId};

/// SHA-256 of the whole string of a token that another system issued. It can't be printed: of a weak string it gives enough
/// to guess by.
#[derive(Clone, PartialEq, Eq)]
pub struct Digest(Zeroizing<[u8; 32]>);

/// What an imported token is found by.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// Its whole string.
    Whole(&'a Digest),
    /// The public part of it.
    Locator(&'a str),
}

/// The keys that come from one HMAC key.
pub(super) struct ImportKeys {
    tags: hmac::Key,
    peppers: hmac::Key,
    seals: LessSafeKey,
}

/// What the key of ids comes from in a store that has none of its own yet: from its first HMAC key, as it did before there were
/// rotations.
const IDS: &[u8] = b"imported ids 1";
// What the keys are derived by. Like that of passwords, each is shorter than what tags are made of.
const TAGS: &[u8] = b"imported tags 1";
const PEPPERS: &[u8] = b"imported peppers 1";
const SEALS: &[u8] = b"imported seals 1";

// === impl Digest ===

impl Digest {
    /// Of a string as it is presented.
    #[must_use]
    pub fn of(text: &str) -> Digest {
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Digest(bytes)
    }

    /// As another system kept it: 64 hexadecimal digits, or base64 or base64url with or without padding.
    ///
    /// # Errors
    /// What it must be.
    pub fn parse(text: &str) -> Result<Digest, &'static str> {
        const FORM: &str =
            "must be a SHA-256 digest: 64 hexadecimal digits, or 43 of base64 or base64url";
        let text = text.as_bytes();
        let bytes = match text.len() {
            64 => from_digits(text, 4, |digit| char::from(digit).to_digit(16)),
            44 if text.ends_with(b"=") => from_digits(&text[..43], 6, base64_digit),
            43 => from_digits(text, 6, base64_digit),
            _ => None,
        };
        bytes.map(Digest).ok_or(FORM)
    }
}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_slice().hash(state);
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(...)")
    }
}

// === impl Found ===

impl Found<'_> {
    fn label(&self) -> &'static [u8] {
        match self {
            Found::Whole(_) => b"whole",
            Found::Locator(_) => b"locator",
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Found::Whole(digest) => digest.0.as_ref(),
            Found::Locator(text) => text.as_bytes(),
        }
    }
}

// === impl ImportKeys ===

impl ImportKeys {
    /// The key of ids as it came from an HMAC key.
    pub(super) fn ids_of(first: &[u8; KEY_BYTES]) -> Zeroizing<[u8; KEY_BYTES]> {
        let first = hmac::Key::new(hmac::HMAC_SHA256, first);
        Zeroizing::new(to_bytes(&hmac::sign(&first, IDS)))
    }

    pub(super) fn derive(from: &hmac::Key) -> ImportKeys {
        let key = |label| {
            let derived = Zeroizing::new(to_bytes(&hmac::sign(from, label)));
            hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
        };
        let seals: Zeroizing<[u8; KEY_BYTES]> = Zeroizing::new(to_bytes(&hmac::sign(from, SEALS)));
        ImportKeys {
            tags: key(TAGS),
            peppers: key(PEPPERS),
            seals: aead_key(&seals),
        }
    }
}

// === impl Keys ===

impl Keys {
    /// The key of ids of a store whose imported tokens were found by what came from this, its first HMAC key.
    #[must_use]
    pub fn first_ids(first: &[u8; KEY_BYTES]) -> Zeroizing<[u8; KEY_BYTES]> {
        ImportKeys::ids_of(first)
    }

    /// The id of an imported token of a library: there is no table from strings to ids.
    #[must_use]
    pub fn imported_id(&self, library: Uid, found: Found<'_>) -> TokenId {
        let parts = [found.label(), &[0], &library.0, found.bytes()];
        let mut id = [0; 16];
        id.copy_from_slice(&sign(&self.ids, &parts)[..16]);
        TokenId(id)
    }
}

// === impl HmacKeys ===

impl HmacKeys {
    /// The tag of the string of an imported token.
    #[must_use]
    pub fn imported_tag(&self, library: Uid, digest: &Digest) -> Tag {
        let newest = self.newest_imports();
        let (key_version, key) = newest.map_or((0, self.dummy()), |(v, keys)| (v, &keys.tags));
        Tag {
            bytes: sign(key, &[&library.0, digest.0.as_ref()]),
            key_version,
        }
    }

    /// Whether a string proves the short tag of an imported token; takes as long for `None`, and compares in constant time.
    #[must_use]
    pub fn proves_imported(
        &self,
        library: Uid,
        digest: &Digest,
        expected: Option<([u8; SHORT_TAG_BYTES], u32)>,
    ) -> bool {
        let found = expected.and_then(|(tag, version)| Some((tag, &self.imports(version)?.tags)));
        let (tag, key) = found.unwrap_or(([0; SHORT_TAG_BYTES], self.dummy()));
        let computed = sign(key, &[&library.0, digest.0.as_ref()]);
        bool::from(computed[..SHORT_TAG_BYTES].ct_eq(&tag)) && found.is_some()
    }

    /// What is hashed slowly in place of a weak string. `None` for an unknown version.
    #[must_use]
    pub fn imported_pepper(
        &self,
        version: u32,
        (library, id): (Uid, TokenId),
        digest: &Digest,
    ) -> Option<Zeroizing<[u8; 32]>> {
        let key = &self.imports(version)?.peppers;
        let parts: [&[u8]; 3] = [&library.0, &id.0, digest.0.as_ref()];
        Some(Zeroizing::new(sign(key, &parts)))
    }

    /// Seals another system's hash for a place, under a key of the newest version.
    pub fn seal_imported(&self, place: &[u8], hash: &str) -> Result<Vec<u8>, NoRandomness> {
        let (_, keys) = self.newest_imports().ok_or(NoRandomness)?;
        seal(&keys.seals, place, hash.as_bytes())
    }

    /// Opens what [`HmacKeys::seal_imported`] made for this place.
    #[must_use]
    pub fn open_imported(
        &self,
        version: u32,
        place: &[u8],
        sealed: &[u8],
    ) -> Option<Zeroizing<String>> {
        let opened = open(&self.imports(version)?.seals, place, sealed)?;
        let text = std::str::from_utf8(&opened).ok()?;
        Some(Zeroizing::new(text.to_owned()))
    }
}

fn sign(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    to_bytes(&context.sign())
}

/// 32 bytes, of digits that hold so many bits each. Bits that are left over must be zero: there is one form of each.
fn from_digits(
    digits: &[u8],
    bits: u32,
    value: impl Fn(u8) -> Option<u32>,
) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    let mut places = bytes.iter_mut();
    let (mut held, mut count) = (0, 0);
    for digit in digits {
        held = held << bits | value(*digit)?;
        count += bits;
        if count >= 8 {
            count -= 8;
            *places.next()? = u8::try_from(held >> count).ok()?;
            held &= (1 << count) - 1;
        }
    }
    (places.next().is_none() && held == 0).then_some(bytes)
}

fn base64_digit(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: Uid = Uid([1; 16]);
    const OTHER: Uid = Uid([2; 16]);

    fn keys(versions: &[(u32, u8)]) -> HmacKeys {
        let mut keys = HmacKeys::none();
        for (version, byte) in versions {
            keys.put(*version, crate::store::Revision(1), &[*byte; 32]);
        }
        keys
    }

    #[test]
    fn a_digest_is_the_same_in_each_of_its_forms() {
        // Of "abc", from FIPS 180-4's example.
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let plain = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0";
        let url = plain.replace('+', "-").replace('/', "_");
        for text in [
            hex,
            plain,
            &url,
            &hex.to_uppercase(),
            &format!("{plain}="),
            &format!("{url}="),
        ] {
            assert!(Digest::parse(text) == Ok(Digest::of("abc")), "{text}");
        }
        for bad in [
            "",
            &hex[1..],
            &hex.replace('f', "g"),
            &plain[1..],
            &plain.replace('+', "*"),
            // Bits beyond the 256.
            &format!("{}1", &plain[..42]),
            &format!("{plain}=="),
            &format!("{hex} "),
        ] {
            assert!(Digest::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(format!("{:?}", Digest::of("abc")), "Digest(...)");
    }

    #[test]
    fn ids_differ_by_library_by_what_finds_and_by_key() {
        let digest = Digest::of("a string");
        let mut ids = Vec::new();
        for keys in [Keys::new(&[1; 32], &[7; 32]), Keys::new(&[1; 32], &[8; 32])] {
            for library in [LIBRARY, OTHER] {
                for found in [
                    Found::Whole(&digest),
                    Found::Locator("a string"),
                    Found::Locator("a"),
                ] {
                    ids.push(keys.imported_id(library, found));
                }
            }
        }
        let again = Keys::new(&[2; 32], &[7; 32]);
        assert_eq!(again.imported_id(LIBRARY, Found::Whole(&digest)), ids[0]);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 12);
    }

    #[test]
    fn a_tag_is_proved_by_its_string_in_its_library_under_its_key_alone() {
        let old = keys(&[(1, 7)]);
        let both = keys(&[(1, 7), (2, 8)]);
        let digest = Digest::of("a string");
        for (made, version) in [(&old, 1), (&both, 2)] {
            let tag = made.imported_tag(LIBRARY, &digest);
            assert_eq!(tag.key_version, version);
            let expected = Some((tag.short(), version));
            assert!(both.proves_imported(LIBRARY, &digest, expected));
            assert!(!both.proves_imported(OTHER, &digest, expected));
            assert!(!both.proves_imported(LIBRARY, &Digest::of("another"), expected));
            assert!(!both.proves_imported(LIBRARY, &digest, Some((tag.short(), 3 - version))));
            assert!(!both.proves_imported(LIBRARY, &digest, Some((tag.short(), 9))));
        }
        assert!(!both.proves_imported(LIBRARY, &digest, None));
    }

    #[test]
    fn what_is_sealed_opens_at_its_place_alone() {
        let keys = keys(&[(1, 7)]);
        let sealed = keys.seal_imported(b"here", "a hash").unwrap();
        let opened = |version, place: &[u8]| keys.open_imported(version, place, &sealed);
        assert_eq!(opened(1, b"here").unwrap().as_str(), "a hash");
        assert!(opened(1, b"there").is_none());
        assert!(opened(2, b"here").is_none());
    }
}
