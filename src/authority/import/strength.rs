//! How hard a string is to guess, estimated from the string alone: what somebody typed is told from what a machine drew.
//!
//! It can only be an estimate, so it errs towards weak: a weak string is kept by a slow hash and reported, which costs little,
//! while one that is taken for strong by mistake could be guessed at. Where a system knows how it drew its tokens, digests can
//! be imported instead, with the entropy declared.

use std::collections::HashSet;

use super::super::token::ImportStrength;

/// Entropy from which on a secret needs no password hash, bits (NIST SP 800-63B, section 5.1.2.2, look-up secrets).
const STRONG_BITS: u32 = 112;
/// Random bits of a UUID of version 4 (RFC 9562, section 5.4).
const UUID_V4_BITS: f64 = 122.0;
/// What a letter of a text in words counts, bits: English has less than two per letter (Shannon 1951).
const WORD_BITS: f64 = 2.0;
/// A text has fewer changes between digits and letters, and to capitals within words, than this share of its characters. Drawn
/// at random, base62 has 37 % on average, hexadecimal digits have 47 %.
const WORDS_CHANGE_LESS: f64 = 0.15;
/// Characters that, where they stood before in the same order, count no second time.
const REPEATED: usize = 4;
/// Characters that are looked at: what a machine drew is strong long before, and the rest is at worst taken for nothing.
const LOOKED_AT: usize = 256;

/// What this many bits of entropy make.
#[must_use]
pub(super) fn of_bits(bits: u32) -> ImportStrength {
    if bits >= STRONG_BITS {
        ImportStrength::Strong
    } else {
        ImportStrength::Weak
    }
}

/// The estimated strength of a string of printable ASCII characters.
#[must_use]
pub(super) fn of(text: &str) -> ImportStrength {
    let text = text.as_bytes();
    if estimate(text.get(..LOOKED_AT).unwrap_or(text)) >= f64::from(STRONG_BITS) {
        ImportStrength::Strong
    } else {
        ImportStrength::Weak
    }
}

/// Bits: the least of what the alphabet, the frequencies of its characters and the look of words allow.
fn estimate(text: &[u8]) -> f64 {
    if let Some(version) = uuid_version(text) {
        // The others hold a time, a name or a machine.
        return if version == b'4' { UUID_V4_BITS } else { 0.0 };
    }
    let length = as_float(counted(text));
    let by_alphabet = length * alphabet(text).log2();
    let by_frequency = length * entropy(text);
    let by_words = if looks_like_words(text) {
        length * WORD_BITS
    } else {
        f64::INFINITY
    };
    by_alphabet.min(by_frequency).min(by_words)
}

/// The version digit of a UUID in its usual form.
fn uuid_version(text: &[u8]) -> Option<u8> {
    let hyphens = [8, 13, 18, 23];
    let sound = text.len() == 36
        && text.iter().enumerate().all(|(i, byte)| {
            if hyphens.contains(&i) {
                *byte == b'-'
            } else {
                byte.is_ascii_hexdigit()
            }
        });
    text.get(14).copied().filter(|_| sound)
}

/// Characters that count: not those that continue a run such as "aaa", "123" or "cba", nor those of a part that stood before.
fn counted(text: &[u8]) -> usize {
    let step = |i: usize| {
        let (before, this) = (text.get(i.checked_sub(1)?)?, text.get(i)?);
        let step = i16::from(*this) - i16::from(*before);
        (-1..=1).contains(&step).then_some(step)
    };
    let in_run = |i: usize| step(i).is_some() && i > 1 && step(i) == step(i - 1);
    // Each part is looked up once, so that a long text takes no longer for each of its characters than a short one.
    let mut parts = HashSet::new();
    let mut stood_before = |i: usize| {
        let start = (i + 1).checked_sub(REPEATED);
        let part = start.and_then(|start| text.get(start..=i));
        part.is_some_and(|part| !parts.insert(part))
    };
    (0..text.len())
        .filter(|i| !stood_before(*i) && !in_run(*i))
        .count()
}

/// How many characters there are of the kinds that occur.
fn alphabet(text: &[u8]) -> f64 {
    if text.iter().all(u8::is_ascii_digit) {
        return 10.0;
    }
    if text.iter().all(u8::is_ascii_hexdigit) {
        return 16.0;
    }
    let of = |is: fn(&u8) -> bool, size: f64| if text.iter().any(is) { size } else { 0.0 };
    let letters = of(u8::is_ascii_lowercase, 26.0) + of(u8::is_ascii_uppercase, 26.0);
    // Of the 32 marks, formats use one or two.
    let others = of(u8::is_ascii_digit, 10.0) + of(u8::is_ascii_punctuation, 2.0);
    (letters + others).max(1.0)
}

/// Shannon's entropy of the characters as they occur, bits for each; with the correction of Miller (1955) for what a short
/// sample lacks.
fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0_usize; 256];
    for byte in text {
        counts[usize::from(*byte)] += 1;
    }
    let length = as_float(text.len());
    let occurring = counts.iter().filter(|count| **count > 0);
    let kinds = as_float(occurring.clone().count());
    let observed: f64 = occurring
        .map(|count| {
            let share = as_float(*count) / length;
            -share * share.log2()
        })
        .sum();
    observed + (kinds - 1.0) / (2.0 * length * std::f64::consts::LN_2)
}

/// Whether letters follow letters as in words, names and dates, capitals only where a word may begin.
fn looks_like_words(text: &[u8]) -> bool {
    let letters: Vec<u8> = text
        .iter()
        .copied()
        .filter(u8::is_ascii_alphanumeric)
        .collect();
    let changes = (1..letters.len()).filter(|i| {
        let (before, this) = (letters[i - 1], letters[*i]);
        let begins_word = letters.get(i + 1).is_some_and(u8::is_ascii_lowercase);
        before.is_ascii_digit() != this.is_ascii_digit()
            || (before.is_ascii_lowercase() && this.is_ascii_uppercase() && !begins_word)
    });
    as_float(changes.count()) < as_float(letters.len()) * WORDS_CHANGE_LESS
}

/// Exact for every length that a string may have here.
fn as_float(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use ring::digest::{SHA256, digest};

    use super::*;

    /// Characters drawn from an alphabet, the same at each run.
    fn drawn(alphabet: &[u8], length: usize, seed: usize) -> String {
        let byte = |i: usize| digest(&SHA256, format!("{seed}/{i}").as_bytes()).as_ref()[0];
        (0..)
            .map(byte)
            // No character is more likely than another.
            .filter(|byte| usize::from(*byte) < 256 / alphabet.len() * alphabet.len())
            .map(|byte| char::from(alphabet[usize::from(byte) % alphabet.len()]))
            .take(length)
            .collect()
    }

    const HEX: &[u8] = b"0123456789abcdef";
    const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const BASE64URL: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

    #[test]
    fn what_a_machine_drew_is_strong() {
        for text in [
            "f47ac10b-58cc-4372-a567-0e02b2c3d479",
            "9e107d9d372bb6826bd81d3542a419d6",
            "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY8",
        ] {
            assert_eq!(of(text), ImportStrength::Strong, "{text}");
        }
        for (alphabet, length) in [
            (HEX, 40),
            (HEX, 64),
            (BASE62, 32),
            (BASE62, 40),
            (BASE64URL, 43),
        ] {
            let weak =
                (0..300).filter(|seed| of(&drawn(alphabet, length, *seed)) == ImportStrength::Weak);
            assert!(weak.count() <= 3, "{length} of {}", alphabet.len());
        }
        // 128 bits are few more than 112: now and then they look like less.
        let weak = (0..300).filter(|seed| of(&drawn(HEX, 32, *seed)) == ImportStrength::Weak);
        assert!(weak.count() <= 9);
    }

    #[test]
    fn what_somebody_typed_or_what_is_short_is_weak() {
        let long = |part: &str| part.repeat(1 + 200 / part.len());
        for text in [
            "password123password123password123",
            "2026-11-27T07:37:17Z/2026-11-27T07:37:18Z",
            "correct-horse-battery-staple-correct-horse",
            "CorrectHorseBatteryStapleEveryWordIsLonger2026",
            "the-quick-brown-fox-jumps-over-the-lazy-dog",
            "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            "12345678901234567890123456789012345678901234567890",
            "secret",
            "x7Kq9Lm2Pz4Rt6",
            // Of versions 1 and 7: a time, and a little more.
            "2ed6657d-e927-11eb-8bc1-0242ac130003",
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
            &long("a"),
            &long("abc"),
            &long("x7Kq9Lm2"),
            &long("01"),
        ] {
            assert_eq!(
                of(text),
                ImportStrength::Weak,
                "{text}: {}",
                estimate(text.as_bytes())
            );
        }
        for (alphabet, length) in [(HEX, 24), (BASE62, 16), (b"0123456789".as_slice(), 32)] {
            assert!(
                (0..300).all(|seed| of(&drawn(alphabet, length, seed)) == ImportStrength::Weak)
            );
        }
    }

    #[test]
    fn nothing_is_measured_to_more_than_its_alphabet_holds() {
        for seed in 0..100 {
            for length in [1, 2, 8, 32, 200] {
                let text = drawn(HEX, length, seed);
                assert!(estimate(text.as_bytes()) <= as_float(length) * 4.0);
            }
        }
        assert!(estimate(b"").abs() < 1e-9 || estimate(b"").is_nan());
    }

    #[test]
    fn only_what_a_string_begins_with_is_measured() {
        let drawn = drawn(BASE62, 1024, 1);
        assert_eq!(of(&drawn), ImportStrength::Strong);
        let late = format!("{}{}", "a".repeat(LOOKED_AT), &drawn[LOOKED_AT..]);
        assert_eq!(of(&late), ImportStrength::Weak);
    }

    #[test]
    fn the_line_is_at_112_bits() {
        assert_eq!(of_bits(111), ImportStrength::Weak);
        assert_eq!(of_bits(112), ImportStrength::Strong);
    }
}
