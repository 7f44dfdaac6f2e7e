//! Passwords: what people choose, so that it is hashed slowly. Tokens are random, and need none of this.

use std::cell::RefCell;
use std::fmt;

use argon2::password_hash::phc::{Ident, Output, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, PasswordHash, Version};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::directory::Uid;
use super::error::{Error, Reason};
use super::moment::Moment;
use super::secret;
use crate::store::Revision;

/// Fewest characters of a new password (NIST SP 800-63B, section 5.1.1.2, as is that there are no rules of composition).
pub const MIN_CHARACTERS: usize = 8;
/// Longest password, bytes: a long sentence in any script.
pub const MAX_BYTES: usize = 256;

/// A password as it was typed. It can't be printed, and is wiped when dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

/// A user's password as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPassword {
    /// The uid of its user's library.
    pub library_uid: Uid,
    /// The uid of its user.
    pub user_uid: Uid,
    /// Argon2id over what [`super::keys::HmacKeys::pepper`] makes of it.
    pub hash: SlowHash,
    /// The version of the key that this was made with.
    pub key_version: u32,
    /// When it was set.
    pub set_time: Moment,
    /// The revision at which it was set; `None` for that of its last change. Hashing it anew is no setting.
    pub set_revision: Option<Revision>,
}

/// A hash that takes tens of milliseconds and 19 MiB to make, or to compare with.
#[derive(Clone, PartialEq, Eq)]
pub struct SlowHash(Box<PasswordHash>);

/// Memory of one hash, KiB. With the two that follow: the least that OWASP recommends.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over it.
const PASSES: u32 = 2;
/// Lanes that could be computed side by side.
const LANES: u32 = 1;
/// Most of each that a stored hash may demand.
const MOST: [u32; 3] = [64 * 1024, 4, 4];
/// Longest hash of another system, bytes: the longest salt and hash that the form allows take 154.
const MAX_PHC_BYTES: usize = 256;
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

// === impl Password ===

impl Password {
    /// A new password.
    pub fn chosen(text: String) -> Result<Password, &'static str> {
        let password = Password::presented(text)?;
        if password.0.chars().count() < MIN_CHARACTERS {
            return Err("must be at least 8 characters long; any characters will do");
        }
        Ok(password)
    }

    /// What somebody takes for a password; it may be too short to be one.
    pub fn presented(text: String) -> Result<Password, &'static str> {
        let text = Zeroizing::new(text);
        if text.is_empty() {
            return Err("must be given");
        }
        if text.len() > MAX_BYTES {
            return Err("must be at most 256 bytes long");
        }
        Ok(Password(text))
    }

    /// Its text, to be hashed.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(...)")
    }
}

// === impl SlowHash ===

impl SlowHash {
    /// Hashes, with a salt of its own.
    pub fn make(secret: &[u8]) -> Result<SlowHash, Error> {
        let salt = secret::random::<SALT_BYTES>()?;
        let mut hash = Zeroizing::new([0; HASH_BYTES]);
        let made = params().and_then(|params| {
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            compute(&argon2, secret, &salt, hash.as_mut())
        });
        made.and_then(|()| SlowHash::of_parts(&salt, hash.as_ref()))
            .ok_or_else(not_hashed)
    }

    /// One that nothing matches, and that takes as long to find out.
    pub fn of_nobody() -> Result<SlowHash, Error> {
        let salt = secret::random::<SALT_BYTES>()?;
        let hash = secret::random::<HASH_BYTES>()?;
        SlowHash::of_parts(&salt, &hash).ok_or_else(not_hashed)
    }

    fn of_parts(salt: &[u8], hash: &[u8]) -> Option<SlowHash> {
        Some(SlowHash::of(PasswordHash {
            algorithm: Ident::new(ARGON2ID_IDENT.as_str()).ok()?,
            version: Some(Version::V0x13.into()),
            params: (&params()?).try_into().ok()?,
            salt: Some(Salt::new(salt).ok()?),
            hash: Some(Output::new(hash).ok()?),
        }))
    }

    /// Whether it was made of this; compares in constant time.
    #[must_use]
    pub fn matches(&self, secret: &[u8]) -> bool {
        self.compare(secret).unwrap_or(false)
    }

    /// `None` for what can't be computed, as no hash that was parsed is.
    fn compare(&self, secret: &[u8]) -> Option<bool> {
        let hash = self.0.as_ref();
        let (salt, expected) = (hash.salt?, hash.hash?);
        let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
        let version = match hash.version {
            None => Version::default(),
            Some(version) => Version::try_from(version).ok()?,
        };
        let params = Params::try_from(hash).ok()?;
        let argon2 = Argon2::new(algorithm, version, params);
        let mut found = Zeroizing::new(vec![0; expected.as_ref().len()]);
        compute(&argon2, secret, salt.as_ref(), &mut found)?;
        Some(found.ct_eq(expected.as_ref()).into())
    }

    /// The inverse of its text; `None` for anything else, and for what would cost more than it may.
    #[must_use]
    pub fn parse(text: &str) -> Option<SlowHash> {
        let hash = PasswordHash::new(text).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let cost = [params.m_cost(), params.t_cost(), params.p_cost()];
        let affordable = cost.iter().zip(MOST).all(|(cost, most)| *cost <= most);
        let whole = hash.algorithm == ARGON2ID_IDENT && hash.salt.is_some() && hash.hash.is_some();
        (affordable && whole).then(|| SlowHash::of(hash))
    }

    /// One that another system made, of any kind of Argon2: every parameter given, and none beyond what may be demanded.
    ///
    /// # Errors
    /// What it must be.
    pub fn foreign(text: &str) -> Result<SlowHash, &'static str> {
        const FORM: &str = "must be an Argon2 hash as a PHC string, such as $argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>";
        const COST: &str = "must demand at most 64 MiB, 4 passes and 4 lanes: it is computed for whoever presents a string";
        if text.len() > MAX_PHC_BYTES {
            return Err(FORM);
        }
        let hash = PasswordHash::new(text).map_err(|_| FORM)?;
        let known = Algorithm::try_from(hash.algorithm.as_str()).is_ok()
            && hash.version.is_some_and(|v| Version::try_from(v).is_ok());
        let named: Vec<String> = hash
            .params
            .iter()
            .map(|(name, _)| name.to_string())
            .collect();
        if !known || named != ["m", "t", "p"] || hash.salt.is_none() || hash.hash.is_none() {
            return Err(FORM);
        }
        let params = Params::try_from(&hash).map_err(|_| FORM)?;
        let cost = [params.m_cost(), params.t_cost(), params.p_cost()];
        if cost.iter().zip(MOST).any(|(cost, most)| *cost > most) {
            return Err(COST);
        }
        Ok(SlowHash::of(hash))
    }

    fn of(hash: PasswordHash) -> SlowHash {
        SlowHash(Box::new(hash))
    }
}

/// A PHC string, to be stored.
impl fmt::Display for SlowHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whoever sees a hash can guess at it: it is in no log.
impl fmt::Debug for SlowHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SlowHash(...)")
    }
}

thread_local! {
    /// What this thread hashes in, kept from one hash to the next: taken from the heap and given back each time, pieces of this
    /// size are not found again, and a flood of guesses would hold ten times as much.
    static MEMORY: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

/// Hashes in the memory of this thread. `None` for what Argon2 does not take.
fn compute(argon2: &Argon2<'_>, secret: &[u8], salt: &[u8], hash: &mut [u8]) -> Option<()> {
    let needed = argon2.params().block_count();
    MEMORY.with_borrow_mut(|memory| {
        if memory.len() < needed {
            memory.resize(needed, Block::default());
        }
        let memory = memory.get_mut(..needed)?;
        argon2
            .hash_password_into_with_memory(secret, salt, hash, memory)
            .ok()
    })
}

fn params() -> Option<Params> {
    Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES)).ok()
}

fn not_hashed() -> Error {
    Error::new(
        Reason::Internal,
        "the password could not be hashed; try again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_enough_and_of_any_characters() {
        for good in [
            "12345678",
            "ÄÖÜßäöü ",
            "пароль из слов",
            "a\u{0}b\u{7}cdef",
            &"x".repeat(256),
        ] {
            assert!(Password::chosen(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "1234567", "ÄÖÜßäöü", &"x".repeat(257)] {
            assert!(Password::chosen(bad.to_owned()).is_err(), "{bad}");
        }
        assert!(Password::presented("1234567".to_owned()).is_ok());
        assert!(Password::presented(String::new()).is_err());
        assert!(Password::presented("x".repeat(257)).is_err());
    }

    #[test]
    fn nothing_that_holds_a_password_can_be_printed() {
        let password = Password::chosen("correct horse".to_owned()).unwrap();
        assert_eq!(format!("{password:?}"), "Password(...)");
        let hash = SlowHash::make(b"correct horse").unwrap();
        assert_eq!(format!("{hash:?}"), "SlowHash(...)");
    }

    #[test]
    fn a_hash_matches_what_it_was_made_of_alone_also_when_it_was_stored() {
        let hash = SlowHash::make(b"correct horse").unwrap();
        let stored = hash.to_string();
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        let read = SlowHash::parse(&stored).unwrap();
        assert_eq!(read, hash);
        assert!(read.matches(b"correct horse") && !read.matches(b"correct horsf"));
        let again = SlowHash::make(b"correct horse").unwrap();
        assert_ne!(again, hash, "each has a salt of its own");
    }

    #[test]
    fn the_hash_of_nobody_demands_the_same_work_and_matches_nothing() {
        let nobody = SlowHash::of_nobody().unwrap().to_string();
        let anybody = SlowHash::make(b"x").unwrap().to_string();
        let shape = |text: &str| {
            let parts: Vec<String> = text.split('$').map(str::to_owned).collect();
            (parts[..4].to_vec(), parts[4].len(), parts[5].len())
        };
        assert_eq!(shape(&nobody), shape(&anybody));
        assert!(!SlowHash::of_nobody().unwrap().matches(b"x"));
    }

    #[test]
    fn a_hash_of_another_system_is_of_any_kind_and_costs_no_more_than_may_be_demanded() {
        let good =
            "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$B3ADfdgPqWsPmHHxwGHPjzGMcE1pRMPc8WNdCLdNRGk";
        for kind in ["argon2id", "argon2i", "argon2d"] {
            assert!(SlowHash::foreign(&good.replace("argon2id", kind)).is_ok());
        }
        assert!(SlowHash::foreign(&good.replace("v=19", "v=16")).is_ok());
        assert!(SlowHash::foreign(&good.replace("m=64,t=1,p=1", "m=65536,t=4,p=4")).is_ok());
        for bad in [
            String::new(),
            "x".repeat(MAX_PHC_BYTES + 1),
            good.replace("argon2id", "scrypt"),
            good.replace("v=19", "v=18"),
            good.replace("$v=19", ""),
            good.replace("m=64", "m=65537"),
            good.replace("m=64", "m=4294967295"),
            good.replace("m=64", "m=1"),
            good.replace("t=1", "t=5"),
            good.replace("t=1", "t=0"),
            good.replace("p=1", "p=5"),
            good.replace("m=64,t=1,p=1", "m=64,t=1"),
            good.replace("p=1", "p=1,keyid=c29t"),
            good.replace("p=1", "p=1,data=c29t"),
            good.replace("c29tZXNhbHQ", "c29t"),
            good.replace("c29tZXNhbHQ", &"A".repeat(100)),
            good.replace("B3ADfdgPqWsPmHHxwGHPjzGMcE1pRMPc8WNdCLdNRGk", "AAAA"),
            good.replace(
                "B3ADfdgPqWsPmHHxwGHPjzGMcE1pRMPc8WNdCLdNRGk",
                &"A".repeat(100),
            ),
            good.rsplit_once('$').unwrap().0.to_owned(),
        ] {
            assert!(SlowHash::foreign(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_stored_hash_that_is_none_or_costs_too_much_is_not_read() {
        let good = SlowHash::make(b"x").unwrap().to_string();
        for bad in [
            String::new(),
            good.replace("argon2id", "argon2i"),
            good.replace("m=19456", "m=65537"),
            good.replace("t=2", "t=5"),
            good.replace("p=1", "p=5"),
            good.rsplit_once('$').unwrap().0.to_owned(),
        ] {
            assert_eq!(SlowHash::parse(&bad), None, "{bad}");
        }
    }
}
