//! Creating a token.

use async_trait::async_trait;

use super::Authority;
use super::audit::AuditEvent;
use super::caller::Authorised;
use super::cidr::Cidr;
use super::directory::{Assignment, Library, UserKind};
use super::error::Error;
use super::judge::UserFacts;
use super::keys::Tag;
use super::keyspace;
use super::moment::{Moment, Until};
use super::name::Name;
use super::permission::PermissionSet;
use super::policy::{
    check_grant, demand_active_user, expiry, in_vain, leaves_room, longer_than_suggested, nowhere,
    tokens_allowed, unlisted,
};
use super::reveal;
use super::rotate::demand_sight;
use super::secret::{Secret, TokenId};
use super::token::{AccessRight, Grant, Imported, Suspension, Token, TokenKind};
use super::transaction::{Command, Plan};
use crate::store::Precondition;

/// A token to be made.
#[derive(Debug, Clone)]
pub struct CreateToken {
    /// The library it shall belong to; one that the caller reaches.
    pub library: Name,
    /// The user it shall stand for; `None` for the caller's own.
    pub user: Option<Name>,
    /// A short name; this or the description is there.
    pub display_name: String,
    /// The reason for its existence.
    pub description: String,
    /// Until when it shall be good; `None` for the library's default.
    pub until: Option<Until>,
    /// From when on; `None` for now.
    pub not_before: Option<Moment>,
    /// Whether it shall be suspended at first.
    pub suspended: bool,
    /// The assignment that it shall be pinned to.
    pub pin: Option<Assignment>,
    /// How its permissions are derived; `None` for what follows from the list.
    pub access_right: Option<AccessRight>,
    /// The permissions listed.
    pub permissions: PermissionSet,
    /// The APIs it may be used with.
    pub apis: Vec<Name>,
    /// Where it may be used from.
    pub allowed_cidrs: Vec<Cidr>,
}

/// What proves a new token, and how that is kept.
pub(super) struct Proof {
    /// The token's id.
    pub(super) id: TokenId,
    /// What its string must prove.
    pub(super) tag: Tag,
    /// Its secret, sealed, if it is shown again; else empty.
    pub(super) sealed_secret: Vec<u8>,
    /// How it was imported, if it was.
    pub(super) imported: Option<Imported>,
}

#[async_trait]
impl Command for CreateToken {
    const ACTION: &'static str = "token.create";
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
        by.demand_held(self.permissions.reserved)?;
        let owner = self.owner(by)?;
        let reveal_key = authority.reveal_key(&self.library).await?;
        let secret = Secret::mint()?;
        let keys = authority.hmac_keys()?;
        let prove = |library: &Library| {
            Ok(Proof {
                id: secret.id,
                tag: keys.tag(&secret),
                sealed_secret: reveal::sealed(
                    reveal_key.as_ref(),
                    library,
                    TokenKind::Api,
                    &secret,
                )?,
                imported: None,
            })
        };
        let (mut plan, token) = self.draft(authority, by, owner, prove, now)?;
        plan.preconditions.push(keys.unrotated());
        authority.take_seat(&mut plan, &token, now).await?;
        plan.create(token)?;
        plan.secret = Some(secret.to_secret_string());
        Ok(plan)
    }
}

impl CreateToken {
    /// The token as it is asked for, whatever proves it, and a plan that has read what it was made from.
    pub(super) fn draft(
        &self,
        authority: &Authority,
        by: &Authorised,
        owner: Name,
        prove: impl FnOnce(&Library) -> Result<Proof, Error>,
        now: Moment,
    ) -> Result<(Plan<Token>, Token), Error> {
        let state = authority.index.read()?;
        let slot = state.directory().library_named(self.library.as_str());
        let (slot, library) = slot
            .and_then(|s| Some((s, s.facts.as_ref()?)))
            .ok_or_else(|| Error::not_found("library"))?;
        let mut plan = Plan::new(&self.library, slot.uid);
        plan.read(library);
        tokens_allowed(&library.value)?;

        let user = slot
            .user_named(owner.as_str())
            .map(|user| state.directory().user(user));
        let (user, facts) = user
            .and_then(|u| Some((u, u.facts.as_ref()?)))
            .ok_or_else(|| Error::not_found("user"))?;
        plan.preconditions.push(Precondition::At(
            keyspace::user(slot.uid, &user.user),
            facts.revision,
        ));
        demand_active_user(facts)?;

        let grant = self.grant(by, &library.value, facts, &mut plan.warnings)?;
        let default = now.checked_add(&library.value.default_lifetime);
        let (expire_time, _) = expiry(
            self.until.as_ref(),
            default.unwrap_or(Moment::MAX),
            &library.value,
            now,
        )?;
        if self.not_before.is_some_and(|start| start >= expire_time) {
            return Err(Error::invalid(
                "not_before",
                format!("must be before the expiry, {expire_time}"),
            ));
        }
        plan.warnings
            .extend(longer_than_suggested(&library.value, now, expire_time));
        plan.warnings.extend(nowhere(&grant, &library.value));
        plan.warnings.extend(in_vain(&grant, facts, slot));
        plan.warnings.extend(unlisted(&grant, facts, slot));
        let Proof {
            id,
            tag,
            sealed_secret,
            imported,
        } = prove(&library.value)?;
        let token = Token {
            id,
            kind: TokenKind::Api,
            library: self.library.clone(),
            library_uid: slot.uid,
            user: owner,
            user_uid: user.uid,
            issued_by: by.on_behalf_of(),
            display_name: self.display_name.clone(),
            description: self.description.clone(),
            device_name: String::new(),
            create_time: now,
            not_before: self.not_before,
            expire_time,
            suspension: self.suspended.then(|| Suspension {
                time: now,
                suspended_by: by.on_behalf_of(),
                by_administrator: by.administers(),
                reason: "created suspended".to_owned(),
            }),
            revocation: None,
            rotated_from: None,
            succession: None,
            grant,
            tag,
            sealed_secret,
            imported,
            etag: None,
        };
        plan.event = AuditEvent {
            token_id: token.id.to_string(),
            user: token.user.to_string(),
            ..plan.event
        };
        leaves_room(&token)?;
        Ok((plan, token))
    }

    /// The user: the one named, or the caller's own. Who doesn't administer may name no other, and no other library.
    pub(super) fn owner(&self, by: &Authorised) -> Result<Name, Error> {
        let own_library = self.library == by.library;
        match &self.user {
            Some(user) if by.administers() || (own_library && *user == by.user) => Ok(user.clone()),
            None if own_library => Ok(by.user.clone()),
            None => Err(Error::invalid("user", "must be given for another library")),
            Some(_) => Err(Error::not_found("user")),
        }
    }

    fn grant(
        &self,
        by: &Authorised,
        library: &Library,
        user: &UserFacts,
        warnings: &mut Vec<String>,
    ) -> Result<Grant, Error> {
        let asked = Grant {
            pin: self.pin.clone(),
            access_right: self
                .access_right
                .unwrap_or_else(|| Grant::implied_right(&self.permissions)),
            permissions: self.permissions.clone(),
            apis: match (user.kind, self.apis.is_empty()) {
                (UserKind::Contact, true) => library.contact_apis.clone(),
                _ => self.apis.clone(),
            },
            allowed_cidrs: self.allowed_cidrs.clone(),
        };
        let grant = by.givable(asked.clone())?;
        if grant != asked {
            warnings.push("the token has no more than the one that made it".to_owned());
        }
        check_grant(&grant, library, user)?;
        Ok(grant)
    }
}
