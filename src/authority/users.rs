//! Making, changing and deleting users.

use async_trait::async_trait;

use super::Authority;
use super::audit::{AuditEvent, changed};
use super::caller::Authorised;
use super::directory::{Assignment, SYSTEM, Uid, User, UserKind};
use super::error::Error;
use super::keyspace::{self, Versioned};
use super::libraries::taken;
use super::moment::Moment;
use super::name::Name;
use super::secret;
use super::transaction::{Command, Plan, check_etag};
use crate::store::Change;

/// A user to be made.
#[derive(Debug, Clone)]
pub struct CreateUser {
    /// Its library; one that the caller reaches.
    pub library: Name,
    /// Its name.
    pub user: Name,
    /// A name for people.
    pub display_name: String,
    /// An address for people.
    pub email: String,
    /// What kind it is.
    pub kind: UserKind,
    /// What it may do, and where.
    pub assignments: Vec<Assignment>,
    /// Of a contact: the customer whose data it may see.
    pub data_owner: String,
}

/// Changes to a user. What is `None` stays.
#[derive(Debug, Clone)]
pub struct UpdateUser {
    /// Its library; one that the caller reaches.
    pub library: Name,
    /// The user.
    pub user: Name,
    /// The new name for people.
    pub display_name: Option<String>,
    /// The new address for people.
    pub email: Option<String>,
    /// Whether all its tokens are refused.
    pub disabled: Option<bool>,
    /// What it may do from now on, and where.
    pub assignments: Option<Vec<Assignment>>,
    /// The new customer of a contact.
    pub data_owner: Option<String>,
    /// What the change is based on; empty for anything.
    pub etag: String,
}

/// A user to be deleted.
#[derive(Debug, Clone)]
pub struct DeleteUser {
    /// Its library; one that the caller reaches.
    pub library: Name,
    /// The user.
    pub user: Name,
    /// What the change is based on; empty for anything.
    pub etag: String,
}

#[async_trait]
impl Command for CreateUser {
    const ACTION: &'static str = "user.create";
    type Answer = User;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<User>, Error> {
        let library = authority.library(&self.library)?;
        let mut plan = plan_for(&library.value.uid, &self.library, &self.user);
        plan.read(&library);
        let user = User {
            library_uid: library.value.uid,
            user: self.user.clone(),
            uid: Uid(secret::random()?),
            display_name: self.display_name.clone(),
            email: self.email.clone(),
            kind: self.kind,
            disabled: false,
            assignments: sorted(&self.assignments),
            data_owner: self.data_owner.clone(),
            create_time: now,
        };
        authority.assign(&mut plan, by, &self.library, &user, &[])?;
        check_data_owner(&user)?;
        if self.library.as_str() == SYSTEM && user.kind == UserKind::Contact {
            return Err(Error::invalid(
                "kind",
                "must not be contact in the library system: no contact can administer the authority",
            ));
        }
        if authority.user_exists(&self.library, &self.user)? {
            return Err(taken("user"));
        }
        plan.create(user)?;
        Ok(plan)
    }
}

#[async_trait]
impl Command for UpdateUser {
    const ACTION: &'static str = "user.update";
    type Answer = User;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        _now: Moment,
    ) -> Result<Plan<User>, Error> {
        let library = authority.library(&self.library)?;
        let before = authority.user(&library.value.uid, &self.user).await?;
        check_etag(authority, &self.etag, before.revision)?;
        let old = &before.value;
        let user = User {
            display_name: self
                .display_name
                .clone()
                .unwrap_or_else(|| old.display_name.clone()),
            email: self.email.clone().unwrap_or_else(|| old.email.clone()),
            disabled: self.disabled.unwrap_or(old.disabled),
            assignments: self
                .assignments
                .as_deref()
                .map_or_else(|| old.assignments.clone(), sorted),
            data_owner: self
                .data_owner
                .clone()
                .unwrap_or_else(|| old.data_owner.clone()),
            ..old.clone()
        };
        let mut plan = plan_for(&library.value.uid, &self.library, &self.user);
        plan.read(&library);
        authority.assign(&mut plan, by, &self.library, &user, &old.assignments)?;
        check_data_owner(&user)?;
        if user.disabled || user.assignments != old.assignments {
            authority.keep_an_operator(&mut plan, &library, &user)?;
        }
        plan.event.fields = changed_fields(old, &user);
        plan.replace(&before, user)?;
        // Guarding a user type for nothing is no change.
        if plan.event.fields.is_empty() {
            plan.changes.clear();
        }
        Ok(plan)
    }
}

#[async_trait]
impl Command for DeleteUser {
    const ACTION: &'static str = "user.delete";
    type Answer = User;

    async fn plan(
        &self,
        authority: &Authority,
        _by: &Authorised,
        _now: Moment,
    ) -> Result<Plan<User>, Error> {
        let library = authority.library(&self.library)?;
        let before = authority.user(&library.value.uid, &self.user).await?;
        check_etag(authority, &self.etag, before.revision)?;
        let mut plan = plan_for(&library.value.uid, &self.library, &self.user);
        plan.read(&library);
        let ended = User {
            disabled: true,
            ..before.value.clone()
        };
        authority.keep_an_operator(&mut plan, &library, &ended)?;
        plan.delete(&before);
        let password = keyspace::password(library.value.uid, before.value.uid);
        plan.changes.push(Change::Delete(password));
        Ok(plan)
    }
}

impl Authority {
    /// A living user, from the store: the index does not hold what people call it.
    pub(super) async fn user(&self, library: &Uid, name: &Name) -> Result<Versioned<User>, Error> {
        let found = self.fetch(keyspace::user(*library, name)).await?;
        found.ok_or_else(|| Error::not_found("user"))
    }

    fn user_exists(&self, library: &Name, user: &Name) -> Result<bool, Error> {
        let state = self.index.read()?;
        let slot = state.directory().library_named(library.as_str());
        Ok(slot.is_some_and(|slot| slot.user_named(user.as_str()).is_some()))
    }

    /// Checks what is newly assigned: the user type must exist, and convey nothing that the caller doesn't hold. It is
    /// guarded, so that deleting it at the same time and assigning it exclude each other.
    fn assign(
        &self,
        plan: &mut Plan<User>,
        by: &Authorised,
        library: &Name,
        user: &User,
        before: &[Assignment],
    ) -> Result<(), Error> {
        for (i, added) in user
            .assignments
            .iter()
            .enumerate()
            .filter(|(_, a)| !before.contains(a))
        {
            let user_type = self
                .user_type(&user.library_uid, library, &added.user_type)
                .map_err(|_| {
                    Error::invalid(
                        format!("assignments[{i}].user_type"),
                        "must be a user type of the library; create it first",
                    )
                })?;
            by.demand_held(user_type.value.permissions.reserved)?;
            plan.read(&user_type);
            let guard = keyspace::assigned(user.library_uid, &added.user_type);
            if !plan.changes.iter().any(|change| *change.key() == guard) {
                plan.changes.push(Change::Put(guard, Vec::new()));
            }
        }
        Ok(())
    }
}

fn plan_for(uid: &Uid, library: &Name, user: &Name) -> Plan<User> {
    let mut plan = Plan::new(library, *uid);
    plan.event = AuditEvent {
        user: user.to_string(),
        ..plan.event
    };
    plan
}

fn check_data_owner(user: &User) -> Result<(), Error> {
    match (user.kind, user.data_owner.is_empty()) {
        (UserKind::Contact, true) => Err(Error::invalid(
            "data_owner",
            "must name the customer whose data the contact may see",
        )),
        (UserKind::Standard | UserKind::ApiOnly, false) => Err(Error::invalid(
            "data_owner",
            "is for contacts alone; leave it empty",
        )),
        _ => Ok(()),
    }
}

fn sorted(assignments: &[Assignment]) -> Vec<Assignment> {
    let mut sorted = assignments.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

fn changed_fields(before: &User, after: &User) -> Vec<String> {
    changed(&[
        ("display_name", before.display_name != after.display_name),
        ("email", before.email != after.email),
        ("state", before.disabled != after.disabled),
        ("assignments", before.assignments != after.assignments),
        ("data_owner", before.data_owner != after.data_owner),
    ])
}
