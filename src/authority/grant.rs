//! The algebra of rights: what a token may do is what its user has at this moment, less what its grant takes away.

mod effective;

use self::effective::bounded;
use super::directory::Assignment;
use super::error::Error;
use super::name::Name;
use super::permission::{
    MAX_PERMISSIONS, Parts, Pattern, Permission, PermissionSet, Reserved, ReservedSet,
};
use super::token::{AccessRight, Grant};

/// Rights in effect for one demand. Evaluated at each use, never kept: change a user type, and every token follows.
#[derive(Debug)]
pub struct Rights<'a> {
    grant: &'a Grant,
    in_force: Vec<(&'a Assignment, &'a PermissionSet)>,
    reserved: ReservedSet,
}

/// The actions that a `READ_ONLY` token keeps.
const READING: [&str; 3] = ["read", "list", "get"];

// === impl Rights ===

impl<'a> Rights<'a> {
    /// Evaluates a user's assignments, each with what its user type grants now, for a demand in this department, or in
    /// no particular one.
    pub fn evaluate(
        grant: &'a Grant,
        assignments: impl Iterator<Item = (&'a Assignment, &'a PermissionSet)>,
        department: Option<&Name>,
    ) -> Rights<'a> {
        let mut rights = Rights {
            grant,
            in_force: Vec::new(),
            reserved: ReservedSet::default(),
        };
        let counted = assignments.filter(|(a, _)| grant.pin.as_ref().is_none_or(|pin| pin == *a));
        for (assignment, permissions) in counted {
            // Reserved permissions hold in the whole library, whatever the department of the assignment.
            rights.reserved = rights.reserved.union(permissions.reserved.held());
            let applies = match (&assignment.department, department) {
                (Some(held), Some(demanded)) => held == demanded,
                _ => true,
            };
            if applies {
                rights.in_force.push((assignment, permissions));
            }
        }
        rights.reserved = rights.reserved.intersect(grant.reserved_kept());
        rights
    }

    /// Whether the permission is in effect.
    #[must_use]
    pub fn permits(&self, demand: &Permission) -> bool {
        let reserved = PermissionSet::from(self.reserved);
        reserved.permits(demand)
            || (keeps(self.grant, demand)
                && self
                    .in_force
                    .iter()
                    .any(|(_, set)| permits_ordinary(set, demand)))
    }

    /// The reserved permissions in effect, with all that they include.
    #[must_use]
    pub fn reserved(&self) -> ReservedSet {
        self.reserved
    }

    /// The assignments in force.
    pub fn assignments(&self) -> impl Iterator<Item = &'a Assignment> + '_ {
        self.in_force.iter().map(|(assignment, _)| *assignment)
    }
}

/// Whether the grant leaves an ordinary permission.
fn keeps(grant: &Grant, demand: &Permission) -> bool {
    match grant.access_right {
        AccessRight::Full => true,
        AccessRight::ReadOnly => READING.contains(&demand.action()),
        AccessRight::Custom => permits_ordinary(&grant.permissions, demand),
    }
}

fn permits_ordinary(set: &PermissionSet, demand: &Permission) -> bool {
    !demand.is_reserved() && set.permits(demand)
}

impl Grant {
    /// What it leaves of reserved permissions: those that it lists, and `READ_ONLY` of those only the reading ones.
    pub(super) fn reserved_kept(&self) -> ReservedSet {
        let listed = self.permissions.reserved.held();
        match self.access_right {
            AccessRight::Full | AccessRight::Custom => listed,
            AccessRight::ReadOnly => listed.intersect(ReservedSet::of(&[Reserved::DirectoryRead])),
        }
    }

    /// The reserved permissions that this grant may give and the one before it could not: those that it keeps in addition, and
    /// all that it keeps if another assignment of the user counts now.
    pub(super) fn reserved_added(&self, before: &Grant) -> ReservedSet {
        let listed = self
            .permissions
            .reserved
            .without(before.permissions.reserved.held());
        let same_source = before.pin.is_none() || before.pin == self.pin;
        let could = if same_source {
            before.reserved_kept()
        } else {
            ReservedSet::default()
        };
        listed.union(self.reserved_kept().without(could))
    }
}

impl Grant {
    /// Fails if its access right gives no meaning to what it lists: `FULL` and `READ_ONLY` list reserved permissions alone.
    pub(super) fn check_list(&self) -> Result<(), Error> {
        if self.lists_in_vain() {
            return Err(Error::invalid(
                "permissions",
                "may list reserved permissions alone unless access_right is CUSTOM",
            ));
        }
        Ok(())
    }

    /// What both leave: of a grant that is asked for, as much as the token has that asks. Neither is widened.
    ///
    /// # Errors
    /// [`super::error::Reason::InvalidFields`] where nothing would be left of a restriction, since an empty one restricts nothing;
    /// and for a list that its access right gives no meaning to.
    pub(super) fn within(&self, own: &Grant) -> Result<Grant, Error> {
        self.check_list()?;
        let pin = match (&self.pin, &own.pin) {
            (Some(asked), Some(kept)) if asked != kept => {
                return Err(Error::invalid(
                    "user_type",
                    "must be, with department, the assignment that the calling token is pinned to",
                ));
            }
            (asked, kept) => asked.clone().or_else(|| kept.clone()),
        };
        let access_right = match (self.access_right, own.access_right) {
            (AccessRight::Custom, _) | (_, AccessRight::Custom) => AccessRight::Custom,
            (AccessRight::ReadOnly, _) | (_, AccessRight::ReadOnly) => AccessRight::ReadOnly,
            (AccessRight::Full, AccessRight::Full) => AccessRight::Full,
        };
        let mut permissions: PermissionSet = match access_right {
            AccessRight::Custom => bounded(self.listed_within(own)),
            AccessRight::Full | AccessRight::ReadOnly => PermissionSet::default(),
        };
        // What an access right makes void stays void under another.
        let asked = if access_right == self.access_right {
            self.permissions.reserved
        } else {
            self.reserved_kept()
        };
        permissions.reserved = asked.intersect(own.reserved_kept());
        if permissions.patterns().len() > MAX_PERMISSIONS {
            return Err(Error::invalid(
                "permissions",
                "cross with those of the calling token to more than 64; list fewer",
            ));
        }
        Ok(Grant {
            pin,
            access_right,
            permissions,
            apis: both("apis", &self.apis, &own.apis, |a, b| {
                (a == b).then(|| a.clone())
            })?,
            allowed_cidrs: both(
                "allowed_cidrs",
                &self.allowed_cidrs,
                &own.allowed_cidrs,
                |a, b| a.intersect(*b),
            )?,
        })
    }

    /// The ordinary permissions that both leave, of which at least one is a list: each pair of them, crossed.
    fn listed_within<'a>(
        &'a self,
        own: &'a Grant,
    ) -> Box<dyn Iterator<Item = Option<Parts<'a>>> + 'a> {
        let (list, other) = match self.access_right {
            AccessRight::Custom => (self, own),
            AccessRight::Full | AccessRight::ReadOnly => (own, self),
        };
        let listed = list.permissions.patterns().iter().map(Pattern::parts);
        match other.access_right {
            AccessRight::Full => Box::new(listed.map(Some)),
            AccessRight::ReadOnly => Box::new(listed.flat_map(Parts::read_only)),
            AccessRight::Custom => Box::new(listed.flat_map(|a| {
                let others = other.permissions.patterns().iter();
                others.map(move |b| a.intersect(b.parts()))
            })),
        }
    }
}

/// What two restrictions both leave; an empty one restricts nothing.
fn both<T: Clone + PartialEq>(
    field: &'static str,
    asked: &[T],
    own: &[T],
    meet: impl Fn(&T, &T) -> Option<T>,
) -> Result<Vec<T>, Error> {
    if asked.is_empty() || own.is_empty() {
        return Ok([asked, own].concat());
    }
    let mut left = Vec::new();
    for met in asked
        .iter()
        .flat_map(|a| own.iter().filter_map(|b| meet(a, b)))
    {
        if !left.contains(&met) {
            left.push(met);
        }
    }
    if left.is_empty() {
        let why = "must leave something of the calling token's own; name some of those";
        return Err(Error::invalid(field, why));
    }
    Ok(left)
}

impl<'a> Parts<'a> {
    /// What a `READ_ONLY` grant leaves of them, action by action.
    pub(super) fn read_only(self) -> impl Iterator<Item = Option<Parts<'a>>> {
        READING
            .into_iter()
            .map(move |action| self.with_action(action))
    }
}

#[cfg(test)]
mod tests;
