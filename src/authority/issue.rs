//! Creating a token.

use async_trait::async_trait;

use super::Authority;
use super::audit::AuditEvent;
use super::caller::Authorised;
use super::cidr::Cidr;
use super::directory::{Assignment, Library, UserKind};
use super::error::{Error, Reason};
use super::index::LibrarySlot;
use super::judge::UserFacts;
use super::keyspace;
use super::moment::{Lifetime, Moment, Until};
use super::name::Name;
use super::permission::{PermissionSet, ReservedSet};
use super::secret::Secret;
use super::token::{AccessRight, Grant, Suspension, Token, TokenKind};
use super::transaction::{Command, Plan};
use crate::store::{MAX_VALUE_BYTES, Precondition};

/// Permissions that a warning names; it counts the others, since warnings are kept for a repeat of the call.
const NAMED_IN_WARNING: usize = 8;
/// Left in the record of a token for its suspension and its revocation, bytes.
const ENDING_BYTES: usize = 512;
/// Left in the record of a suspended token for its revocation, bytes.
pub(super) const REVOCATION_BYTES: usize = 256;

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

#[async_trait]
impl Command for CreateToken {
    const ACTION: &'static str = "token.create";
    type Answer = Token;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<Token>, Error> {
        by.demand_held(self.permissions.reserved)?;
        let owner = self.owner(by)?;
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
        if facts.disabled {
            return Err(Error::new(
                Reason::OwnerDisabled,
                "the user is disabled; make it active first",
            ));
        }

        let grant = self.grant(by, &library.value, facts, &mut plan.warnings)?;
        let expire_time = self.expire_time(&library.value, now, &mut plan.warnings)?;
        plan.warnings.extend(in_vain(&grant, facts, slot));
        let secret = Secret::mint()?;
        let token = Token {
            id: secret.id,
            kind: TokenKind::Api,
            library: self.library.clone(),
            library_uid: slot.uid,
            user: owner.clone(),
            user_uid: user.uid,
            issued_by: by.on_behalf_of(),
            display_name: self.display_name.clone(),
            description: self.description.clone(),
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
            grant,
            tag: authority.keys.tag(&secret),
        };
        plan.event = AuditEvent {
            token_id: token.id.to_string(),
            user: owner.to_string(),
            ..plan.event
        };
        leaves_room(&token)?;
        plan.create(token)?;
        plan.secret = Some(secret.to_secret_string());
        Ok(plan)
    }
}

impl CreateToken {
    /// The user: the one named, or the caller's own. Who doesn't administer may name no other, and no other library.
    fn owner(&self, by: &Authorised) -> Result<Name, Error> {
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

    fn expire_time(
        &self,
        library: &Library,
        now: Moment,
        warnings: &mut Vec<String>,
    ) -> Result<Moment, Error> {
        let latest = latest_expiry(library, now);
        let after = |lifetime| now.checked_add(lifetime).unwrap_or(Moment(i64::MAX));
        let (field, end) = match &self.until {
            // "31d" passes "1mo" in a short month: nobody asked for it, so it is held back.
            None => ("lifetime", after(&library.default_lifetime).min(latest)),
            Some(Until::Moment(end)) => ("expire_time", *end),
            Some(Until::Date(end)) => ("lifetime", *end),
            Some(Until::Lifetime(lifetime)) => ("lifetime", after(lifetime)),
        };
        if end <= now {
            return Err(Error::invalid(
                field,
                format!("must end in the future; the latest is {latest}"),
            ));
        }
        if end > latest {
            return Err(Error::invalid(
                field,
                format!(
                    "must end by {latest}: the library's max_lifetime is {}",
                    library.max_lifetime.as_str()
                ),
            ));
        }
        if self.not_before.is_some_and(|start| start >= end) {
            return Err(Error::invalid(
                "not_before",
                format!("must be before the expiry, {end}"),
            ));
        }
        warnings.extend(longer_than_suggested(library, now, end));
        Ok(end)
    }
}

/// A token's record leaves room for its end: who suspended and who revoked it, and when, in at most 2 x 145 bytes. Their
/// reasons are kept as far as there is room, and in the audit event in any case.
pub(super) fn leaves_room(token: &Token) -> Result<(), Error> {
    let needed = match token.suspension {
        None => ENDING_BYTES,
        Some(_) => REVOCATION_BYTES,
    };
    if has_room(token, needed) {
        return Ok(());
    }
    Err(Error::invalid(
        "permissions",
        "make, with apis, allowed_cidrs and description, a record larger than 4 KiB; shorten these",
    ))
}

/// Whether a token's record may grow by this many bytes.
pub(super) fn has_room(token: &Token, bytes: usize) -> bool {
    keyspace::encode(token).len() + bytes <= MAX_VALUE_BYTES
}

/// Tokens may be made and extended in this library.
pub(super) fn tokens_allowed(library: &Library) -> Result<(), Error> {
    if !library.tokens_enabled {
        return Err(Error::new(
            Reason::TokensNotEnabled,
            "the library does not allow tokens to be made or extended; an operator can set tokens_enabled",
        ));
    }
    if library.disabled {
        return Err(Error::new(
            Reason::OwnerDisabled,
            "the library is disabled; an operator can make it active",
        ));
    }
    Ok(())
}

/// The latest expiry that the library's policy allows.
pub(super) fn latest_expiry(library: &Library, now: Moment) -> Moment {
    now.checked_add(&library.max_lifetime)
        .unwrap_or(Moment::MAX)
}

/// A warning for an expiry beyond what the library suggests.
pub(super) fn longer_than_suggested(library: &Library, now: Moment, end: Moment) -> Option<String> {
    let suggested: &Lifetime = &library.suggested_lifetime;
    now.checked_add(suggested)
        .is_some_and(|limit| end > limit)
        .then(|| {
            format!(
                "the token lasts longer than the {} that the library suggests",
                suggested.as_str()
            )
        })
}

/// A grant must mean something for this user, within the library's policy.
pub(super) fn check_grant(grant: &Grant, library: &Library, user: &UserFacts) -> Result<(), Error> {
    if grant.lists_in_vain() {
        return Err(Error::invalid(
            "permissions",
            "may list reserved permissions alone unless access_right is CUSTOM",
        ));
    }
    if grant
        .pin
        .as_ref()
        .is_some_and(|pin| !user.assignments.contains(pin))
    {
        return Err(Error::invalid(
            "user_type",
            "must be, with department, one of the user's assignments",
        ));
    }
    if user.kind == UserKind::Contact {
        if library.contact_apis.is_empty() || grant.apis.is_empty() {
            return Err(Error::invalid(
                "apis",
                "must be named for a contact's token, among the library's contact_apis; set those first",
            ));
        }
        if grant
            .apis
            .iter()
            .any(|api| !library.contact_apis.contains(api))
        {
            return Err(Error::invalid(
                "apis",
                "must be among the library's contact_apis for a contact's token",
            ));
        }
    }
    Ok(())
}

/// A warning for permissions that are listed but that the user does not have: they give nothing.
pub(super) fn in_vain(grant: &Grant, user: &UserFacts, library: &LibrarySlot) -> Vec<String> {
    let has: Vec<&PermissionSet> = user
        .assignments
        .iter()
        .filter(|a| grant.pin.as_ref().is_none_or(|pin| pin == *a))
        .filter_map(|a| Some(&library.user_types.get(&a.user_type)?.value.permissions))
        .collect();
    let ordinary = grant.permissions.patterns().iter().filter(|listed| {
        !has.iter()
            .any(|set| set.patterns().iter().any(|p| p.intersect(listed).is_some()))
    });
    let held = has.iter().fold(ReservedSet::default(), |held, set| {
        held.union(set.reserved.held())
    });
    let reserved = grant.permissions.reserved.without(held);
    let missing: Vec<String> = ordinary
        .map(|p| p.as_str().to_owned())
        .chain(reserved.iter().map(|r| r.as_str().to_owned()))
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let named = missing[..missing.len().min(NAMED_IN_WARNING)].join(", ");
    let more = match missing.len().saturating_sub(NAMED_IN_WARNING) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    vec![format!(
        "the user does not have {named}{more}: the token has it only once the user does"
    )]
}
