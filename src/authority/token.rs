//! A token, and the grant that narrows it.

use super::cidr::Cidr;
use super::directory::{Assignment, Uid};
use super::import::Cut;
use super::keys::Tag;
use super::moment::Moment;
use super::name::Name;
use super::password::SlowHash;
use super::permission::PermissionSet;
use super::secret::TokenId;
use crate::store::Revision;

/// A token as it is kept. Its secret is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its public id.
    pub id: TokenId,
    /// What it is for.
    pub kind: TokenKind,
    /// The name of its library.
    pub library: Name,
    /// The uid of its library.
    pub library_uid: Uid,
    /// The name of its user.
    pub user: Name,
    /// The uid of its user.
    pub user_uid: Uid,
    /// Who made it, as `library/user`.
    pub issued_by: String,
    /// A short name.
    pub display_name: String,
    /// The reason for its existence.
    pub description: String,
    /// Of a session: the device that was logged in from.
    pub device_name: String,
    /// When it was made.
    pub create_time: Moment,
    /// The first moment at which it is good; `None` for its creation.
    pub not_before: Option<Moment>,
    /// The first moment at which it is no longer good.
    pub expire_time: Moment,
    /// Present while it is suspended.
    pub suspension: Option<Suspension>,
    /// Present once it is revoked.
    pub revocation: Option<Revocation>,
    /// The token that it took the place of.
    pub rotated_from: Option<TokenId>,
    /// Present once another took its place.
    pub succession: Option<Succession>,
    /// What it is narrowed to.
    pub grant: Grant,
    /// What its secret must prove.
    pub tag: Tag,
    /// Its secret, sealed, if its library shows secrets again; else empty.
    pub sealed_secret: Vec<u8>,
    /// Present if another system issued it.
    pub imported: Option<Imported>,
    /// The revision that its etag shows; `None` for that of its last change.
    pub etag: Option<Revision>,
}

/// What is known of a token that another system issued: its id follows from its string, and its tag is over that string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// How hard its string is to guess.
    pub strength: ImportStrength,
    /// How its string is cut into what finds it and what proves it; `None` if the whole finds it.
    pub cut: Option<Cut>,
    /// What its string must match until its first use. The tag stands for nothing then, and nothing matches it.
    pub unproven: Option<Unproven>,
}

/// How hard the string of an imported token is to guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImportStrength {
    /// 112 bits of entropy or more.
    Strong,
    /// Less, or unknown.
    Weak,
}

/// What a string must match, slowly.
#[derive(Clone, PartialEq, Eq)]
pub enum Unproven {
    /// Argon2id over what [`super::keys::Keys::imported_pepper`] makes of it.
    Hashed(SlowHash),
    /// Another system's hash of the string itself, sealed: whoever has it can guess.
    Sealed(Vec<u8>),
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// An integration.
    Api,
    /// A login, as of a mobile app.
    Session,
}

/// What a token is narrowed to. It only ever takes away.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    /// The one assignment that counts; `None` for all that its user has.
    pub pin: Option<Assignment>,
    /// How its permissions are derived from its user's.
    pub access_right: AccessRight,
    /// The permissions listed; with anything but CUSTOM, reserved ones alone.
    pub permissions: PermissionSet,
    /// The APIs it may be used with; empty for any.
    pub apis: Vec<Name>,
    /// Where it may be used from; empty for anywhere.
    pub allowed_cidrs: Vec<Cidr>,
}

/// How a token's permissions are derived from its user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccessRight {
    /// All, except reserved permissions that are not listed.
    Full,
    /// Of that, the actions read, list and get.
    ReadOnly,
    /// Those listed.
    Custom,
}

/// Why, since when and by whom a token is suspended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// When.
    pub time: Moment,
    /// By whom, as `library/user`.
    pub suspended_by: String,
    /// Whether that was an administrator: its own user does not resume it then.
    pub by_administrator: bool,
    /// The reason that was given.
    pub reason: String,
}

/// Which token took this one's place. The two are good together for a while; from then on this one is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    /// The token that took its place.
    pub superseded_by: TokenId,
    /// The first moment at which this one is revoked.
    pub until: Moment,
    /// Who rotated it, as `library/user`.
    pub rotated_by: String,
}

/// Why, since when and by whom a token is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// When.
    pub time: Moment,
    /// The kind of reason.
    pub reason: RevocationReason,
    /// By whom, as `library/user`.
    pub revoked_by: String,
    /// The comment that was given.
    pub comment: String,
}

/// Why a token was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationReason {
    /// No reason was given.
    Unspecified,
    /// Its secret may have been seen.
    Compromised,
    /// Another token took its place.
    Superseded,
    /// What it was made for has ended.
    NoLongerNeeded,
    /// Who used it has left.
    OwnerLeft,
    /// See the comment.
    Other,
}

impl std::fmt::Debug for Unproven {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unproven(...)")
    }
}

// === impl Grant ===

impl Grant {
    /// An access right that is not given follows from the list.
    #[must_use]
    pub fn implied_right(permissions: &PermissionSet) -> AccessRight {
        if permissions.is_empty() {
            AccessRight::Full
        } else {
            AccessRight::Custom
        }
    }

    /// Whether it lists ordinary permissions that its access right gives no meaning to.
    #[must_use]
    pub fn lists_in_vain(&self) -> bool {
        self.access_right != AccessRight::Custom && !self.permissions.patterns().is_empty()
    }
}
