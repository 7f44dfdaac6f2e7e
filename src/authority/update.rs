//! Changing a token's names, grant and expiry.

use async_trait::async_trait;

use super::Authority;
use super::caller::Authorised;
use super::change::{at_maximum, begin, changed_fields, refuse_prolonging, refuse_reviving};
use super::cidr::Cidr;
use super::directory::Assignment;
use super::error::{Error, Reason};
use super::import::refuse_reserved;
use super::moment::Moment;
use super::name::Name;
use super::permission::PermissionSet;
use super::policy::{
    check_grant, in_vain, latest_expiry, leaves_room, longer_than_suggested, nowhere,
    tokens_allowed,
};
use super::secret::TokenId;
use super::token::{AccessRight, Token, TokenKind};
use super::transaction::{Command, Plan};

/// Changes to a token's names, grant and expiry. What is `None` stays.
#[derive(Debug, Clone)]
pub struct UpdateToken {
    /// The token.
    pub id: TokenId,
    /// The new short name; empty clears it.
    pub display_name: Option<String>,
    /// The new reason; empty clears it.
    pub description: Option<String>,
    /// The new expiry.
    pub expire_time: Option<Moment>,
    /// The new pin; `Some(None)` clears it.
    pub pin: Option<Option<Assignment>>,
    /// The new access right.
    pub access_right: Option<AccessRight>,
    /// The new list.
    pub permissions: Option<PermissionSet>,
    /// The new APIs.
    pub apis: Option<Vec<Name>>,
    /// The new networks.
    pub allowed_cidrs: Option<Vec<Cidr>>,
    /// What the change is based on; empty for anything.
    pub etag: String,
}

#[async_trait]
impl Command for UpdateToken {
    const ACTION: &'static str = "token.update";
    type Answer = Token;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<Token>, Error> {
        let (before, mut plan) = begin(authority, by, self.id, &self.etag, now).await?;
        let mut token = before.value.clone();
        set(&mut token.grant.pin, self.pin.as_ref());
        set(&mut token.grant.access_right, self.access_right.as_ref());
        set(&mut token.grant.permissions, self.permissions.as_ref());
        set(&mut token.grant.apis, self.apis.as_ref());
        set(&mut token.grant.allowed_cidrs, self.allowed_cidrs.as_ref());
        by.demand_held(token.grant.reserved_added(&before.value.grant))?;
        if by.token_id == self.id && token.grant != before.value.grant {
            return Err(Error::new(
                Reason::PermissionDenied,
                "no token changes its own grant; use another credential",
            ));
        }
        set(&mut token.display_name, self.display_name.as_ref());
        set(&mut token.description, self.description.as_ref());
        // A session is known by its device.
        let nameless = token.kind == TokenKind::Api;
        if nameless && token.display_name.is_empty() && token.description.is_empty() {
            return Err(Error::invalid(
                "display_name",
                "must be there unless there is a description",
            ));
        }
        refuse_reserved(&token)?;
        if token.grant != before.value.grant {
            token.grant = by.givable(token.grant)?;
            let warnings = authority.with_owner(&token, &mut plan, |library, user, slot| {
                check_grant(&token.grant, library, user)?;
                let in_vain = in_vain(&token.grant, user, slot).into_iter();
                Ok::<_, Error>(
                    in_vain
                        .chain(nowhere(&token.grant, library))
                        .collect::<Vec<_>>(),
                )
            })??;
            plan.warnings.extend(warnings);
        }
        if let Some(end) = self.expire_time {
            move_expiry(authority, by, &mut token, end, now, &mut plan)?;
            if before.value.expire_time <= now {
                authority.take_seat(&mut plan, &token, now).await?;
            }
        }
        leaves_room(&token)?;
        plan.event.fields = changed_fields(&before.value, &token);
        plan.replace(&before, token)?;
        Ok(plan)
    }
}

/// Earlier within the future is always allowed; later follows the rules of an extension.
fn move_expiry(
    authority: &Authority,
    by: &Authorised,
    token: &mut Token,
    end: Moment,
    now: Moment,
    plan: &mut Plan<Token>,
) -> Result<(), Error> {
    if end <= now {
        return Err(Error::invalid(
            "expire_time",
            "must be in the future; to end a token at once, revoke it",
        ));
    }
    if token.not_before.is_some_and(|start| start >= end) {
        return Err(Error::invalid("expire_time", "must be after not_before"));
    }
    if end <= token.expire_time {
        token.expire_time = end;
        return Ok(());
    }
    refuse_reviving(by, token, now)?;
    refuse_prolonging(token)?;
    let (limit, warning) = authority.with_owner(token, plan, |library, _, _| {
        tokens_allowed(library)?;
        let limit = latest_expiry(library, now);
        Ok::<_, Error>((limit, longer_than_suggested(library, now, end.min(limit))))
    })??;
    if limit <= token.expire_time {
        return Err(at_maximum(token));
    }
    plan.clamped = end > limit;
    plan.warnings.extend(warning);
    token.expire_time = end.min(limit);
    Ok(())
}

fn set<T: Clone>(field: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}
