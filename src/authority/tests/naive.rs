//! The rules of judging once more, from the specification alone, over plain texts and as simple as can be.

use std::collections::BTreeMap;

/// A record and a demand, in plain texts. An empty department or an empty text stands for none.
#[derive(Debug, Clone)]
pub(in crate::authority) struct Plain {
    pub(in crate::authority) revoked_from: Option<i64>,
    pub(in crate::authority) suspended: bool,
    pub(in crate::authority) not_before: i64,
    pub(in crate::authority) expire_time: i64,
    pub(in crate::authority) now: i64,
    pub(in crate::authority) kind: &'static str,
    pub(in crate::authority) active: i64,
    /// Minutes; 0 for none.
    pub(in crate::authority) idle_minutes: i64,
    pub(in crate::authority) library: &'static str,
    pub(in crate::authority) library_state: &'static str,
    pub(in crate::authority) library_networks: Vec<&'static str>,
    pub(in crate::authority) user_state: &'static str,
    pub(in crate::authority) user_kind: &'static str,
    pub(in crate::authority) owner: &'static str,
    pub(in crate::authority) assigned: Vec<(&'static str, &'static str)>,
    pub(in crate::authority) types: BTreeMap<&'static str, Vec<&'static str>>,
    pub(in crate::authority) pin: Option<(&'static str, &'static str)>,
    pub(in crate::authority) right: &'static str,
    pub(in crate::authority) listed: Vec<&'static str>,
    pub(in crate::authority) apis: Vec<&'static str>,
    pub(in crate::authority) networks: Vec<&'static str>,
    pub(in crate::authority) wanted_library: &'static str,
    pub(in crate::authority) wanted: Vec<&'static str>,
    pub(in crate::authority) wanted_department: &'static str,
    pub(in crate::authority) wanted_api: &'static str,
    pub(in crate::authority) wanted_owner: &'static str,
    pub(in crate::authority) ip: &'static str,
    pub(in crate::authority) promises_owner: bool,
    pub(in crate::authority) promises_department: bool,
}

pub(in crate::authority) const NETWORKS: [(&str, &[&str]); 4] = [
    ("10.0.0.0/8", &["10.0.0.5", "::ffff:10.0.0.5"]),
    ("10.0.0.5", &["10.0.0.5", "::ffff:10.0.0.5"]),
    ("2001:db8::/32", &["2001:db8::1"]),
    ("192.0.2.0/24", &["192.0.2.1"]),
];

pub(in crate::authority) fn judge_naively(p: &Plain) -> &'static str {
    if p.revoked_from.is_some_and(|from| from <= p.now) {
        return "REVOKED";
    }
    if p.suspended {
        return "SUSPENDED";
    }
    if p.now < p.not_before {
        return "NOT_YET_VALID";
    }
    if p.expire_time <= p.now {
        return "EXPIRED";
    }
    // One more minute, in which a last use may not have been kept.
    let may_idle = i128::from(p.idle_minutes + 1) * 60_000;
    let idle = i128::from(p.now) - i128::from(p.active);
    let times_out = p.kind == "SESSION" && p.idle_minutes > 0 && p.library_state != "DELETED";
    if times_out && idle >= may_idle {
        return "EXPIRED";
    }
    if p.library_state != "ACTIVE" {
        return "LIBRARY_DISABLED";
    }
    if p.user_state != "ACTIVE" {
        return "USER_DISABLED";
    }
    let at_home = p.wanted_library.is_empty() || p.wanted_library == p.library;
    if !at_home && p.library != "system" {
        return "WRONG_LIBRARY";
    }
    if let Some(pin) = p.pin
        && !p.assigned.contains(&pin)
    {
        return "ASSIGNMENT_REMOVED";
    }
    for networks in [&p.library_networks, &p.networks] {
        if !networks.is_empty() && !networks.iter().any(|network| lies_in(p.ip, network)) {
            return "IP_NOT_ALLOWED";
        }
    }
    if !p.apis.is_empty() && !p.apis.contains(&p.wanted_api) {
        return "WRONG_API";
    }
    if p.user_kind == "CONTACT" {
        if p.wanted_owner.is_empty() && !p.promises_owner {
            return "WRONG_DATA_OWNER";
        }
        if !p.wanted_owner.is_empty() && p.wanted_owner != p.owner {
            return "WRONG_DATA_OWNER";
        }
    }
    if let Some((department, _)) = p.pin
        && !department.is_empty()
    {
        if p.wanted_department.is_empty() && !p.promises_department {
            return "WRONG_DEPARTMENT";
        }
        if !p.wanted_department.is_empty() && p.wanted_department != department {
            return "WRONG_DEPARTMENT";
        }
    }
    if p.wanted.iter().any(|wanted| !has(p, wanted)) {
        return "MISSING_PERMISSION";
    }
    "VALID"
}

pub(in crate::authority) fn lies_in(ip: &str, network: &str) -> bool {
    NETWORKS
        .iter()
        .any(|(n, inside)| *n == network && inside.contains(&ip))
}

pub(in crate::authority) fn has(p: &Plain, wanted: &str) -> bool {
    let (resource, action) = wanted.split_once(':').unwrap();
    let reserved = resource == "tokens" || resource == "directory";
    let mut user_has = false;
    for (department, user_type) in &p.assigned {
        if p.pin.is_some_and(|pin| pin != (*department, *user_type)) {
            continue;
        }
        // Reserved permissions hold in the whole library.
        let counts = reserved
            || p.wanted_department.is_empty()
            || department.is_empty()
            || *department == p.wanted_department;
        if counts && p.types[user_type].iter().any(|g| gives(g, wanted)) {
            user_has = true;
        }
    }
    let listed = p.listed.iter().any(|g| gives(g, wanted));
    let reads = ["read", "list", "get"].contains(&action);
    let grant_leaves = match p.right {
        "FULL" => !reserved || listed,
        "READ_ONLY" => reads && (!reserved || listed),
        "CUSTOM" => listed,
        other => panic!("{other}"),
    };
    user_has && grant_leaves
}

/// Whether what is granted gives what is wanted.
pub(in crate::authority) fn gives(granted: &str, wanted: &str) -> bool {
    let (resource, action) = wanted.split_once(':').unwrap();
    if resource == "tokens" || resource == "directory" {
        return granted == wanted
            || (granted == "tokens:admin"
                && ["tokens:self", "tokens:self-rotate", "tokens:verify"].contains(&wanted))
            || (granted == "tokens:self" && wanted == "tokens:self-rotate")
            || (granted == "directory:admin" && wanted == "directory:read");
    }
    let (granted_resource, granted_action) = granted.split_once(':').unwrap();
    [resource, "*"].contains(&granted_resource) && [action, "*"].contains(&granted_action)
}
