//! Names and texts that people choose.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use super::secret::Secret;

/// Longest name, bytes.
pub const MAX_NAME_BYTES: usize = 63;
/// Longest display name, bytes.
pub const MAX_DISPLAY_NAME_BYTES: usize = 128;
/// Longest description, reason or comment, bytes.
pub const MAX_DESCRIPTION_BYTES: usize = 1024;
/// Longest instructions of a library, bytes: they are kept apart from its record.
pub const MAX_USAGE_BYTES: usize = 2 * 1024;
/// Longest email address, bytes (RFC 5321, section 4.5.3.1.3, less its angle brackets).
pub const MAX_EMAIL_BYTES: usize = 254;

/// A name of a library, user, user type, department or API: `[a-z0-9][a-z0-9._@-]{0,62}`. Lower-case, so that no two differ
/// by case alone. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAName;

// === impl Name ===

impl Name {
    /// The only door.
    pub fn parse(text: &str) -> Result<Name, NotAName> {
        let bytes = text.as_bytes();
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let sound = (1..=MAX_NAME_BYTES).contains(&bytes.len())
            && letter(bytes[0])
            && bytes
                .iter()
                .all(|&b| letter(b) || matches!(b, b'.' | b'_' | b'@' | b'-'));
        if sound {
            Ok(Name(text.into()))
        } else {
            Err(NotAName)
        }
    }

    /// A name, or nothing where the text is empty.
    pub fn parse_optional(text: &str) -> Result<Option<Name>, NotAName> {
        if text.is_empty() {
            Ok(None)
        } else {
            Name::parse(text).map(Some)
        }
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

// === impl NotAName ===

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be 1 to 63 characters of a-z, 0-9, '.', '_', '@' and '-', the first a letter or a digit")
    }
}

/// A text for people: at most `limit` bytes, without control characters. A text that holds a token is refused: it would be
/// stored, shown in lists and kept in the audit log, and "found this one in a chat" is written with the token pasted behind it.
pub fn text(text: &str, limit: usize) -> Result<String, String> {
    if text.len() > limit {
        return Err(format!("must be at most {limit} bytes long"));
    }
    if text.chars().any(char::is_control) {
        return Err("must not hold control characters".to_owned());
    }
    if Secret::occurs_in(text) {
        return Err(
            "must not hold a token; name it by its id, the part between the underscores".to_owned(),
        );
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_and_bounded() {
        for good in [
            "a",
            "0",
            "acme",
            "jane.doe@example.com",
            "a_b-c",
            &"x".repeat(63),
        ] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "A",
            "aB",
            ".a",
            "-a",
            "@a",
            "_a",
            "a b",
            "a/b",
            "é",
            "a\0",
            &"x".repeat(64),
        ] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn texts_are_bounded_and_without_control_characters() {
        assert!(text("Ünïcode is fine", 128).is_ok());
        assert!(text("line\nbreak", 128).is_err());
        assert!(text("\u{85}", 128).is_err());
        assert!(text(&"x".repeat(129), 128).is_err());
    }

    #[test]
    fn a_text_holds_no_token() {
        let token = Secret::mint().unwrap().to_secret_string();
        let told = |around: &str| text(&around.replace("{}", token.expose()), 256);
        for around in ["{}", "seen: {}.", "tka_{}", "{}{}", "é{}é"] {
            let why = told(around).unwrap_err();
            assert!(!why.contains(token.expose()), "{around}");
        }
        assert!(text(&token.expose()[..75], 128).is_ok());
        assert!(text(&token.expose()[4..26], 128).is_ok());
    }
}
