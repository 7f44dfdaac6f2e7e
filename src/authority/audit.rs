//! Audit events: what was changed, by whom. Each is committed together with the change itself.

use super::moment::Moment;
use crate::store::Key;

/// How the authority itself is named, where it makes or changes something of its own accord.
pub const AUTHORITY: &str = "token-authority";

/// One administrative change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditEvent {
    /// Where it is kept.
    pub key: Key,
    /// When.
    pub time: Moment,
    /// What was done, such as `token.create`.
    pub action: String,
    /// Who did it, as `library/user`.
    pub actor: String,
    /// The user that the actor acted for, as `library/user`; empty if for itself.
    pub acting_for: String,
    /// The token that the actor presented; empty for the authority itself.
    pub actor_token_id: String,
    /// The library that it was done in.
    pub library: String,
    /// The token that it was done to; empty if it was not a token.
    pub token_id: String,
    /// The user that it was done to, or whose token it was done to.
    pub user: String,
    /// The user type that it was done to.
    pub user_type: String,
    /// The fields that were changed.
    pub fields: Vec<String>,
    /// The reason or comment that was given.
    pub comment: String,
    /// The id of the call.
    pub call_id: String,
}

/// The names of the fields that a change altered.
pub(super) fn changed(fields: &[(&str, bool)]) -> Vec<String> {
    let altered = fields.iter().filter(|(_, altered)| *altered);
    altered.map(|(name, _)| (*name).to_owned()).collect()
}
