//! The secret string: `tka_<id>_<secret><crc>`, 76 characters of `[0-9A-Za-z_]`.
//!
//! The id is 128 random bits in 22 base62 digits and public; the secret is 256 random bits in 43; the checksum is the CRC-32
//! of all before it in 6, so that a scanner or a typing error is told apart from a token without a look-up. There is one
//! canonical form: what parses prints as it was.

use std::fmt;

use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::{Zeroize, Zeroizing};

/// Length of the secret string, bytes.
pub const SECRET_STRING_BYTES: usize = 76;

/// What a secret string begins with.
pub(super) const PREFIX_TEXT: &str = "tka_";
const PREFIX: &[u8] = PREFIX_TEXT.as_bytes();
const ID_DIGITS: usize = 22;
const SECRET_DIGITS: usize = 43;
const SECRET_AT: usize = PREFIX.len() + ID_DIGITS + 1;
const CRC_AT: usize = SECRET_AT + SECRET_DIGITS;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The public id of a token. It may be logged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub [u8; 16]);

/// A secret in binary: what the holder must know.
pub struct Secret {
    /// The id that it belongs to.
    pub id: TokenId,
    /// 256 bits, wiped when dropped.
    pub bytes: Zeroizing<[u8; 32]>,
}

/// A secret string. It can't be printed; [`SecretString::expose`] is the one way to its text.
pub struct SecretString(Zeroizing<String>);

/// Not the form of a token of this authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRandomness;

// === impl TokenId ===

impl TokenId {
    /// Parses 22 base62 digits.
    pub fn parse(text: &str) -> Result<TokenId, Malformed> {
        let digits: &[u8; ID_DIGITS] = text.as_bytes().try_into().map_err(|_| Malformed)?;
        let mut bytes = [0; 16];
        decode(digits, &mut bytes)?;
        Ok(TokenId(bytes))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; ID_DIGITS];
        encode(&self.0, &mut digits);
        digits
            .iter()
            .try_for_each(|d| fmt::Write::write_char(f, char::from(*d)))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === impl Secret ===

impl Secret {
    /// A new one, from the operating system's randomness.
    pub fn mint() -> Result<Secret, NoRandomness> {
        Ok(Secret {
            id: TokenId(random()?),
            bytes: Zeroizing::new(random()?),
        })
    }

    /// Parses a secret string, and nothing but one.
    pub fn parse(text: &str) -> Result<Secret, Malformed> {
        let bytes: &[u8; SECRET_STRING_BYTES] =
            text.as_bytes().try_into().map_err(|_| Malformed)?;
        if !bytes.starts_with(PREFIX) || bytes[SECRET_AT - 1] != b'_' {
            return Err(Malformed);
        }
        let mut crc = [0; 4];
        decode(&bytes[CRC_AT..], &mut crc)?;
        if u32::from_be_bytes(crc) != crc32fast::hash(&bytes[..CRC_AT]) {
            return Err(Malformed);
        }
        let mut secret = Secret {
            id: TokenId([0; 16]),
            bytes: Zeroizing::new([0; 32]),
        };
        decode(&bytes[PREFIX.len()..SECRET_AT - 1], &mut secret.id.0)?;
        decode(&bytes[SECRET_AT..CRC_AT], secret.bytes.as_mut())?;
        Ok(secret)
    }

    /// Whether a secret string stands anywhere in a text.
    #[must_use]
    pub fn occurs_in(text: &str) -> bool {
        text.match_indices(PREFIX_TEXT).any(|(at, _)| {
            text.get(at..at + SECRET_STRING_BYTES)
                .is_some_and(|candidate| Secret::parse(candidate).is_ok())
        })
    }

    /// Its one canonical form.
    #[must_use]
    pub fn to_secret_string(&self) -> SecretString {
        let mut bytes = Zeroizing::new([b'_'; SECRET_STRING_BYTES]);
        bytes[..PREFIX.len()].copy_from_slice(PREFIX);
        encode(&self.id.0, &mut bytes[PREFIX.len()..SECRET_AT - 1]);
        encode(self.bytes.as_ref(), &mut bytes[SECRET_AT..CRC_AT]);
        let crc = crc32fast::hash(&bytes[..CRC_AT]).to_be_bytes();
        encode(&crc, &mut bytes[CRC_AT..]);
        SecretString(Zeroizing::new(
            bytes.iter().copied().map(char::from).collect(),
        ))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({}, ...)", self.id)
    }
}

// === impl SecretString ===

impl SecretString {
    /// Of bytes that were one before; `None` for anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<SecretString> {
        let text = std::str::from_utf8(bytes).ok()?;
        Secret::parse(text)
            .ok()
            .map(|secret| secret.to_secret_string())
    }

    /// The text, for the one answer or file that it is made for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretString(...)")
    }
}

// === impl Malformed, NoRandomness ===

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be a token id: 22 characters of 0-9, A-Z and a-z")
    }
}

impl fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operating system gives no random bytes")
    }
}

impl std::error::Error for NoRandomness {}

/// Random bytes from the operating system.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// Digits worked on at once: 62^10 < 2^60, so that a digit group and a 32-bit limb fit a u128 product, and a u64 group.
const GROUP: usize = 10;

/// Writes a big-endian number in base 62, filling `digits` from the right; they must have room for it.
fn encode(number: &[u8], digits: &mut [u8]) {
    let mut limbs = to_limbs(number);
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0u64;
        for limb in limbs.iter_mut().rev() {
            let value = (remainder << 32) | u64::from(*limb);
            *limb = u32::try_from(value / 62).unwrap_or(u32::MAX);
            remainder = value % 62;
        }
        *digit = DIGITS[usize::try_from(remainder).unwrap_or(0)];
    }
    limbs.zeroize();
}

/// Reads base-62 digits into a big-endian number; fails on other characters and on a number that is too large for it.
fn decode(digits: &[u8], number: &mut [u8]) -> Result<(), Malformed> {
    let used = number.len() / 4;
    let mut limbs = Zeroizing::new([0u32; 8]);
    for group in digits.chunks(GROUP) {
        let (mut value, mut scale) = (0u64, 1u64);
        for digit in group {
            value = value * 62 + u64::from(digit_value(*digit).ok_or(Malformed)?);
            scale *= 62;
        }
        let mut carry = u128::from(value);
        for limb in &mut limbs[..used] {
            let sum = u128::from(*limb) * u128::from(scale) + carry;
            *limb = u32::try_from(sum & u128::from(u32::MAX)).unwrap_or(u32::MAX);
            carry = sum >> 32;
        }
        if carry != 0 {
            return Err(Malformed);
        }
    }
    for (bytes, limb) in number.chunks_exact_mut(4).rev().zip(limbs.iter()) {
        bytes.copy_from_slice(&limb.to_be_bytes());
    }
    Ok(())
}

/// Little-endian 32-bit limbs of a big-endian number of at most 32 bytes.
fn to_limbs(number: &[u8]) -> [u32; 8] {
    let mut limbs = [0; 8];
    for (limb, bytes) in limbs.iter_mut().zip(number.rchunks(4)) {
        *limb = bytes
            .iter()
            .fold(0, |value, byte| (value << 8) | u32::from(*byte));
    }
    limbs
}

fn digit_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'Z' => Some(digit - b'A' + 10),
        b'a'..=b'z' => Some(digit - b'a' + 36),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_crc(body: &str) -> String {
        let mut crc = [0; 6];
        encode(&crc32fast::hash(body.as_bytes()).to_be_bytes(), &mut crc);
        format!("{body}{}", std::str::from_utf8(&crc).unwrap())
    }

    proptest! {
        #[test]
        fn what_prints_parses_to_the_same(id in any::<[u8; 16]>(), bytes in any::<[u8; 32]>()) {
            let text = Secret { id: TokenId(id), bytes: Zeroizing::new(bytes) }.to_secret_string();
            prop_assert_eq!(text.expose().len(), SECRET_STRING_BYTES);
            let parsed = Secret::parse(text.expose()).unwrap();
            prop_assert_eq!(parsed.id.0, id);
            prop_assert_eq!(*parsed.bytes, bytes);
            prop_assert_eq!(TokenId::parse(&parsed.id.to_string()), Ok(parsed.id));
        }

        #[test]
        fn what_parses_prints_as_it_was(text in "tka_[0-9A-Za-z]{22}_[0-9A-Za-z]{43}") {
            let text = with_crc(&text);
            if let Ok(secret) = Secret::parse(&text) {
                let printed = secret.to_secret_string();
                prop_assert_eq!(printed.expose(), text.as_str());
            }
        }

        #[test]
        fn nothing_else_parses(text in "\\PC{0,100}") {
            prop_assert!(Secret::parse(&text).is_err());
        }
    }

    #[test]
    fn every_changed_or_missing_character_is_noticed() {
        let secret = Secret::mint().unwrap().to_secret_string();
        let text = secret.expose();
        for i in 0..text.len() {
            assert!(Secret::parse(&text[..i]).is_err());
            for other in ['0', 'z', '_', '*'] {
                let mut changed: Vec<char> = text.chars().collect();
                if changed[i] != other {
                    changed[i] = other;
                    assert!(
                        Secret::parse(&changed.iter().collect::<String>()).is_err(),
                        "{i} {other}"
                    );
                }
            }
        }
        assert!(Secret::parse(&format!("{text} ")).is_err());
        assert!(Secret::parse(&text.to_uppercase()).is_err());
        assert!(Secret::parse(&text.to_lowercase()).is_err());
    }

    #[test]
    fn numbers_too_large_for_their_place_are_refused() {
        let z = |n: usize| "z".repeat(n);
        assert!(Secret::parse(&with_crc(&format!("tka_{}_{}", z(22), "0".repeat(43)))).is_err());
        assert!(Secret::parse(&with_crc(&format!("tka_{}_{}", "0".repeat(22), z(43)))).is_err());
        assert!(
            Secret::parse(&with_crc(&format!(
                "tka_{}_{}",
                "0".repeat(22),
                "0".repeat(43)
            )))
            .is_ok()
        );
        assert!(TokenId::parse(&z(22)).is_err());
    }

    #[test]
    fn a_known_string_stays_as_it_is() {
        let secret = Secret {
            id: TokenId([0x11; 16]),
            bytes: Zeroizing::new([0x22; 32]),
        };
        let text = secret.to_secret_string();
        assert_eq!(text.expose(), KNOWN);
        assert!(Secret::parse(KNOWN).is_ok());
    }

    /// Computed by another program, from the format's description.
    const KNOWN: &str =
        "tka_0WCfTognxqNqfz8qrH12uH_85paEWcHsaLCYRbPIpw4jhcJNV56UuFl5TIPa3K9PAw3amTmB";

    #[test]
    fn secrets_are_not_printed() {
        let secret = Secret::mint().unwrap();
        let text = secret.to_secret_string();
        let tail = &text.expose()[SECRET_AT..];
        assert!(!format!("{secret:?} {text:?}").contains(tail));
    }
}
