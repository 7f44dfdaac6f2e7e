//! The strings of tokens that another system issued, and how they are cut into what finds them and what proves them.

use std::fmt;

use zeroize::Zeroizing;

use super::super::keys::Digest;
use super::super::secret::{PREFIX_TEXT, Secret};

/// Fewest characters of such a string.
const MIN_STRING: usize = 8;
/// Most characters of such a string: what fits into a header beside others.
const MAX_STRING: usize = 1024;
/// Fewest and most characters of the part that finds a string.
const LOCATOR: std::ops::RangeInclusive<usize> = 4..=64;
/// Fewest characters of what is left to prove it.
const MIN_REST: usize = 8;
/// Codes of prefixes begin here: those of separators are ASCII.
const PREFIX_CODE: u8 = 128;

/// A string as it is presented. It can't be printed, and is wiped when dropped.
#[derive(Clone)]
pub struct ForeignString(Zeroizing<String>);

/// How strings are cut. The part before is public and finds the token; the rest proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cut {
    /// Before the first of this punctuation mark.
    Separator(u8),
    /// After so many characters.
    Prefix(u8),
}

// === impl ForeignString ===

impl ForeignString {
    /// Whether a text may be a token of another system at all.
    ///
    /// # Errors
    /// What it must be.
    pub fn parse(text: String) -> Result<ForeignString, &'static str> {
        let text = Zeroizing::new(text);
        if !ForeignString::has_form(&text) {
            return Err("must be 8 to 1024 printable ASCII characters without spaces");
        }
        if text.starts_with(PREFIX_TEXT) || Secret::occurs_in(&text) {
            return Err("must not be a token of this authority's own form");
        }
        Ok(ForeignString(text))
    }

    /// Whether a text that is presented may be an imported token: if not, it is looked for nowhere.
    #[must_use]
    pub fn has_form(text: &str) -> bool {
        (MIN_STRING..=MAX_STRING).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && !text.starts_with(PREFIX_TEXT)
    }

    /// Its text, to be hashed.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The digest of the whole of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl fmt::Debug for ForeignString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForeignString(...)")
    }
}

// === impl Cut ===

impl Cut {
    /// At a separator, which is one character.
    ///
    /// # Errors
    /// What it must be.
    pub fn separator(text: &str) -> Result<Cut, &'static str> {
        match text.as_bytes() {
            [mark] if mark.is_ascii_punctuation() => Ok(Cut::Separator(*mark)),
            _ => Err("must be one punctuation mark, such as \".\""),
        }
    }

    /// After a prefix of this length.
    ///
    /// # Errors
    /// What it must be.
    pub fn prefix(length: u32) -> Result<Cut, &'static str> {
        let length = u8::try_from(length).ok();
        length
            .filter(|length| LOCATOR.contains(&usize::from(*length)))
            .map(Cut::Prefix)
            .ok_or("must be 4 to 64")
    }

    /// The part of a string that finds it; `None` if it can't be cut so.
    #[must_use]
    pub fn locator(self, text: &str) -> Option<&str> {
        self.split(text).map(|(locator, _)| locator)
    }

    /// The part of a string that finds it and the one that proves it; `None` if it can't be cut so.
    #[must_use]
    pub fn split(self, text: &str) -> Option<(&str, &str)> {
        let (locator, rest) = match self {
            Cut::Separator(mark) => text.split_once(char::from(mark))?,
            Cut::Prefix(length) => text.split_at_checked(length.into())?,
        };
        (LOCATOR.contains(&locator.len()) && rest.len() >= MIN_REST).then_some((locator, rest))
    }

    /// Whether a text may be what this cuts off.
    #[must_use]
    pub fn may_yield(self, locator: &str) -> bool {
        let sound = LOCATOR.contains(&locator.len())
            && locator.bytes().all(|byte| byte.is_ascii_graphic())
            && !locator.starts_with(PREFIX_TEXT);
        sound
            && match self {
                Cut::Separator(mark) => !locator.contains(char::from(mark)),
                Cut::Prefix(length) => locator.len() == usize::from(length),
            }
    }

    /// As it is kept; never 0.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Cut::Separator(mark) => mark,
            Cut::Prefix(length) => PREFIX_CODE + length,
        }
    }

    /// The inverse of [`Cut::code`]; `None` for anything else.
    #[must_use]
    pub fn of_code(code: u8) -> Option<Cut> {
        match code.checked_sub(PREFIX_CODE) {
            Some(length) => Cut::prefix(length.into()).ok(),
            None => code.is_ascii_punctuation().then_some(Cut::Separator(code)),
        }
    }
}

/// As people declare it.
impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cut::Separator(mark) => write!(f, "separator {}", char::from(*mark)),
            Cut::Prefix(length) => write!(f, "prefix length {length}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_printable_not_short_not_long_and_none_of_our_own() {
        for good in ["12345678", "a.b-c_d~e!f", &"x".repeat(1024)] {
            assert!(ForeignString::parse(good.to_owned()).is_ok(), "{good}");
        }
        let own = Secret::mint().unwrap().to_secret_string();
        for bad in [
            "",
            "1234567",
            "with a space",
            "with\ttab",
            "with\u{0}null",
            "schlüssel",
            &"x".repeat(1025),
            "tka_12345678",
            own.expose(),
            &format!("x.{}", own.expose()),
        ] {
            assert!(ForeignString::parse(bad.to_owned()).is_err(), "{bad}");
        }
        let string = ForeignString::parse("a secret".replace(' ', "-")).unwrap();
        assert_eq!(format!("{string:?}"), "ForeignString(...)");
    }

    #[test]
    fn a_cut_yields_a_locator_that_is_long_enough_and_leaves_enough() {
        let dot = Cut::separator(".").unwrap();
        let six = Cut::prefix(6).unwrap();
        assert_eq!(dot.locator("user1.abcdefgh"), Some("user1"));
        assert_eq!(
            dot.locator("user1.abcd.efgh"),
            Some("user1"),
            "the first one cuts"
        );
        assert_eq!(six.locator("abcdefghijklmn"), Some("abcdef"));
        for (cut, text) in [
            (dot, "nothing-to-cut-at"),
            (dot, "abc.abcdefgh"),
            (dot, "user1.abcdefg"),
            (dot, &format!("{}.abcdefgh", "x".repeat(65))),
            (six, "abcdefghijklm"),
            (six, "abc"),
        ] {
            assert_eq!(cut.locator(text), None, "{text}");
        }
        assert!(dot.may_yield("user1") && six.may_yield("abcdef"));
        for (cut, text) in [
            (dot, "us.er"),
            (dot, "abc"),
            (dot, "a bcd"),
            (six, "abcde"),
            (six, "tka_ab"),
        ] {
            assert!(!cut.may_yield(text), "{text}");
        }
    }

    #[test]
    fn every_cut_has_a_code_of_its_own() {
        let marks = (0..=127_u8).map(|byte| char::from(byte).to_string());
        let cuts: Vec<Cut> = marks
            .filter_map(|mark| Cut::separator(&mark).ok())
            .chain((0..300).filter_map(|length| Cut::prefix(length).ok()))
            .collect();
        assert_eq!(cuts.len(), 32 + 61);
        for cut in &cuts {
            assert_eq!(Cut::of_code(cut.code()), Some(*cut));
        }
        let known = (0..=255).filter(|code| Cut::of_code(*code).is_some());
        assert_eq!(known.count(), cuts.len());
        for bad in ["", "a", "1", " ", "..", "é"] {
            assert!(Cut::separator(bad).is_err());
        }
    }
}
