//! Making, changing and deleting user types.

use async_trait::async_trait;

use super::Authority;
use super::audit::AuditEvent;
use super::caller::Authorised;
use super::directory::{SYSTEM, Uid, UserType};
use super::error::{Error, Reason};
use super::keyspace::{self, Versioned};
use super::libraries::taken;
use super::moment::Moment;
use super::name::Name;
use super::permission::PermissionSet;
use super::transaction::{Command, Plan, check_etag};
use crate::store::{Change, Precondition};

/// A user type to be made.
#[derive(Debug, Clone)]
pub struct CreateUserType {
    /// Its library; one that the caller reaches.
    pub library: Name,
    /// Its name.
    pub user_type: Name,
    /// What it grants.
    pub permissions: PermissionSet,
}

/// Changes to a user type. What is `None` stays.
#[derive(Debug, Clone)]
pub struct UpdateUserType {
    /// Its library; one that the caller reaches.
    pub library: Name,
    /// The user type.
    pub user_type: Name,
    /// What it grants from now on.
    pub permissions: Option<PermissionSet>,
    /// What the change is based on; empty for anything.
    pub etag: String,
}

/// A user type to be deleted.
#[derive(Debug, Clone)]
pub struct DeleteUserType {
    /// Its library; one that the caller reaches.
    pub library: Name,
    /// The user type.
    pub user_type: Name,
    /// What the change is based on; empty for anything.
    pub etag: String,
}

impl Authority {
    /// A living user type, from the index.
    pub(super) fn user_type(
        &self,
        uid: &Uid,
        library: &Name,
        name: &Name,
    ) -> Result<Versioned<UserType>, Error> {
        let state = self.index.read()?;
        let slot = state
            .directory()
            .library_named(library.as_str())
            .filter(|slot| slot.uid == *uid);
        slot.and_then(|slot| slot.user_types.get(name).cloned())
            .ok_or_else(|| Error::not_found("user type"))
    }
}

#[async_trait]
impl Command for CreateUserType {
    const ACTION: &'static str = "user-type.create";
    type Answer = UserType;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<UserType>, Error> {
        let library = authority.library(&self.library)?;
        by.demand_held(self.permissions.reserved)?;
        let mut plan = Plan::new(&self.library, library.value.uid);
        plan.read(&library);
        plan.event = AuditEvent {
            user_type: self.user_type.to_string(),
            ..plan.event
        };
        if authority
            .user_type(&library.value.uid, &self.library, &self.user_type)
            .is_ok()
        {
            return Err(taken("user type"));
        }
        plan.create(UserType {
            library_uid: library.value.uid,
            user_type: self.user_type.clone(),
            permissions: self.permissions.clone(),
            create_time: now,
        })?;
        Ok(plan)
    }
}

#[async_trait]
impl Command for UpdateUserType {
    const ACTION: &'static str = "user-type.update";
    type Answer = UserType;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        _now: Moment,
    ) -> Result<Plan<UserType>, Error> {
        let library = authority.library(&self.library)?;
        let before = authority.user_type(&library.value.uid, &self.library, &self.user_type)?;
        check_etag(authority, &self.etag, before.revision)?;
        let mut after = before.value.clone();
        if let Some(permissions) = &self.permissions {
            by.demand_held(
                permissions
                    .reserved
                    .without(before.value.permissions.reserved.held()),
            )?;
            after.permissions = permissions.clone();
        }
        let mut plan = Plan::new(&self.library, library.value.uid);
        plan.read(&library);
        plan.event = AuditEvent {
            user_type: self.user_type.to_string(),
            fields: vec!["permissions".to_owned()],
            ..plan.event
        };
        if library.value.library.as_str() == SYSTEM && after != before.value {
            authority.keep_operators_after(&after)?;
            plan.touch(&library);
        }
        plan.replace(&before, after)?;
        Ok(plan)
    }
}

#[async_trait]
impl Command for DeleteUserType {
    const ACTION: &'static str = "user-type.delete";
    type Answer = UserType;

    async fn plan(
        &self,
        authority: &Authority,
        _by: &Authorised,
        _now: Moment,
    ) -> Result<Plan<UserType>, Error> {
        let library = authority.library(&self.library)?;
        let before = authority.user_type(&library.value.uid, &self.library, &self.user_type)?;
        check_etag(authority, &self.etag, before.revision)?;
        // Read before the index is asked: whoever assigns the user type after this puts the guard anew.
        let guard = keyspace::assigned(library.value.uid, &self.user_type);
        let guarded = authority.store.get(vec![guard.clone()]).await?;
        let state = authority.index.read()?;
        let slot = state.directory().library_named(self.library.as_str());
        if slot.is_some_and(|slot| slot.is_assigned(&self.user_type)) {
            return Err(Error::new(
                Reason::InUse,
                "users are assigned this user type; take it from them first",
            ));
        }
        let mut plan = Plan::new(&self.library, library.value.uid);
        plan.read(&library);
        plan.event = AuditEvent {
            user_type: self.user_type.to_string(),
            ..plan.event
        };
        plan.preconditions
            .push(match guarded.into_iter().next().flatten() {
                Some(record) => Precondition::At(guard.clone(), record.mod_revision),
                None => Precondition::Absent(guard.clone()),
            });
        plan.changes.push(Change::Delete(guard));
        plan.delete(&before);
        Ok(plan)
    }
}
