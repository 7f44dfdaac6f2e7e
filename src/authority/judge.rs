//! The judge: is this token good for this, right now? Pure: records, a demand and the time in, a verdict out.

use std::collections::HashMap;

use super::cidr::{self, Address};
use super::directory::{Assignment, Library, SYSTEM, UserKind, UserType};
use super::grant::Rights;
use super::idle::IdleTimeout;
use super::keyspace::Versioned;
use super::moment::Moment;
use super::name::Name;
use super::permission::{Permission, PermissionSet};
use super::token::{Grant, TokenKind};
use super::uses::FLUSH_INTERVAL_MS;
use crate::store::Revision;

/// What was found of a token. In the order in which it is judged: the first that applies is the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Good for what was asked, right now.
    Valid,
    /// Not the form of a token of this authority.
    Malformed,
    /// Unknown id or wrong secret, or none of the verifier's business.
    NotFound,
    /// Revoked, for good.
    Revoked,
    /// Suspended.
    Suspended,
    /// Its `not_before` is still to come.
    NotYetValid,
    /// Its `expire_time` has passed, or it is a session that was idle for too long.
    Expired,
    /// Its library is disabled or deleted.
    LibraryDisabled,
    /// Its user is disabled or deleted.
    UserDisabled,
    /// It belongs to another library.
    WrongLibrary,
    /// The assignment that it is pinned to was taken from its user.
    AssignmentRemoved,
    /// The client's address is not allowed, or was not given.
    IpNotAllowed,
    /// The API is not one of its own, or was not given.
    WrongApi,
    /// The data is another customer's, or it was not said whose.
    WrongDataOwner,
    /// The department is not the pinned one, or was not given.
    WrongDepartment,
    /// A permission that was demanded is not in effect.
    MissingPermission,
}

/// What the caller is about to allow. A restriction that the token carries and the demand doesn't address is a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demand {
    /// The library that the token must belong to; `None` for any.
    pub library: Option<Name>,
    /// The permissions needed, all of them; with none, it authenticates only.
    pub permissions: Vec<Permission>,
    /// The department whose data is touched.
    pub department: Option<Name>,
    /// The API being called.
    pub api: Option<Name>,
    /// The customer whose data is touched.
    pub data_owner: Option<String>,
    /// The end client's address.
    pub client_ip: Option<Address>,
    /// The caller will confine its answer to the token's data owner.
    pub confines_data_owner: bool,
    /// The caller will confine its answer to the token's departments.
    pub confines_department: bool,
}

/// What the judge reads.
#[derive(Debug, Clone, Copy)]
pub struct Records<'a> {
    /// The token.
    pub token: TokenFacts,
    /// Its grant.
    pub grant: &'a Grant,
    /// Its library; `None` once it is deleted.
    pub library: Option<&'a Versioned<Library>>,
    /// Its user; `None` once it is deleted.
    pub user: Option<&'a UserFacts>,
    /// The user types of its library.
    pub user_types: &'a HashMap<Name, Versioned<UserType>>,
}

/// What the judge knows of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenFacts {
    /// What it is for.
    pub kind: TokenKind,
    /// The first moment at which it is good.
    pub not_before: Moment,
    /// The first moment at which it is no longer good.
    pub expire_time: Moment,
    /// Of a session: when it was made or last used, whichever is later.
    pub active_time: Moment,
    /// Whether it is suspended.
    pub suspended: bool,
    /// The first moment at which it is revoked; `None` for never.
    pub revoked_from: Option<Moment>,
}

// === impl Records ===

impl<'a> Records<'a> {
    /// The rights that would be in effect if nothing else stood against the token; `None` if its user is deleted.
    #[must_use]
    pub fn rights(&self, department: Option<&Name>) -> Option<Rights<'a>> {
        let assigned = assigned(self.user?, self.user_types);
        Some(Rights::evaluate(self.grant, assigned, department))
    }
}

// === impl TokenFacts ===

impl TokenFacts {
    /// Whether it is revoked at this moment.
    #[must_use]
    pub fn is_revoked(&self, now: Moment) -> bool {
        self.revoked_from.is_some_and(|from| now >= from)
    }

    /// Whether it has expired at this moment: at its end, or a session that was idle for longer than its library allows.
    #[must_use]
    pub fn has_expired(&self, library: Option<&Versioned<Library>>, now: Moment) -> bool {
        let timeout = library.and_then(|l| l.value.session_idle_timeout.as_ref());
        let is_idle = |timeout: &IdleTimeout| {
            // Some of the last uses may not be known any more; that is to nobody's harm.
            self.kind == TokenKind::Session
                && now >= timeout.after(self.active_time).plus(FLUSH_INTERVAL_MS)
        };
        now >= self.expire_time || timeout.is_some_and(is_idle)
    }
}

/// What the judge knows of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFacts {
    /// What kind it is.
    pub kind: UserKind,
    /// Whether all its tokens are refused.
    pub disabled: bool,
    /// What it may do, and where.
    pub assignments: Vec<Assignment>,
    /// Of a contact: the customer whose data it may see.
    pub data_owner: String,
    /// The revision of its last change.
    pub revision: Revision,
}

/// Judges a token whose secret has proved right. `Ok` is VALID, with the rights in effect for the demand.
///
/// # Errors
/// The first verdict, in the order of [`Verdict`], that stands against it.
pub fn judge<'a>(
    records: Records<'a>,
    demand: &Demand,
    now: Moment,
) -> Result<Rights<'a>, Verdict> {
    let refuse = |refused: bool, verdict: Verdict| if refused { Err(verdict) } else { Ok(()) };
    let Records {
        token,
        grant,
        library,
        user,
        user_types,
    } = records;

    refuse(token.is_revoked(now), Verdict::Revoked)?;
    refuse(token.suspended, Verdict::Suspended)?;
    refuse(now < token.not_before, Verdict::NotYetValid)?;
    refuse(token.has_expired(library, now), Verdict::Expired)?;
    let library = library
        .map(|l| &l.value)
        .filter(|l| !l.disabled)
        .ok_or(Verdict::LibraryDisabled)?;
    let user = user.filter(|u| !u.disabled).ok_or(Verdict::UserDisabled)?;
    refuse(!belongs(library, demand), Verdict::WrongLibrary)?;

    let assigned = || assigned(user, user_types);
    let pin = grant.pin.as_ref();
    refuse(
        pin.is_some_and(|pin| !assigned().any(|(a, _)| a == pin)),
        Verdict::AssignmentRemoved,
    )?;
    let addressed = cidr::allows(&library.allowed_cidrs, demand.client_ip)
        && cidr::allows(&grant.allowed_cidrs, demand.client_ip);
    refuse(!addressed, Verdict::IpNotAllowed)?;
    let api = demand.api.as_ref();
    refuse(
        !grant.apis.is_empty() && !api.is_some_and(|a| grant.apis.contains(a)),
        Verdict::WrongApi,
    )?;
    refuse(!serves_data_owner(user, demand), Verdict::WrongDataOwner)?;
    let pinned = pin.and_then(|pin| pin.department.as_ref());
    refuse(!serves_department(pinned, demand), Verdict::WrongDepartment)?;

    let rights = Rights::evaluate(grant, assigned(), demand.department.as_ref());
    refuse(
        !demand.permissions.iter().all(|p| rights.permits(p)),
        Verdict::MissingPermission,
    )?;
    Ok(rights)
}

/// A user's assignments, each with what its user type grants now.
fn assigned<'a>(
    user: &'a UserFacts,
    user_types: &'a HashMap<Name, Versioned<UserType>>,
) -> impl Iterator<Item = (&'a Assignment, &'a PermissionSet)> {
    let granted = |a: &'a Assignment| Some((a, &user_types.get(&a.user_type)?.value.permissions));
    user.assignments.iter().filter_map(granted)
}

/// Credentials of the library `system` hold in every library, all others in their own alone.
fn belongs(library: &Library, demand: &Demand) -> bool {
    demand
        .library
        .as_ref()
        .is_none_or(|demanded| *demanded == library.library)
        || library.library.as_str() == SYSTEM
}

fn serves_data_owner(user: &UserFacts, demand: &Demand) -> bool {
    match (user.kind, &demand.data_owner) {
        (UserKind::Standard | UserKind::ApiOnly, _) => true,
        (UserKind::Contact, Some(demanded)) => *demanded == user.data_owner,
        (UserKind::Contact, None) => demand.confines_data_owner,
    }
}

fn serves_department(pinned: Option<&Name>, demand: &Demand) -> bool {
    match (pinned, &demand.department) {
        (None, _) => true,
        (Some(pinned), Some(demanded)) => pinned == demanded,
        (Some(_), None) => demand.confines_department,
    }
}

// === impl Verdict ===

impl Verdict {
    /// All of them, in the order in which they are judged.
    pub const ALL: [Verdict; 16] = [
        Verdict::Valid,
        Verdict::Malformed,
        Verdict::NotFound,
        Verdict::Revoked,
        Verdict::Suspended,
        Verdict::NotYetValid,
        Verdict::Expired,
        Verdict::LibraryDisabled,
        Verdict::UserDisabled,
        Verdict::WrongLibrary,
        Verdict::AssignmentRemoved,
        Verdict::IpNotAllowed,
        Verdict::WrongApi,
        Verdict::WrongDataOwner,
        Verdict::WrongDepartment,
        Verdict::MissingPermission,
    ];

    /// Its number in records: its place in the order, from 1 on.
    #[must_use]
    pub fn number(self) -> u32 {
        let number = (1..)
            .zip(Verdict::ALL)
            .find(|(_, verdict)| *verdict == self);
        number.map_or(0, |(number, _)| number)
    }

    /// The inverse of [`Verdict::number`].
    #[must_use]
    pub fn numbered(number: u32) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|v| v.number() == number)
    }

    /// Its one spelling, in answers, logs, metrics and audit events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Valid => "VALID",
            Verdict::Malformed => "MALFORMED",
            Verdict::NotFound => "NOT_FOUND",
            Verdict::Revoked => "REVOKED",
            Verdict::Suspended => "SUSPENDED",
            Verdict::NotYetValid => "NOT_YET_VALID",
            Verdict::Expired => "EXPIRED",
            Verdict::LibraryDisabled => "LIBRARY_DISABLED",
            Verdict::UserDisabled => "USER_DISABLED",
            Verdict::WrongLibrary => "WRONG_LIBRARY",
            Verdict::AssignmentRemoved => "ASSIGNMENT_REMOVED",
            Verdict::IpNotAllowed => "IP_NOT_ALLOWED",
            Verdict::WrongApi => "WRONG_API",
            Verdict::WrongDataOwner => "WRONG_DATA_OWNER",
            Verdict::WrongDepartment => "WRONG_DEPARTMENT",
            Verdict::MissingPermission => "MISSING_PERMISSION",
        }
    }

    /// A sentence that says what would help.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Verdict::Valid => "The token is good for this.",
            Verdict::Malformed => {
                "This is not a token of this authority; check that it was copied whole."
            }
            Verdict::NotFound => {
                "No such token is known; check that it was copied whole, or ask for a new one."
            }
            Verdict::Revoked => {
                "The token was revoked for good; ask an administrator for a new one."
            }
            Verdict::Suspended => "The token is suspended; an administrator can resume it.",
            Verdict::NotYetValid => "The token is not good yet; use it from its not_before on.",
            Verdict::Expired => {
                "The token has expired; an administrator can extend it. A session that was idle for too long needs a new login."
            }
            Verdict::LibraryDisabled => {
                "The token's library is disabled or deleted; ask an operator."
            }
            Verdict::UserDisabled => {
                "The token's user is disabled or deleted; ask an administrator."
            }
            Verdict::WrongLibrary => {
                "The token belongs to another library; use one of the library demanded."
            }
            Verdict::AssignmentRemoved => {
                "The assignment that the token is pinned to was taken from its user; assign it again or make a new token."
            }
            Verdict::IpNotAllowed => {
                "The token or its library allows certain client addresses only; pass client_ip, and call from one of them."
            }
            Verdict::WrongApi => {
                "The token is for certain APIs only; pass api, and use it with one of them."
            }
            Verdict::WrongDataOwner => {
                "The token sees one customer's data only; pass data_owner, or promise FILTER_DATA_OWNER."
            }
            Verdict::WrongDepartment => {
                "The token is for one department only; pass department, or promise FILTER_DEPARTMENT."
            }
            Verdict::MissingPermission => {
                "The token lacks a permission that was demanded; its user type, its grant or the department leaves it out."
            }
        }
    }
}

#[cfg(test)]
mod tests;
