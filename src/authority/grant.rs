//! The algebra of rights: what a token may do is what its user has at this moment, less what its grant takes away.

use std::collections::BTreeSet;

use super::directory::Assignment;
use super::error::Error;
use super::name::Name;
use super::permission::{
    MAX_PERMISSIONS, Pattern, Permission, PermissionSet, Reserved, ReservedSet,
};
use super::token::{AccessRight, Grant};

/// Rights in effect for one demand. Evaluated at each use, never kept: change a user type, and every token follows.
#[derive(Debug)]
pub struct Rights<'a> {
    grant: &'a Grant,
    in_force: Vec<(&'a Assignment, &'a PermissionSet)>,
    reserved: ReservedSet,
}

/// Most ordinary permissions that an answer lists. A demand is judged by all of them; the list is bounded because patterns
/// such as "*:read" and "orders:*" cross: 32 user types and a grant of 64 each could make 131,072.
const MAX_EFFECTIVE: usize = 1024;

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

    /// The permissions in effect: all of them, or [`MAX_EFFECTIVE`] where patterns cross to more.
    #[must_use]
    pub fn effective(&self) -> PermissionSet {
        let had = self.in_force.iter().flat_map(|(_, set)| set.patterns());
        let mut effective: PermissionSet = match self.grant.access_right {
            AccessRight::Full => bounded(had.cloned()),
            AccessRight::ReadOnly => bounded(had.flat_map(Pattern::read_only)),
            AccessRight::Custom => {
                let kept = self.grant.permissions.patterns();
                bounded(had.flat_map(|h| kept.iter().filter_map(|k| h.intersect(k))))
            }
        };
        effective.reserved = self.reserved;
        effective
    }
}

/// The first so many, each once.
fn bounded(patterns: impl Iterator<Item = Pattern>) -> PermissionSet {
    let mut found = BTreeSet::new();
    for pattern in patterns {
        found.insert(pattern);
        if found.len() == MAX_EFFECTIVE {
            break;
        }
    }
    found.into_iter().collect()
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

    /// The ordinary permissions that both leave, of which at least one is a list.
    fn listed_within<'a>(&'a self, own: &'a Grant) -> Box<dyn Iterator<Item = Pattern> + 'a> {
        let (list, other) = match self.access_right {
            AccessRight::Custom => (self, own),
            AccessRight::Full | AccessRight::ReadOnly => (own, self),
        };
        let listed = list.permissions.patterns().iter();
        match other.access_right {
            AccessRight::Full => Box::new(listed.cloned()),
            AccessRight::ReadOnly => Box::new(listed.flat_map(Pattern::read_only)),
            AccessRight::Custom => Box::new(listed.flat_map(|a| {
                let others = other.permissions.patterns().iter();
                others.filter_map(|b| a.intersect(b))
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

impl Pattern {
    /// What a `READ_ONLY` grant leaves of it.
    fn read_only(&self) -> Vec<Pattern> {
        READING
            .iter()
            .filter_map(|action| self.with_action(action))
            .collect()
    }
}

#[cfg(test)]
mod tests;
