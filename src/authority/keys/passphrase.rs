//! A passphrase that the root key is derived from.
//!
//! People choose it, so deriving is made slow, and hungry for memory, for whoever guesses (RFC 9106, section 4, between its two
//! recommendations). It happens once at each start.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use super::KEY_BYTES;
use crate::authority::hex;
use crate::authority::secret::{self, NoRandomness};

/// A passphrase. It can't be printed, and is wiped when dropped.
pub struct Passphrase(Zeroizing<String>);

/// How a root key is derived: the salt, and what it costs. No secret, but without it the passphrase is worth nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derivation {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: Vec<u8>,
}

/// Fewest characters: whoever has the store can try as many as he can pay for.
const MIN_CHARACTERS: usize = 12;
/// What a new derivation costs: 256 MiB, KiB each, ...
const MEMORY_KIB: u32 = 256 * 1024;
/// ... three passes over them, ...
const PASSES: u32 = 3;
/// ... and one lane: more would help whoever guesses on many cores, and not us, who compute on one.
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;
/// Most of each that a file may demand: it is read before anything proves that it was not tampered with.
const MOST: [u32; 3] = [1024 * 1024, 10, 4];
/// Least and most bytes of a salt that is read.
const SALT_RANGE: std::ops::RangeInclusive<usize> = SALT_BYTES..=64;
/// The word that a derivation's text begins with.
const ALGORITHM: &str = "argon2id";

// === impl Passphrase ===

impl Passphrase {
    /// The content of a file: all of it but the line end that editors add.
    ///
    /// # Errors
    /// What it must be.
    pub fn of_file(text: &str) -> Result<Passphrase, &'static str> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.chars().count() < MIN_CHARACTERS {
            return Err("a passphrase has at least 12 characters; six random words are a good one");
        }
        Ok(Passphrase(Zeroizing::new(line.to_owned())))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(...)")
    }
}

// === impl Derivation ===

impl Derivation {
    /// A new one, with a salt of its own.
    pub fn new() -> Result<Derivation, NoRandomness> {
        Ok(Derivation {
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
            salt: secret::random::<SALT_BYTES>()?.to_vec(),
        })
    }

    /// The inverse of its text; `None` for anything else, and for what would cost more than it may.
    #[must_use]
    pub fn parse(text: &str) -> Option<Derivation> {
        let mut words = text.split(' ');
        if words.next()? != ALGORITHM {
            return None;
        }
        let mut field = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=');
        let number = |text: &str| text.parse::<u32>().ok();
        let derivation = Derivation {
            memory_kib: number(field("m")?)?,
            passes: number(field("t")?)?,
            lanes: number(field("p")?)?,
            salt: hex::parse(field("salt")?)?,
        };
        let cost = [derivation.memory_kib, derivation.passes, derivation.lanes];
        let affordable = cost.iter().zip(MOST).all(|(cost, most)| *cost <= most);
        let sound = affordable
            && SALT_RANGE.contains(&derivation.salt.len())
            && derivation.params().is_some()
            && words.next().is_none();
        sound.then_some(derivation)
    }

    /// `None` if there is not the memory for it.
    pub(super) fn derive(&self, passphrase: &Passphrase) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params()?);
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        argon2
            .hash_password_into(passphrase.0.as_bytes(), &self.salt, key.as_mut())
            .ok()?;
        Some(key)
    }

    fn params(&self) -> Option<Params> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(KEY_BYTES)).ok()
    }
}

impl fmt::Display for Derivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{ALGORITHM} m={} t={} p={} salt={}",
            self.memory_kib,
            self.passes,
            self.lanes,
            hex::text(&self.salt)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "argon2id m=64 t=1 p=1 salt=000102030405060708090a0b0c0d0e0f";

    #[test]
    fn a_passphrase_is_a_whole_file_but_for_one_line_end() {
        let read = |text: &str| Passphrase::of_file(text).map(|p| p.0.to_string());
        for same in ["correct horse", "correct horse\n", "correct horse\r\n"] {
            assert_eq!(read(same).as_deref(), Ok("correct horse"));
        }
        assert_eq!(
            read(" correct horse \n\n").as_deref(),
            Ok(" correct horse \n")
        );
        // Characters count, not bytes.
        assert!(read("äöüäöüäöüäö\n").is_err());
        assert!(read("äöüäöüäöüäöü\n").is_ok());
        let shown = format!("{:?}", Passphrase::of_file("correct horse").unwrap());
        assert_eq!(shown, "Passphrase(...)");
    }

    #[test]
    fn a_derivation_gives_the_same_key_again_from_its_text() {
        let derivation = Derivation::parse(SAMPLE).unwrap();
        assert_eq!(derivation.to_string(), SAMPLE);
        let key = |derivation: &Derivation, text: &str| {
            let passphrase = Passphrase::of_file(text).unwrap();
            *derivation.derive(&passphrase).unwrap()
        };
        let made = key(&derivation, "correct horse");
        assert_eq!(made, key(&derivation, "correct horse\n"));
        assert_ne!(made, key(&derivation, "correct horsf"));
        let salted = Derivation::parse(&SAMPLE.replace("0001", "0101")).unwrap();
        assert_ne!(made, key(&salted, "correct horse"));
    }

    #[test]
    fn a_new_derivation_costs_what_it_should_and_has_a_salt_of_its_own() {
        let (one, other) = (Derivation::new().unwrap(), Derivation::new().unwrap());
        assert!(
            one.to_string()
                .starts_with("argon2id m=262144 t=3 p=1 salt=")
        );
        assert_ne!(one.salt, other.salt);
        assert_eq!(Derivation::parse(&one.to_string()), Some(one));
    }

    #[test]
    fn a_derivation_that_was_tampered_with_costs_nothing() {
        for bad in [
            String::new(),
            SAMPLE.replace("argon2id", "argon2i"),
            SAMPLE.replace("m=64", "m=1048577"),
            SAMPLE.replace("m=64", "m=4294967296"),
            SAMPLE.replace("m=64", "m=1"),
            SAMPLE.replace("t=1", "t=11"),
            SAMPLE.replace("t=1", "t=0"),
            SAMPLE.replace("p=1", "p=5"),
            SAMPLE.replace("salt=00", "salt="),
            SAMPLE.replace("salt=00", "salt=0g"),
            format!("{SAMPLE}{}", "00".repeat(64)),
            format!("{SAMPLE} x=1"),
        ] {
            assert_eq!(Derivation::parse(&bad), None, "{bad}");
        }
    }
}
