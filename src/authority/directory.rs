//! Libraries, user types and users.

use std::fmt;

use super::cidr::Cidr;
use super::idle::IdleTimeout;
use super::moment::{Lifetime, Moment};
use super::name::Name;
use super::permission::PermissionSet;

/// The reserved library whose users are the operators.
pub const SYSTEM: &str = "system";
/// Most assignments of a user.
pub const MAX_ASSIGNMENTS: usize = 32;
/// Most APIs in a grant or a library's `contact_apis`.
pub const MAX_APIS: usize = 64;
/// Most networks in a grant or a library's policy.
pub const MAX_CIDRS: usize = 64;

/// 16 random bytes that tell a library or a user from another of the same name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub [u8; 16]);

/// The boundary that every token and user belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// Its name.
    pub library: Name,
    /// Tells it from another of the same name.
    pub uid: Uid,
    /// A name for people.
    pub display_name: String,
    /// The customer it belongs to.
    pub tenant_id: String,
    /// Whether all its tokens are refused.
    pub disabled: bool,
    /// Whether tokens may be created and extended.
    pub tokens_enabled: bool,
    /// The lifetime of a token that asks for none.
    pub default_lifetime: Lifetime,
    /// Longer ones are allowed with a warning.
    pub suggested_lifetime: Lifetime,
    /// The longest, counted from now.
    pub max_lifetime: Lifetime,
    /// The APIs that a contact's tokens may be restricted to.
    pub contact_apis: Vec<Name>,
    /// Where its tokens may be used from, as well as the token's own; empty for anywhere.
    pub allowed_cidrs: Vec<Cidr>,
    /// How many live API tokens a user may have at once; 0 for no limit.
    pub max_tokens_per_user: u32,
    /// Whether secrets can be shown again.
    pub secret_display: SecretDisplay,
    /// Whether it has a text that says how to use its tokens; the text is kept apart.
    pub has_usage: bool,
    /// For how long a session may go unused; `None` for any time.
    pub session_idle_timeout: Option<IdleTimeout>,
    /// When it was made.
    pub create_time: Moment,
}

/// Whether the secrets of a library's tokens can be shown again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecretDisplay {
    /// When the token is made, and never again.
    #[default]
    Once,
    /// As often as its user or an administrator asks: they are kept, sealed.
    Revealable,
}

/// A named set of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserType {
    /// The library that it belongs to.
    pub library_uid: Uid,
    /// Its name.
    pub user_type: Name,
    /// What it grants.
    pub permissions: PermissionSet,
    /// When it was made.
    pub create_time: Moment,
}

/// A person or system that tokens stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The library that it belongs to.
    pub library_uid: Uid,
    /// Its name.
    pub user: Name,
    /// Tells it from another of the same name.
    pub uid: Uid,
    /// A name for people.
    pub display_name: String,
    /// An address for people.
    pub email: String,
    /// What kind it is; never changes.
    pub kind: UserKind,
    /// Whether all its tokens are refused.
    pub disabled: bool,
    /// What it may do, and where; sorted, each once.
    pub assignments: Vec<Assignment>,
    /// Of a contact, and of no other: the customer whose data it may see.
    pub data_owner: String,
    /// When it was made.
    pub create_time: Moment,
}

/// What kind of user it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserKind {
    /// A person who can log in.
    Standard,
    /// A system: it can't log in.
    ApiOnly,
    /// A customer's person, who may see that customer's data alone.
    Contact,
}

/// A user type held in a department, or in the whole library.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Assignment {
    /// The department; `None` for the whole library.
    pub department: Option<Name>,
    /// The user type.
    pub user_type: Name,
}

// === impl Uid ===

impl Uid {
    /// 32 hexadecimal digits, as it is shown.
    pub fn parse(text: &str) -> Result<Uid, &'static str> {
        const WHAT: &str = "must be the 32 hexadecimal digits of a uid";
        if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(WHAT);
        }
        u128::from_str_radix(text, 16)
            .map(|number| Uid(number.to_be_bytes()))
            .map_err(|_| WHAT)
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === impl Library ===

impl Library {
    /// Whether a lifetime policy contradicts itself: the default may not pass the maximum.
    #[must_use]
    pub fn default_passes_maximum(&self, now: Moment) -> bool {
        now.checked_add(&self.default_lifetime) > now.checked_add(&self.max_lifetime)
    }
}
