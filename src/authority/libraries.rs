//! Making, changing and deleting libraries.

use async_trait::async_trait;

use super::Authority;
use super::audit::changed;
use super::caller::Authorised;
use super::cidr::{self, Cidr};
use super::directory::{Library, SYSTEM, SecretDisplay, Uid};
use super::error::{Error, Reason};
use super::idle::IdleTimeout;
use super::keyspace::{self, Versioned};
use super::moment::{Lifetime, Moment};
use super::name::Name;
use super::secret;
use super::transaction::{Command, Plan, check_etag};
use super::usage;
use crate::store::Change;

/// A library to be made.
#[derive(Debug, Clone)]
pub struct CreateLibrary {
    /// Its name.
    pub library: Name,
    /// A name for people.
    pub display_name: String,
    /// The customer it belongs to.
    pub tenant_id: String,
    /// Whether tokens may be created.
    pub tokens_enabled: bool,
    /// The lifetime of a token that asks for none.
    pub default_lifetime: Lifetime,
    /// Longer ones are allowed with a warning.
    pub suggested_lifetime: Lifetime,
    /// The longest.
    pub max_lifetime: Lifetime,
    /// The APIs of contacts.
    pub contact_apis: Vec<Name>,
    /// Where its tokens may be used from.
    pub allowed_cidrs: Vec<Cidr>,
    /// How many live API tokens a user may have at once; 0 for no limit.
    pub max_tokens_per_user: u32,
    /// Whether secrets can be shown again.
    pub secret_display: SecretDisplay,
    /// How to use its tokens; empty for none.
    pub usage_instructions: String,
    /// For how long a session may go unused; `None` for any time.
    pub session_idle_timeout: Option<IdleTimeout>,
}

/// Changes to a library. What is `None` stays.
#[derive(Debug, Clone)]
pub struct UpdateLibrary {
    /// The library; one that the caller reaches.
    pub library: Name,
    /// The new name for people.
    pub display_name: Option<String>,
    /// The new customer. Operators alone.
    pub tenant_id: Option<String>,
    /// Whether all its tokens are refused. Operators alone.
    pub disabled: Option<bool>,
    /// Whether tokens may be created. Operators alone.
    pub tokens_enabled: Option<bool>,
    /// The new default.
    pub default_lifetime: Option<Lifetime>,
    /// The new suggestion.
    pub suggested_lifetime: Option<Lifetime>,
    /// The new maximum.
    pub max_lifetime: Option<Lifetime>,
    /// The new APIs of contacts.
    pub contact_apis: Option<Vec<Name>>,
    /// The new networks.
    pub allowed_cidrs: Option<Vec<Cidr>>,
    /// The new limit of live API tokens for each user; 0 for none.
    pub max_tokens_per_user: Option<u32>,
    /// Whether secrets can be shown again from now on. Those that were sealed are destroyed when they no longer can.
    pub secret_display: Option<SecretDisplay>,
    /// How to use its tokens; empty for none.
    pub usage_instructions: Option<String>,
    /// For how long a session may go unused from now on; `Some(None)` for any time.
    pub session_idle_timeout: Option<Option<IdleTimeout>>,
    /// What the change is based on; empty for anything.
    pub etag: String,
}

/// A library to be deleted.
#[derive(Debug, Clone)]
pub struct DeleteLibrary {
    /// The library.
    pub library: Name,
    /// What the change is based on; empty for anything.
    pub etag: String,
}

impl Authority {
    /// A living library, from the index.
    pub(super) fn library(&self, name: &Name) -> Result<Versioned<Library>, Error> {
        let state = self.index.read()?;
        let slot = state.directory().library_named(name.as_str());
        slot.and_then(|slot| slot.facts.clone())
            .ok_or_else(|| Error::not_found("library"))
    }

    /// The uid of the library `system`: its log also holds what was done to libraries as such.
    fn system_uid(&self) -> Result<Uid, Error> {
        let system = Name::parse(SYSTEM).map_err(|_| Error::not_found("library"))?;
        Ok(self.library(&system)?.value.uid)
    }
}

#[async_trait]
impl Command for CreateLibrary {
    const ACTION: &'static str = "library.create";
    type Answer = Library;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<Library>, Error> {
        by.demand_operator("create a library")?;
        let mut plan = Plan::new(&self.library, authority.system_uid()?);
        if authority.library(&self.library).is_ok() {
            return Err(taken("library"));
        }
        let library = Library {
            library: self.library.clone(),
            uid: Uid(secret::random()?),
            display_name: self.display_name.clone(),
            tenant_id: self.tenant_id.clone(),
            disabled: false,
            tokens_enabled: self.tokens_enabled,
            default_lifetime: self.default_lifetime.clone(),
            suggested_lifetime: self.suggested_lifetime.clone(),
            max_lifetime: self.max_lifetime.clone(),
            contact_apis: self.contact_apis.clone(),
            allowed_cidrs: self.allowed_cidrs.clone(),
            max_tokens_per_user: self.max_tokens_per_user,
            secret_display: self.secret_display,
            has_usage: !self.usage_instructions.is_empty(),
            session_idle_timeout: self.session_idle_timeout.clone(),
            create_time: now,
        };
        check_policy(&library, now)?;
        let (once, display) = (SecretDisplay::Once, self.secret_display);
        plan.changes
            .extend(authority.reveal_change(library.uid, once, display, now)?);
        if library.has_usage {
            plan.changes
                .push(usage::change(library.uid, &self.usage_instructions));
        }
        plan.create(library)?;
        Ok(plan)
    }
}

#[async_trait]
impl Command for UpdateLibrary {
    const ACTION: &'static str = "library.update";
    type Answer = Library;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<Library>, Error> {
        if self.tenant_id.is_some() || self.disabled.is_some() || self.tokens_enabled.is_some() {
            by.demand_operator("change state, tenant_id and tokens_enabled")?;
        }
        let before = authority.library(&self.library)?;
        check_etag(authority, &self.etag, before.revision)?;
        if self.library.as_str() == SYSTEM && self.disabled == Some(true) {
            return Err(protected(
                "the library system can't be disabled: nobody could administer the authority",
            ));
        }
        let networks = self.allowed_cidrs.as_deref().unwrap_or_default();
        // An operator works on other libraries from anywhere.
        if self.library == by.library && !cidr::allows(networks, Some(by.address)) {
            return Err(protected(
                "these allowed_cidrs would lock you out, since your own credential is of this library; include your address",
            ));
        }
        let old = &before.value;
        let library = Library {
            library: old.library.clone(),
            uid: old.uid,
            display_name: self
                .display_name
                .clone()
                .unwrap_or_else(|| old.display_name.clone()),
            tenant_id: self
                .tenant_id
                .clone()
                .unwrap_or_else(|| old.tenant_id.clone()),
            disabled: self.disabled.unwrap_or(old.disabled),
            tokens_enabled: self.tokens_enabled.unwrap_or(old.tokens_enabled),
            default_lifetime: self
                .default_lifetime
                .clone()
                .unwrap_or_else(|| old.default_lifetime.clone()),
            suggested_lifetime: self
                .suggested_lifetime
                .clone()
                .unwrap_or_else(|| old.suggested_lifetime.clone()),
            max_lifetime: self
                .max_lifetime
                .clone()
                .unwrap_or_else(|| old.max_lifetime.clone()),
            contact_apis: self
                .contact_apis
                .clone()
                .unwrap_or_else(|| old.contact_apis.clone()),
            allowed_cidrs: self
                .allowed_cidrs
                .clone()
                .unwrap_or_else(|| old.allowed_cidrs.clone()),
            max_tokens_per_user: self.max_tokens_per_user.unwrap_or(old.max_tokens_per_user),
            secret_display: self.secret_display.unwrap_or(old.secret_display),
            has_usage: self
                .usage_instructions
                .as_ref()
                .map_or(old.has_usage, |text| !text.is_empty()),
            session_idle_timeout: self
                .session_idle_timeout
                .clone()
                .unwrap_or_else(|| old.session_idle_timeout.clone()),
            create_time: old.create_time,
        };
        check_policy(&library, now)?;
        let mut plan = Plan::new(&self.library, old.uid);
        plan.event.fields = changed_fields(old, &library);
        let key =
            authority.reveal_change(old.uid, old.secret_display, library.secret_display, now)?;
        plan.changes.extend(key);
        if let Some(text) = &self.usage_instructions
            && *text != authority.instructions(old.uid).await?
        {
            plan.event.fields.push("usage_instructions".to_owned());
            plan.changes.push(usage::change(old.uid, text));
            if *old == library {
                plan.touch(&before);
            }
        }
        plan.replace(&before, library)?;
        Ok(plan)
    }
}

impl UpdateLibrary {
    /// Whether it names a part of the policy that existing tokens may not be within.
    #[must_use]
    pub fn changes_policy(&self) -> bool {
        self.max_lifetime.is_some()
            || self.contact_apis.is_some()
            || self.allowed_cidrs.is_some()
            || self.max_tokens_per_user.is_some()
    }
}

#[async_trait]
impl Command for DeleteLibrary {
    const ACTION: &'static str = "library.delete";
    type Answer = Library;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        _now: Moment,
    ) -> Result<Plan<Library>, Error> {
        by.demand_operator("delete a library")?;
        let before = authority.library(&self.library)?;
        check_etag(authority, &self.etag, before.revision)?;
        if self.library.as_str() == SYSTEM {
            return Err(protected("the library system can't be deleted"));
        }
        if !before.value.disabled {
            return Err(Error::new(
                Reason::InUse,
                "the library is active; disable it first",
            ));
        }
        let mut plan = Plan::new(&self.library, authority.system_uid()?);
        // By which its log and its tokens are still found.
        plan.event.comment = format!("uid {}", before.value.uid);
        let left = [
            keyspace::usage(before.value.uid),
            keyspace::reveal_key(before.value.uid),
        ];
        plan.changes.extend(left.map(Change::Delete));
        plan.delete(&before);
        Ok(plan)
    }
}

/// The name is taken.
pub(super) fn taken(what: &str) -> Error {
    Error::new(
        Reason::NameTaken,
        format!("there is a {what} of this name already; choose another one, or update it"),
    )
}

/// It protects the authority itself.
pub(super) fn protected(why: &str) -> Error {
    Error::new(Reason::InUse, why)
}

fn check_policy(library: &Library, now: Moment) -> Result<(), Error> {
    if library.default_passes_maximum(now) {
        return Err(Error::invalid(
            "default_lifetime",
            "must not be longer than max_lifetime; give both to change both",
        ));
    }
    Ok(())
}

fn changed_fields(before: &Library, after: &Library) -> Vec<String> {
    changed(&[
        ("display_name", before.display_name != after.display_name),
        ("tenant_id", before.tenant_id != after.tenant_id),
        ("state", before.disabled != after.disabled),
        (
            "tokens_enabled",
            before.tokens_enabled != after.tokens_enabled,
        ),
        (
            "default_lifetime",
            before.default_lifetime != after.default_lifetime,
        ),
        (
            "suggested_lifetime",
            before.suggested_lifetime != after.suggested_lifetime,
        ),
        ("max_lifetime", before.max_lifetime != after.max_lifetime),
        ("contact_apis", before.contact_apis != after.contact_apis),
        ("allowed_cidrs", before.allowed_cidrs != after.allowed_cidrs),
        (
            "max_tokens_per_user",
            before.max_tokens_per_user != after.max_tokens_per_user,
        ),
        (
            "secret_display",
            before.secret_display != after.secret_display,
        ),
        (
            "session_idle_timeout",
            before.session_idle_timeout != after.session_idle_timeout,
        ),
    ])
}
