//! Audit events: what was changed, by whom. Each is committed together with the change itself.

use std::sync::atomic::Ordering;

use super::Authority;
use super::moment::{Moment, Now};
use crate::store::Key;

/// How the authority itself is named, where it makes or changes something of its own accord.
pub const AUTHORITY: &str = "token-authority";
/// How much older than others an event, or a token's expiry, may be that is committed after them, milliseconds.
///
/// A call takes its time when it begins, and queues its commit before its deadline is over, which is at most two minutes; the
/// store commits in the order of its queue; meanwhile trusted time advances by as much, and by at most one minute more if the
/// wall clock is set forward. A start goes on from a mark that lies at most a second, and the commits under way, behind. So
/// whoever looks back this far behind what it knows to be old has missed nothing.
pub(super) const SLACK_MS: i64 = 5 * 60 * 1000;

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

impl Authority {
    /// The time that an event is logged under, or a use noted. A clock that is not trusted is not followed, so that nothing lies
    /// in a future that never comes, before which others would be looked for in vain.
    pub(super) fn logged(&self, now: Now) -> Moment {
        now.mark
            .unwrap_or_else(|| Moment(self.mark.load(Ordering::Relaxed)))
    }
}

/// The names of the fields that a change altered.
pub(super) fn changed(fields: &[(&str, bool)]) -> Vec<String> {
    let altered = fields.iter().filter(|(_, altered)| *altered);
    altered.map(|(name, _)| (*name).to_owned()).collect()
}
