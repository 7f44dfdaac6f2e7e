//! Permissions: what a user type grants, what a token is narrowed to and what a call demands, in one grammar.
//!
//! A permission is `resource:action`. In what is granted, a whole part may be `*`; nothing else is a wildcard. What is
//! demanded is concrete. Permissions on the resources `tokens` and `directory` are reserved: they govern this authority, and
//! no wildcard matches them.

mod reserved;

use std::fmt;

pub use self::reserved::{Reserved, ReservedSet};

/// Longest permission, bytes.
pub const MAX_PERMISSION_BYTES: usize = 64;
/// Most permissions in a user type, a grant or a demand.
pub const MAX_PERMISSIONS: usize = 64;

/// A permission that a call demands: concrete.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Permission(Text);

/// Ordinary permissions that are granted: each part a word or `*`, the resource never a reserved one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Text);

/// The parts of a pattern, or of what two of them have in common: borrowed, since most crossings of patterns come to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Parts<'a> {
    resource: &'a str,
    action: &'a str,
}

/// What is granted: a user type's permissions, or a token's list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PermissionSet {
    /// The reserved permissions, as listed.
    pub reserved: ReservedSet,
    /// The ordinary ones, sorted, each once.
    patterns: Box<[Pattern]>,
}

/// `resource:action`, with the place of the colon.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Text {
    text: Box<str>,
    colon: u8,
}

/// The resources that this authority keeps for itself.
const RESERVED_RESOURCES: [&str; 2] = ["tokens", "directory"];

// === impl Permission ===

impl Permission {
    /// The only door.
    pub fn parse(text: &str) -> Result<Permission, &'static str> {
        let text = Text::parse(text, false).ok_or(
            "must be a permission such as \"orders:read\", at most 64 bytes, without wildcards",
        )?;
        Ok(Permission(text))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether it governs this authority itself.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        RESERVED_RESOURCES.contains(&self.0.resource())
    }

    /// The part behind the colon.
    #[must_use]
    pub fn action(&self) -> &str {
        self.0.action()
    }
}

impl From<Reserved> for Permission {
    fn from(reserved: Reserved) -> Self {
        let text = reserved.as_str();
        // No reserved name is longer than 64 bytes, and each holds a colon.
        let colon = text
            .find(':')
            .and_then(|i| u8::try_from(i).ok())
            .unwrap_or(0);
        Permission(Text {
            text: text.into(),
            colon,
        })
    }
}

// === impl Pattern ===

impl Pattern {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Its parts.
    #[must_use]
    pub fn parts(&self) -> Parts<'_> {
        Parts {
            resource: self.0.resource(),
            action: self.0.action(),
        }
    }

    /// Whether it grants the permission. The demand must not be on a reserved resource.
    #[must_use]
    pub fn permits(&self, demand: &Permission) -> bool {
        self.parts().permits(demand)
    }
}

// === impl Parts ===

impl<'a> Parts<'a> {
    /// Whether they grant the permission. The demand must not be on a reserved resource.
    #[must_use]
    pub fn permits(self, demand: &Permission) -> bool {
        part_permits(self.resource, demand.0.resource())
            && part_permits(self.action, demand.0.action())
    }

    /// What both grant, part by part.
    #[must_use]
    pub fn intersect(self, other: Parts<'a>) -> Option<Parts<'a>> {
        let resource = intersect_part(self.resource, other.resource)?;
        self.with_action(other.action)
            .map(|both| Parts { resource, ..both })
    }

    /// What they grant of this one action.
    #[must_use]
    pub fn with_action(self, action: &'a str) -> Option<Parts<'a>> {
        let action = intersect_part(self.action, action)?;
        Some(Parts { action, ..self })
    }
}

impl From<Parts<'_>> for Pattern {
    fn from(parts: Parts<'_>) -> Self {
        Pattern(Text::join(parts.resource, parts.action))
    }
}

impl fmt::Display for Parts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource, self.action)
    }
}

// === impl PermissionSet ===

impl PermissionSet {
    /// Parses one entry of a list of what is granted, into the set.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<PermissionSet, (usize, &'static str)> {
        let mut set = PermissionSet::default();
        let mut patterns = Vec::with_capacity(texts.len());
        for (i, text) in texts.iter().enumerate() {
            match parse_granted(text.as_ref()).map_err(|why| (i, why))? {
                Granted::Reserved(reserved) => {
                    set.reserved = set.reserved.union(ReservedSet::of(&[reserved]));
                }
                Granted::Ordinary(pattern) => patterns.push(pattern),
            }
        }
        patterns.sort_unstable();
        patterns.dedup();
        set.patterns = patterns.into();
        Ok(set)
    }

    /// The ordinary patterns.
    #[must_use]
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// Whether it grants anything at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reserved.is_empty() && self.patterns.is_empty()
    }

    /// Whether it grants the permission.
    #[must_use]
    pub fn permits(&self, demand: &Permission) -> bool {
        if demand.is_reserved() {
            return Reserved::parse(demand.as_str())
                .is_some_and(|r| self.reserved.held().contains(r));
        }
        self.patterns.iter().any(|p| p.permits(demand))
    }

    /// Its texts, reserved ones first.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let reserved = self.reserved.iter().map(|r| -> &str { r.as_str() });
        reserved.chain(self.patterns.iter().map(Pattern::as_str))
    }
}

impl From<ReservedSet> for PermissionSet {
    fn from(reserved: ReservedSet) -> Self {
        PermissionSet {
            reserved,
            patterns: Box::default(),
        }
    }
}

impl FromIterator<Pattern> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Pattern>>(patterns: I) -> Self {
        let mut patterns: Vec<Pattern> = patterns.into_iter().collect();
        patterns.sort_unstable();
        patterns.dedup();
        PermissionSet {
            reserved: ReservedSet::default(),
            patterns: patterns.into(),
        }
    }
}

// === impl Text ===

impl Text {
    fn parse(text: &str, wildcards: bool) -> Option<Text> {
        let (resource, action) = text.split_once(':')?;
        let sound = |part: &str| is_word(part) || (wildcards && part == "*");
        (text.len() <= MAX_PERMISSION_BYTES && sound(resource) && sound(action))
            .then(|| Text::join(resource, action))
    }

    fn join(resource: &str, action: &str) -> Text {
        let colon = u8::try_from(resource.len()).unwrap_or(u8::MAX);
        Text {
            text: format!("{resource}:{action}").into(),
            colon,
        }
    }

    fn resource(&self) -> &str {
        &self.text[..usize::from(self.colon)]
    }

    fn action(&self) -> &str {
        &self.text[usize::from(self.colon) + 1..]
    }
}

enum Granted {
    Reserved(Reserved),
    Ordinary(Pattern),
}

fn parse_granted(text: &str) -> Result<Granted, &'static str> {
    let parsed = Text::parse(text, true)
        .ok_or("must be a permission such as \"orders:read\", \"orders:*\" or \"*:read\", at most 64 bytes")?;
    if RESERVED_RESOURCES.contains(&parsed.resource()) {
        return Reserved::parse(text).map(Granted::Reserved).ok_or(
            "must be one of the reserved permissions tokens:self, tokens:self-rotate, tokens:admin, tokens:verify, \
             tokens:act-as, directory:read and directory:admin: each is listed by name",
        );
    }
    Ok(Granted::Ordinary(Pattern(parsed)))
}

/// `[a-z0-9][a-z0-9._-]*`
fn is_word(part: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    part.bytes().next().is_some_and(letter)
        && part
            .bytes()
            .all(|b| letter(b) || matches!(b, b'.' | b'_' | b'-'))
}

fn part_permits(granted: &str, demanded: &str) -> bool {
    granted == "*" || granted == demanded
}

fn intersect_part<'a>(a: &'a str, b: &'a str) -> Option<&'a str> {
    match (a, b) {
        ("*", other) | (other, "*") => Some(other),
        (a, b) => (a == b).then_some(a),
    }
}

#[cfg(test)]
mod tests;
