//! Watermarks: one record that revokes all the tokens of a library or of a user that were made before it, however many.

use async_trait::async_trait;

use super::Authority;
use super::caller::Authorised;
use super::directory::Uid;
use super::error::{Error, Reason};
use super::keyspace::{self, Versioned};
use super::moment::Moment;
use super::name::Name;
use super::token::RevocationReason;
use super::transaction::{Command, Plan};
use crate::store::Revision;

/// Revokes all the tokens of a library or a user that were made up to a point. It only ever moves forward.
///
/// One that names no time revokes what was created at an earlier revision than its own, so that no clock matters: whatever
/// was created before the call is revoked, and whatever is created after its answer is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    /// The library's or the user's uid.
    pub owner: Uid,
    /// Sessions alone, or all tokens.
    pub sessions_only: bool,
    /// Those created before this time; `None` for those created before the watermark's own revision.
    pub created_before: Option<Moment>,
    /// When it was set.
    pub time: Moment,
    /// The kind of reason.
    pub reason: RevocationReason,
    /// By whom, as `library/user`.
    pub revoked_by: String,
    /// The comment that was given.
    pub comment: String,
}

impl Watermark {
    /// What stands in for a record that can't be understood: nothing of its owner is good any more.
    pub(super) fn unreadable(key: &[u8]) -> Option<Versioned<Watermark>> {
        let (owner, sessions_only, _) = keyspace::watermark_parts(key)?;
        let value = Watermark {
            owner,
            sessions_only,
            created_before: Some(Moment::MAX),
            time: Moment(0),
            reason: RevocationReason::Unspecified,
            revoked_by: String::new(),
            comment: "the record of this revocation can't be read".to_owned(),
        };
        let revision = Revision(u64::MAX);
        Some(Versioned { value, revision })
    }
}

/// Revokes every token of a library or a user that there is, or that was made before a time.
#[derive(Debug, Clone)]
pub struct RevokeAll {
    /// The library; one that the caller reaches.
    pub library: Name,
    /// This user's alone; `None` for the whole library.
    pub user: Option<Name>,
    /// Sessions alone.
    pub sessions_only: bool,
    /// Those made before this time, which has passed; `None` for all up to now.
    pub created_before: Option<Moment>,
    /// The kind of reason.
    pub reason: RevocationReason,
    /// A comment.
    pub comment: String,
}

#[async_trait]
impl Command for RevokeAll {
    const ACTION: &'static str = "token.revoke-all";
    type Answer = Watermark;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<Watermark>, Error> {
        self.check_reach(by)?;
        if self.created_before.is_some_and(|time| time > now) {
            return Err(Error::invalid(
                "created_before",
                "must not be in the future; leave it away for all up to now",
            ));
        }
        let library = authority.library(&self.library)?;
        let mut plan = Plan::new(&self.library, library.value.uid);
        // The owner is written as it is, so that a caller whose token this ends commits nothing more on what it read of it.
        let owner = match &self.user {
            None => {
                plan.touch(&library);
                library.value.uid
            }
            Some(name) => {
                let user = authority.user(&library.value.uid, name).await?;
                plan.read(&library);
                plan.touch(&user);
                plan.event.user = name.to_string();
                user.value.uid
            }
        };
        let watermark = Watermark {
            owner,
            sessions_only: self.sessions_only,
            created_before: self.created_before,
            time: now,
            reason: self.reason,
            revoked_by: by.on_behalf_of(),
            comment: self.comment.clone(),
        };
        let key = keyspace::watermark(&watermark);
        let found = authority.fetch::<Watermark>(key).await?;
        plan.event.comment.clone_from(&self.comment);
        plan.event.fields = self
            .sessions_only
            .then(|| "sessions".to_owned())
            .into_iter()
            .collect();
        match found {
            Some(found)
                if found.value.created_before >= watermark.created_before
                    && self.created_before.is_some() =>
            {
                // It is further on already.
                plan.changes.clear();
                plan.unchanged_at = found.revision;
                plan.answer = Some(found.value);
            }
            // Also where nothing in it is new: its own revision is what counts.
            Some(found) => {
                plan.put_at(watermark.clone(), found.revision)?;
                plan.answer = Some(watermark);
            }
            None => plan.create(watermark)?,
        }
        Ok(plan)
    }
}

impl RevokeAll {
    /// Who doesn't administer ends tokens of its own alone.
    fn check_reach(&self, by: &Authorised) -> Result<(), Error> {
        by.demand_own(&self.library, self.user.as_ref())?;
        if self.user.is_some() || by.administers() {
            return Ok(());
        }
        Err(Error::new(
            Reason::PermissionDenied,
            "only an administrator revokes the tokens of others; name your own user",
        ))
    }
}
