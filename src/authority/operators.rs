//! The last operator: nothing may leave the library `system` without one.

use super::Authority;
use super::directory::{Assignment, Library, SYSTEM, Uid, User, UserType};
use super::error::Error;
use super::index::{LibrarySlot, State};
use super::keyspace::Versioned;
use super::libraries::protected;
use super::name::Name;
use super::permission::{PermissionSet, Reserved, ReservedSet};
use super::transaction::Plan;

impl Authority {
    /// Fails if this user, as it is about to be, leaves the library `system` without an operator. The library is touched, so
    /// that two who do this to each other at once exclude each other.
    pub(super) fn keep_an_operator(
        &self,
        plan: &mut Plan<User>,
        library: &Versioned<Library>,
        user: &User,
    ) -> Result<(), Error> {
        if library.value.library.as_str() != SYSTEM {
            return Ok(());
        }
        let state = self.index.read()?;
        let Some(slot) = state.directory().library_named(SYSTEM) else {
            return Ok(());
        };
        let granted = |name: &Name| slot.user_types.get(name).map(|t| &t.value.permissions);
        let stays = !user.disabled && operates(&user.assignments, granted);
        if !stays && !any_operator(&state, slot, Some(user.uid), granted) {
            return Err(last_operator());
        }
        plan.touch(library);
        Ok(())
    }

    /// Fails if a user type of `system`, as it is about to be, leaves no operator.
    pub(super) fn keep_operators_after(&self, changed: &UserType) -> Result<(), Error> {
        let state = self.index.read()?;
        let Some(slot) = state.directory().library_named(SYSTEM) else {
            return Ok(());
        };
        let granted = |name: &Name| {
            if *name == changed.user_type {
                Some(&changed.permissions)
            } else {
                slot.user_types.get(name).map(|t| &t.value.permissions)
            }
        };
        if any_operator(&state, slot, None, granted) {
            Ok(())
        } else {
            Err(last_operator())
        }
    }
}

fn last_operator() -> Error {
    protected("this is the last operator; make another one first")
}

/// Whether these assignments make a user of `system` an operator, by what user types grant.
fn operates<'a>(
    assignments: &[Assignment],
    granted: impl Fn(&Name) -> Option<&'a PermissionSet>,
) -> bool {
    let types = assignments.iter().filter_map(|a| granted(&a.user_type));
    let held = types.fold(ReservedSet::default(), |held, permissions| {
        held.union(permissions.reserved.held())
    });
    ReservedSet::of(&[Reserved::TokensAdmin, Reserved::DirectoryAdmin])
        .without(held)
        .is_empty()
}

/// Whether `system` has an operator, this one user left out.
fn any_operator<'a>(
    state: &State,
    slot: &LibrarySlot,
    without: Option<Uid>,
    granted: impl Fn(&Name) -> Option<&'a PermissionSet>,
) -> bool {
    slot.user_slots()
        .map(|user| state.directory().user(user))
        .filter(|user| without != Some(user.uid))
        .filter_map(|user| user.facts.as_ref().filter(|f| !f.disabled))
        .any(|facts| operates(&facts.assignments, &granted))
}
