//! Grants and permissions as sets of texts.

use std::collections::BTreeSet;

use super::records::{Grant, Model, Pair, Text, Token};
use super::uses::minutes;
use crate::authority::tests::naive::{Plain, gives, has, lies_in};

/// Every reserved permission.
pub(super) const RESERVED: [Text; 7] = [
    "tokens:self",
    "tokens:self-rotate",
    "tokens:admin",
    "tokens:verify",
    "tokens:act-as",
    "directory:read",
    "directory:admin",
];
/// Every ordinary pattern of the resources and actions in use: what two of them both grant is one of them.
const ORDINARY: [Text; 24] = [
    "*:*",
    "*:read",
    "*:list",
    "*:get",
    "*:write",
    "*:delete",
    "orders:*",
    "orders:read",
    "orders:list",
    "orders:get",
    "orders:write",
    "orders:delete",
    "users:*",
    "users:read",
    "users:list",
    "users:get",
    "users:write",
    "users:delete",
    "stock:*",
    "stock:read",
    "stock:list",
    "stock:get",
    "stock:write",
    "stock:delete",
];

pub(super) fn is_reserved(permission: &str) -> bool {
    RESERVED.contains(&permission)
}

pub(super) fn reserved_of(listed: &[Text]) -> Vec<Text> {
    listed.iter().copied().filter(|p| is_reserved(p)).collect()
}

pub(super) fn ordinary_of(listed: &[Text]) -> Vec<Text> {
    listed.iter().copied().filter(|p| !is_reserved(p)).collect()
}

/// The reserved permissions that these give, with all that they include.
pub(super) fn held_by(listed: &[Text]) -> Vec<Text> {
    let reserved = reserved_of(listed);
    let held = RESERVED.into_iter();
    held.filter(|r| reserved.iter().any(|l| gives(l, r)))
        .collect()
}

/// Those of the first that are not among the second.
pub(super) fn without(these: &[Text], unwanted: &[Text]) -> Vec<Text> {
    these
        .iter()
        .copied()
        .filter(|t| !unwanted.contains(t))
        .collect()
}

/// What both patterns grant.
fn meet(a: &str, b: &str) -> Option<Text> {
    let part = |a: &str, b: &str| match (a, b) {
        ("*", part) | (part, "*") => Some(part.to_owned()),
        (a, b) => (a == b).then(|| a.to_owned()),
    };
    let ((resource_a, action_a), (resource_b, action_b)) =
        (a.split_once(':').unwrap(), b.split_once(':').unwrap());
    let met = format!(
        "{}:{}",
        part(resource_a, resource_b)?,
        part(action_a, action_b)?
    );
    Some(ORDINARY.into_iter().find(|o| *o == met).unwrap())
}

/// What each of these grants together with each of those.
pub(super) fn meets(some: &[Text], others: &[Text]) -> Vec<Text> {
    let pairs = some.iter().flat_map(|a| others.iter().map(move |b| (a, b)));
    let met: BTreeSet<Text> = pairs.filter_map(|(a, b)| meet(a, b)).collect();
    met.into_iter().collect()
}

/// The ordinary patterns that an access right leaves, as a list that stands for all.
pub(super) fn left_by(grant: &Grant) -> Vec<Text> {
    match grant.right {
        "FULL" => vec!["*:*"],
        "READ_ONLY" => vec!["*:read", "*:list", "*:get"],
        _ => ordinary_of(&grant.listed),
    }
}

impl Grant {
    /// The reserved permissions that it keeps of its user's.
    pub(super) fn keeps(&self) -> Vec<Text> {
        let mut held = held_by(&self.listed);
        if self.right == "READ_ONLY" {
            held.retain(|r| *r == "directory:read");
        }
        held
    }

    /// The reserved permissions that a change from another grant to this one conveys.
    pub(super) fn conveys_beyond(&self, before: &Grant) -> Vec<Text> {
        let could = if before.pin.is_none() || before.pin == self.pin {
            before.keeps()
        } else {
            // Another assignment of the user counts now.
            Vec::new()
        };
        let mut more = without(&reserved_of(&self.listed), &held_by(&before.listed));
        more.extend(without(&self.keeps(), &could));
        more
    }

    pub(super) fn lists_in_vain(&self) -> bool {
        self.right != "CUSTOM" && !ordinary_of(&self.listed).is_empty()
    }

    /// This one ∩ the calling token's own; `None` where nothing is left of a restriction, or what is asked makes no sense.
    pub(super) fn within(&self, own: &Grant) -> Option<Grant> {
        if self.lists_in_vain() || (self.pin.is_some() && own.pin.is_some() && self.pin != own.pin)
        {
            return None;
        }
        let rights = [self.right, own.right];
        let right = ["CUSTOM", "READ_ONLY", "FULL"];
        let right = right.into_iter().find(|r| rights.contains(r))?;
        // What an access right makes void stays void under another.
        let asked = if right == self.right {
            reserved_of(&self.listed)
        } else {
            self.keeps()
        };
        let mut listed: BTreeSet<Text> = asked.into_iter().collect();
        listed.retain(|r| own.keeps().contains(r));
        if right == "CUSTOM" {
            listed.extend(meets(&left_by(self), &left_by(own)));
        }
        Some(Grant {
            pin: self.pin.or(own.pin),
            right,
            listed: listed.into_iter().collect(),
            apis: both(&self.apis, &own.apis, |a, b| (a == b).then_some(a))?,
            networks: both(&self.networks, &own.networks, narrower)?,
        })
    }
}

/// What two restrictions both leave; an empty one restricts nothing.
fn both(asked: &[Text], own: &[Text], meet: fn(Text, Text) -> Option<Text>) -> Option<Vec<Text>> {
    if asked.is_empty() || own.is_empty() {
        return Some([asked, own].concat());
    }
    let mut left: Vec<Text> = Vec::new();
    for met in asked
        .iter()
        .flat_map(|a| own.iter().filter_map(|b| meet(a, b)))
    {
        if !left.contains(&met) {
            left.push(met);
        }
    }
    (!left.is_empty()).then_some(left)
}

/// The narrower of two networks, if it lies in the other.
pub(super) fn narrower(a: Text, b: Text) -> Option<Text> {
    match (a, b) {
        (a, b) if a == b => Some(a),
        ("10.0.0.0/8", "10.0.0.5") | ("10.0.0.5", "10.0.0.0/8") => Some("10.0.0.5"),
        _ => None,
    }
}

impl Model {
    /// A token in the form that is judged, with a demand of nothing.
    pub(super) fn plain(&self, token: &Token) -> Plain {
        let (library, user) = (&self.libraries[token.library], &self.users[token.user]);
        let state = |alive, disabled| match (alive, disabled) {
            (false, _) => "DELETED",
            (true, true) => "DISABLED",
            (true, false) => "ACTIVE",
        };
        let types = self.user_types.iter();
        let types = types.filter(|t| t.alive && t.library == token.library);
        Plain {
            revoked_from: self.is_revoked(token).then_some(self.now),
            suspended: token.suspended.is_some(),
            not_before: token.not_before.unwrap_or(token.created),
            expire_time: token.expires,
            now: self.now,
            kind: if token.session { "SESSION" } else { "API" },
            active: token
                .used
                .last
                .as_ref()
                .map_or(token.created, |last| last.time.max(token.created)),
            idle_minutes: minutes(library.idle),
            library: library.name,
            library_state: state(library.alive, library.disabled),
            library_networks: library.networks.clone(),
            user_state: state(user.alive, user.disabled),
            user_kind: user.kind,
            owner: user.owner,
            assigned: user.assigned.clone(),
            types: types.map(|t| (t.name, t.permissions.clone())).collect(),
            pin: token.grant.pin,
            right: token.grant.right,
            listed: token.grant.listed.clone(),
            apis: token.grant.apis.clone(),
            networks: token.grant.networks.clone(),
            wanted_library: "",
            wanted: Vec::new(),
            wanted_department: "",
            wanted_api: "",
            wanted_owner: "",
            ip: "",
            promises_owner: false,
            promises_department: false,
        }
    }
}

/// The assignments in force for a demand.
pub(super) fn in_force(plain: &Plain) -> Vec<Pair> {
    let assigned = plain.assigned.iter().copied();
    assigned
        .filter(|pair| plain.pin.is_none_or(|pin| pin == *pair))
        .filter(|(department, _)| {
            plain.wanted_department.is_empty()
                || department.is_empty()
                || *department == plain.wanted_department
        })
        .collect()
}

/// The permissions in effect for a demand, sorted.
pub(super) fn effective(plain: &Plain) -> Vec<Text> {
    let had: Vec<Text> = in_force(plain)
        .iter()
        .flat_map(|(_, user_type)| ordinary_of(&plain.types[user_type]))
        .collect();
    let grant = Grant {
        pin: plain.pin,
        right: plain.right,
        listed: plain.listed.clone(),
        apis: Vec::new(),
        networks: Vec::new(),
    };
    let mut all: BTreeSet<Text> = meets(&had, &left_by(&grant)).into_iter().collect();
    all.extend(RESERVED.into_iter().filter(|r| has(plain, r)));
    all.into_iter().collect()
}

/// Whether an address lies in one of these networks; in none it needn't lie.
pub(super) fn allowed(networks: &[Text], ip: &str) -> bool {
    networks.is_empty() || networks.iter().any(|network| lies_in(ip, network))
}
