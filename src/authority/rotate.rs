//! Rotating a token: another takes its place, and the two are good together for a while.

use async_trait::async_trait;

use super::Authority;
use super::caller::Authorised;
use super::change::{begin, refuse_prolonging};
use super::error::{Error, Reason};
use super::moment::{Lifetime, Moment, Until};
use super::policy::{
    check_grant, demand_active_user, expiry, leaves_room, longer_than_suggested, tokens_allowed,
};
use super::reveal;
use super::secret::{Secret, TokenId};
use super::token::{Succession, Token};
use super::transaction::{Command, Plan};

/// Puts a new token with a new secret in the place of one.
#[derive(Debug, Clone)]
pub struct RotateToken {
    /// The token.
    pub id: TokenId,
    /// How long the old one works on, within its own life; `None` for not at all.
    pub overlap: Option<Lifetime>,
    /// Until when the new one shall be good; `None` for as long from now as the old one was made for.
    pub until: Option<Until>,
    /// What the change is based on; empty for anything.
    pub etag: String,
}

#[async_trait]
impl Command for RotateToken {
    const ACTION: &'static str = "token.rotate";
    type Answer = Token;

    fn check_repeat(&self, by: &Authorised, answer: &Token) -> Result<(), Error> {
        demand_sight(by, answer)
    }

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<Token>, Error> {
        let (before, mut plan) = begin(authority, by, self.id, &self.etag, now).await?;
        let old = before.value.clone();
        demand_secret(by, &old)?;
        refuse_prolonging(&old)?;
        demand_active(&old, now)?;

        let reveal_key = authority.reveal_key(&old.library).await?;
        let secret = Secret::mint()?;
        let keys = authority.hmac_keys()?;
        plan.preconditions.push(keys.unrotated());

        // What was made for 90 days is good for 90 days again.
        let life = old.expire_time.0.saturating_sub(old.create_time.0);
        let same = Moment(now.0.saturating_add(life)).min(Moment::MAX);
        let (expire_time, clamped, warning, sealed_secret) =
            authority.with_owner(&old, &mut plan, |library, user, _| {
                tokens_allowed(library)?;
                check_grant(&old.grant, library, user)?;
                demand_active_user(user)?;
                let (end, clamped) = expiry(self.until.as_ref(), same, library, now)?;
                let warning = longer_than_suggested(library, now, end);
                let sealed = reveal::sealed(reveal_key.as_ref(), library, old.kind, &secret)?;
                Ok::<_, Error>((end, clamped, warning, sealed))
            })??;
        plan.clamped = clamped;
        plan.warnings.extend(warning);

        let new = Token {
            id: secret.id,
            issued_by: by.on_behalf_of(),
            create_time: now,
            not_before: None,
            expire_time,
            rotated_from: Some(old.id),
            tag: keys.tag(&secret),
            sealed_secret,
            imported: None,
            etag: None,
            ..old.clone()
        };
        let overlap = self
            .overlap
            .as_ref()
            .map_or(Some(now), |overlap| now.checked_add(overlap));
        let superseded = Token {
            succession: Some(Succession {
                superseded_by: new.id,
                until: overlap.unwrap_or(Moment::MAX).min(old.expire_time),
                rotated_by: by.on_behalf_of(),
            }),
            ..old
        };
        leaves_room(&new)?;
        authority
            .take_seat_of_replaced(&mut plan, &superseded, now)
            .await?;
        plan.event.comment = format!("{} takes its place", new.id);
        plan.put_at(superseded, before.revision)?;
        plan.create(new)?;
        plan.secret = Some(secret.to_secret_string());
        Ok(plan)
    }
}

/// The secret of a token that was made is told once more to whoever could be given it now, and to the token that it replaces.
pub(super) fn demand_sight(by: &Authorised, token: &Token) -> Result<(), Error> {
    if token.rotated_from.is_some_and(|old| by.presents(old)) {
        return Ok(());
    }
    if !by.may_see(token) {
        return Err(Error::not_found("token"));
    }
    demand_secret(by, token)
}

/// Whoever gets a secret gets its rights: nobody gets more so than it could give.
pub(super) fn demand_secret(by: &Authorised, token: &Token) -> Result<(), Error> {
    if by.presents(token.id) {
        return Ok(());
    }
    by.demand_held(token.grant.permissions.reserved)?;
    let givable = by.givable(token.grant.clone());
    if givable.is_ok_and(|given| given == token.grant) {
        return Ok(());
    }
    Err(Error::new(
        Reason::PermissionDenied,
        "the calling token is narrower than this one; call with one that is not, or ask an administrator",
    ))
}

fn demand_active(token: &Token, now: Moment) -> Result<(), Error> {
    let state = if token.suspension.is_some() {
        "is suspended; resume it first"
    } else if token.not_before.is_some_and(|start| now < start) {
        "is not good yet; revoke it and make another"
    } else if token.expire_time <= now {
        "has expired; make a new one"
    } else {
        return Ok(());
    };
    let why = format!("the token {state}");
    Err(Error::new(Reason::TokenState, why))
}
