//! Extending, suspending, resuming and revoking a token.

use async_trait::async_trait;

use super::Authority;
use super::audit::{AuditEvent, changed};
use super::caller::Authorised;
use super::directory::Library;
use super::error::{Error, Reason};
use super::judge::UserFacts;
use super::keyspace::{self, Versioned};
use super::moment::{Lifetime, Moment};
use super::policy::{has_room, latest_expiry, leaves_room, longer_than_suggested, tokens_allowed};
use super::secret::TokenId;
use super::token::{Revocation, RevocationReason, Suspension, Token, TokenKind};
use super::transaction::{Command, Plan, check_etag};
use crate::store::Precondition;

/// Moves a token's expiry further away.
#[derive(Debug, Clone)]
pub struct ExtendToken {
    /// The token.
    pub id: TokenId,
    /// How far.
    pub by: Extension,
    /// What the change is based on; empty for anything.
    pub etag: String,
}

/// How far an expiry is moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extension {
    /// By this much, from the expiry, or from now if it has passed.
    By(Lifetime),
    /// To this moment.
    To(Moment),
}

/// Switches a token off.
#[derive(Debug, Clone)]
pub struct SuspendToken {
    /// The token.
    pub id: TokenId,
    /// Why.
    pub reason: String,
    /// What the change is based on; empty for anything.
    pub etag: String,
}

/// Switches a token on again.
#[derive(Debug, Clone)]
pub struct ResumeToken {
    /// The token.
    pub id: TokenId,
    /// What the change is based on; empty for anything.
    pub etag: String,
}

/// Ends a token for good.
#[derive(Debug, Clone)]
pub struct RevokeToken {
    /// The token.
    pub id: TokenId,
    /// The kind of reason.
    pub reason: RevocationReason,
    /// A comment.
    pub comment: String,
}

impl Authority {
    /// A token that the caller may see: any other is the same as an unknown one.
    pub(super) async fn visible_token(
        &self,
        by: &Authorised,
        id: TokenId,
    ) -> Result<Versioned<Token>, Error> {
        self.ensure_loaded(id).await?;
        let found = self.fetch::<Token>(keyspace::token(id)).await?;
        found
            .filter(|token| by.may_see(&token.value))
            .ok_or_else(|| Error::not_found("token"))
    }

    /// Asks about a token's library and user as they are now, and adds them to what was read.
    pub(super) fn with_owner<T>(
        &self,
        token: &Token,
        plan: &mut Plan<Token>,
        ask: impl FnOnce(&Library, &UserFacts, &super::index::LibrarySlot) -> T,
    ) -> Result<T, Error> {
        let gone = || {
            Error::new(
                Reason::OwnerDisabled,
                "the token's user or library was deleted; make a new token",
            )
        };
        let state = self.index.read()?;
        let slot = state
            .directory()
            .library_named(token.library.as_str())
            .filter(|l| l.uid == token.library_uid);
        let (slot, library) = slot
            .and_then(|l| Some((l, l.facts.as_ref()?)))
            .ok_or_else(gone)?;
        let user = slot
            .user_named(token.user.as_str())
            .map(|user| state.directory().user(user));
        let user = user
            .filter(|u| u.uid == token.user_uid)
            .and_then(|u| u.facts.as_ref())
            .ok_or_else(gone)?;
        plan.read(library);
        plan.preconditions.push(Precondition::At(
            keyspace::user(slot.uid, &token.user),
            user.revision,
        ));
        Ok(ask(&library.value, user, slot))
    }
}

#[async_trait]
impl Command for ExtendToken {
    const ACTION: &'static str = "token.extend";
    type Answer = Token;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<Token>, Error> {
        let (before, mut plan) = begin(authority, by, self.id, &self.etag, now).await?;
        let mut token = before.value.clone();
        refuse_reviving(by, &token, now)?;
        refuse_prolonging(&token)?;
        let wanted = match &self.by {
            Extension::To(end) => *end,
            Extension::By(lifetime) => token
                .expire_time
                .max(now)
                .checked_add(lifetime)
                .unwrap_or(Moment::MAX),
        };
        let (limit, warning) = authority.with_owner(&token, &mut plan, |library, _, _| {
            tokens_allowed(library)?;
            let limit = latest_expiry(library, now);
            Ok::<_, Error>((
                limit,
                longer_than_suggested(library, now, wanted.min(limit)),
            ))
        })??;
        if wanted <= token.expire_time || wanted <= now {
            return Err(Error::invalid(
                "expire_time",
                format!(
                    "must be after {}; to end it earlier, update it",
                    token.expire_time.max(now)
                ),
            ));
        }
        if limit <= token.expire_time {
            return Err(at_maximum(&token));
        }
        plan.clamped = wanted > limit;
        plan.warnings.extend(warning);
        token.expire_time = wanted.min(limit);
        if before.value.expire_time <= now {
            authority.take_seat(&mut plan, &token, now).await?;
        }
        plan.event.fields = changed_fields(&before.value, &token);
        plan.replace(&before, token)?;
        Ok(plan)
    }
}

#[async_trait]
impl Command for SuspendToken {
    const ACTION: &'static str = "token.suspend";
    type Answer = Token;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<Token>, Error> {
        let (before, mut plan) = begin(authority, by, self.id, &self.etag, now).await?;
        let mut token = before.value.clone();
        let suspended = token.suspension.as_ref();
        // What its user suspended, an administrator may suspend once more, and then its user doesn't resume it.
        if suspended.is_none_or(|s| by.administers() && !s.by_administrator) {
            token.suspension = Some(Suspension {
                time: now,
                suspended_by: by.on_behalf_of(),
                by_administrator: by.administers(),
                reason: self.reason.clone(),
            });
            if leaves_room(&token).is_err()
                && let Some(suspension) = &mut token.suspension
            {
                suspension.reason.clear();
            }
        }
        plan.event.comment.clone_from(&self.reason);
        plan.replace(&before, token)?;
        Ok(plan)
    }
}

#[async_trait]
impl Command for ResumeToken {
    const ACTION: &'static str = "token.resume";
    type Answer = Token;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<Token>, Error> {
        let (before, mut plan) = begin(authority, by, self.id, &self.etag, now).await?;
        let mut token = before.value.clone();
        let by_administrator = token
            .suspension
            .as_ref()
            .is_some_and(|s| s.by_administrator);
        if by_administrator && !by.administers() {
            return Err(Error::new(
                Reason::PermissionDenied,
                "an administrator suspended the token; ask one to resume it",
            ));
        }
        token.suspension = None;
        plan.replace(&before, token)?;
        Ok(plan)
    }
}

#[async_trait]
impl Command for RevokeToken {
    const ACTION: &'static str = "token.revoke";
    type Answer = Token;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<Token>, Error> {
        let before = authority.visible_token(by, self.id).await?;
        let mut plan = plan_for(&before);
        let mut token = before.value.clone();
        if !authority.is_revoked(&token, now)? {
            token.revocation = Some(Revocation {
                time: now,
                reason: self.reason,
                revoked_by: by.on_behalf_of(),
                comment: self.comment.clone(),
            });
            if !has_room(&token, 0)
                && let Some(revocation) = &mut token.revocation
            {
                revocation.comment.clear();
            }
        }
        plan.event.comment.clone_from(&self.comment);
        plan.replace(&before, token)?;
        Ok(plan)
    }
}

/// What is revoked stays so.
pub(super) fn refuse_revoked(
    authority: &Authority,
    token: &Token,
    now: Moment,
) -> Result<(), Error> {
    if authority.is_revoked(token, now)? {
        return Err(Error::new(
            Reason::TokenState,
            "the token is revoked, for good; make a new one",
        ));
    }
    Ok(())
}

/// Administrators alone bring back what has expired.
pub(super) fn refuse_reviving(by: &Authorised, token: &Token, now: Moment) -> Result<(), Error> {
    if token.expire_time <= now && !by.administers() {
        return Err(Error::new(
            Reason::TokenState,
            "the token has expired; an administrator can extend it, or make a new one",
        ));
    }
    Ok(())
}

/// What another token took the place of is not prolonged, nor is a session: its user logs in again.
pub(super) fn refuse_prolonging(token: &Token) -> Result<(), Error> {
    if token.kind == TokenKind::Session {
        return Err(Error::new(
            Reason::TokenState,
            "a session is neither extended nor rotated; its user logs in again",
        ));
    }
    match &token.succession {
        None => Ok(()),
        Some(succession) => Err(Error::new(
            Reason::TokenState,
            format!(
                "the token was rotated: {} took its place, use that one",
                succession.superseded_by
            ),
        )
        .with("superseded_by", succession.superseded_by.to_string())),
    }
}

/// Its expiry can't be moved any further.
pub(super) fn at_maximum(token: &Token) -> Error {
    Error::new(
        Reason::LifetimeAtMaximum,
        format!(
            "it lasts as long as the library's max_lifetime allows already, until {}",
            token.expire_time
        ),
    )
}

/// Reads a token that is to be changed, and begins the plan.
pub(super) async fn begin(
    authority: &Authority,
    by: &Authorised,
    id: TokenId,
    etag: &str,
    now: Moment,
) -> Result<(Versioned<Token>, Plan<Token>), Error> {
    let before = authority.visible_token(by, id).await?;
    check_etag(authority, etag, before.etag())?;
    refuse_revoked(authority, &before.value, now)?;
    let plan = plan_for(&before);
    Ok((before, plan))
}

pub(super) fn plan_for(before: &Versioned<Token>) -> Plan<Token> {
    let token = &before.value;
    let mut plan = Plan::new(&token.library, token.library_uid);
    plan.event = AuditEvent {
        token_id: token.id.to_string(),
        user: token.user.to_string(),
        ..plan.event
    };
    plan
}

pub(super) fn changed_fields(before: &Token, after: &Token) -> Vec<String> {
    changed(&[
        ("display_name", before.display_name != after.display_name),
        ("description", before.description != after.description),
        ("expire_time", before.expire_time != after.expire_time),
        ("user_type", before.grant.pin != after.grant.pin),
        (
            "access_right",
            before.grant.access_right != after.grant.access_right,
        ),
        (
            "permissions",
            before.grant.permissions != after.grant.permissions,
        ),
        ("apis", before.grant.apis != after.grant.apis),
        (
            "allowed_cidrs",
            before.grant.allowed_cidrs != after.grant.allowed_cidrs,
        ),
    ])
}
