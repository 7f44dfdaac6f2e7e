//! The permissions that govern this authority itself, and what each includes.

use std::fmt;

/// A permission that governs this authority itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reserved {
    /// Manage one's own tokens; includes rotating the one that is presented.
    TokensSelf,
    /// Rotate the token that is presented.
    TokensSelfRotate,
    /// Every token of the library; includes the two before and `tokens:verify`.
    TokensAdmin,
    /// Call `TokenVerify`.
    TokensVerify,
    /// Work on a user's behalf.
    TokensActAs,
    /// Read the directory.
    DirectoryRead,
    /// Write the directory; includes reading it.
    DirectoryAdmin,
}

/// Some of the reserved permissions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ReservedSet(u8);

// === impl Reserved ===

impl Reserved {
    /// All of them.
    pub const ALL: [Reserved; 7] = [
        Reserved::TokensSelf,
        Reserved::TokensSelfRotate,
        Reserved::TokensAdmin,
        Reserved::TokensVerify,
        Reserved::TokensActAs,
        Reserved::DirectoryRead,
        Reserved::DirectoryAdmin,
    ];

    /// Its text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reserved::TokensSelf => "tokens:self",
            Reserved::TokensSelfRotate => "tokens:self-rotate",
            Reserved::TokensAdmin => "tokens:admin",
            Reserved::TokensVerify => "tokens:verify",
            Reserved::TokensActAs => "tokens:act-as",
            Reserved::DirectoryRead => "directory:read",
            Reserved::DirectoryAdmin => "directory:admin",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Reserved> {
        Reserved::ALL.into_iter().find(|r| r.as_str() == text)
    }

    /// Whether it is about the holder's own tokens.
    #[must_use]
    pub fn is_self_service(self) -> bool {
        matches!(self, Reserved::TokensSelf | Reserved::TokensSelfRotate)
    }

    /// Those that include it, itself among them.
    pub fn included_in(self) -> impl Iterator<Item = Reserved> {
        Reserved::ALL
            .into_iter()
            .filter(move |r| r.includes().contains(self))
    }

    /// What holding it includes, itself among it.
    fn includes(self) -> ReservedSet {
        match self {
            Reserved::TokensAdmin => ReservedSet::of(&[
                Reserved::TokensAdmin,
                Reserved::TokensSelf,
                Reserved::TokensSelfRotate,
                Reserved::TokensVerify,
            ]),
            Reserved::TokensSelf => {
                ReservedSet::of(&[Reserved::TokensSelf, Reserved::TokensSelfRotate])
            }
            Reserved::DirectoryAdmin => {
                ReservedSet::of(&[Reserved::DirectoryAdmin, Reserved::DirectoryRead])
            }
            single => ReservedSet::of(&[single]),
        }
    }
}

// === impl ReservedSet ===

impl ReservedSet {
    /// Of these.
    #[must_use]
    pub fn of(members: &[Reserved]) -> ReservedSet {
        ReservedSet(members.iter().fold(0, |bits, r| bits | 1 << *r as u8))
    }

    /// Whether this is a member.
    #[must_use]
    pub fn contains(self, member: Reserved) -> bool {
        self.0 & (1 << member as u8) != 0
    }

    /// Its members.
    pub fn iter(self) -> impl Iterator<Item = Reserved> {
        Reserved::ALL.into_iter().filter(move |r| self.contains(*r))
    }

    /// All that its members include.
    #[must_use]
    pub fn held(self) -> ReservedSet {
        self.iter()
            .fold(ReservedSet(0), |held, r| held.union(r.includes()))
    }

    /// Members of either.
    #[must_use]
    pub fn union(self, other: ReservedSet) -> ReservedSet {
        ReservedSet(self.0 | other.0)
    }

    /// Members of both.
    #[must_use]
    pub fn intersect(self, other: ReservedSet) -> ReservedSet {
        ReservedSet(self.0 & other.0)
    }

    /// Members of this one that the other lacks.
    #[must_use]
    pub fn without(self, other: ReservedSet) -> ReservedSet {
        ReservedSet(self.0 & !other.0)
    }

    /// Whether it has no member.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for ReservedSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.iter().map(Reserved::as_str))
            .finish()
    }
}
