//! The judge once more, from the specification alone, over plain texts and as simple as can be: two that were written apart
//! agree on any record, or one of them is wrong.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::dice::Dice;
use super::order::rank;
use super::*;
use crate::authority::token::AccessRight;

/// Random cases that both judge.
const CASES: u32 = 25_000;

/// A record and a demand, in plain texts. An empty department or an empty text stands for none.
#[derive(Debug, Clone)]
pub(super) struct Plain {
    pub(super) revoked_from: Option<i64>,
    pub(super) suspended: bool,
    pub(super) not_before: i64,
    pub(super) expire_time: i64,
    pub(super) now: i64,
    pub(super) kind: &'static str,
    pub(super) active: i64,
    /// Minutes; 0 for none.
    pub(super) idle_minutes: i64,
    pub(super) library: &'static str,
    pub(super) library_state: &'static str,
    pub(super) library_networks: Vec<&'static str>,
    pub(super) user_state: &'static str,
    pub(super) user_kind: &'static str,
    pub(super) assigned: Vec<(&'static str, &'static str)>,
    pub(super) types: BTreeMap<&'static str, Vec<&'static str>>,
    pub(super) pin: Option<(&'static str, &'static str)>,
    pub(super) right: &'static str,
    pub(super) listed: Vec<&'static str>,
    pub(super) apis: Vec<&'static str>,
    pub(super) networks: Vec<&'static str>,
    pub(super) wanted_library: &'static str,
    pub(super) wanted: Vec<&'static str>,
    pub(super) wanted_department: &'static str,
    pub(super) wanted_api: &'static str,
    pub(super) wanted_owner: &'static str,
    pub(super) ip: &'static str,
    pub(super) promises_owner: bool,
    pub(super) promises_department: bool,
}

pub(super) const OWNER: &str = "initech";
pub(super) const NETWORKS: [(&str, &[&str]); 4] = [
    ("10.0.0.0/8", &["10.0.0.5", "::ffff:10.0.0.5"]),
    ("10.0.0.5", &["10.0.0.5", "::ffff:10.0.0.5"]),
    ("2001:db8::/32", &["2001:db8::1"]),
    ("192.0.2.0/24", &[]),
];
pub(super) const PATTERNS: [&str; 12] = [
    "*:*",
    "orders:*",
    "orders:*",
    "*:read",
    "orders:write",
    "users:list",
    "tokens:self",
    "tokens:admin",
    "tokens:verify",
    "tokens:act-as",
    "directory:read",
    "directory:admin",
];
pub(super) const WANTED: [&str; 11] = [
    "orders:read",
    "orders:read",
    "orders:write",
    "users:list",
    "users:delete",
    "tokens:self-rotate",
    "tokens:verify",
    "tokens:admin",
    "tokens:made-up",
    "directory:read",
    "directory:admin",
];

// === the naive judge ===

fn judge_naively(p: &Plain) -> &'static str {
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
        if !p.wanted_owner.is_empty() && p.wanted_owner != OWNER {
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

fn lies_in(ip: &str, network: &str) -> bool {
    NETWORKS
        .iter()
        .any(|(n, inside)| *n == network && inside.contains(&ip))
}

fn has(p: &Plain, wanted: &str) -> bool {
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
fn gives(granted: &str, wanted: &str) -> bool {
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

// === the same for the judge ===

impl From<&Plain> for Case {
    fn from(p: &Plain) -> Case {
        let optional = |text: &str| (!text.is_empty()).then(|| name(text));
        let pair = |(department, user_type): &(&str, &str)| Assignment {
            department: optional(department),
            user_type: name(user_type),
        };
        let mut own = library(p.library, 1);
        own.disabled = p.library_state == "DISABLED";
        own.allowed_cidrs = networks(&p.library_networks);
        let timeout = (p.idle_minutes > 0).then(|| format!("{}m", p.idle_minutes));
        own.session_idle_timeout = timeout.map(|text| IdleTimeout::parse(&text).unwrap());
        let user = UserFacts {
            kind: match p.user_kind {
                "STANDARD" => UserKind::Standard,
                "API_ONLY" => UserKind::ApiOnly,
                _ => UserKind::Contact,
            },
            disabled: p.user_state == "DISABLED",
            assignments: p.assigned.iter().map(pair).collect(),
            data_owner: OWNER.to_owned(),
            revision: Revision(1),
        };
        let types = p.types.iter().map(|(t, texts)| {
            let user_type = user_type(1, t, texts);
            (name(t), versioned(user_type))
        });
        Case {
            token: TokenFacts {
                kind: match p.kind {
                    "API" => TokenKind::Api,
                    _ => TokenKind::Session,
                },
                not_before: Moment(p.not_before),
                expire_time: Moment(p.expire_time),
                active_time: Moment(p.active),
                suspended: p.suspended,
                revoked_from: p.revoked_from.map(Moment),
            },
            grant: Grant {
                pin: p.pin.as_ref().map(pair),
                access_right: match p.right {
                    "FULL" => AccessRight::Full,
                    "READ_ONLY" => AccessRight::ReadOnly,
                    _ => AccessRight::Custom,
                },
                permissions: granted(&p.listed),
                apis: names(&p.apis),
                allowed_cidrs: networks(&p.networks),
            },
            library: (p.library_state != "DELETED").then(|| versioned(own)),
            user: (p.user_state != "DELETED").then_some(user),
            user_types: types.collect(),
            demand: Demand {
                library: optional(p.wanted_library),
                permissions: p.wanted.iter().map(|text| demanded(text)).collect(),
                department: optional(p.wanted_department),
                api: optional(p.wanted_api),
                data_owner: (!p.wanted_owner.is_empty()).then(|| p.wanted_owner.to_owned()),
                client_ip: (!p.ip.is_empty()).then(|| address(p.ip)),
                confines_data_owner: p.promises_owner,
                confines_department: p.promises_department,
            },
            now: Moment(p.now),
        }
    }
}

// === for all ===

fn any_case() -> impl Strategy<Value = Plain> {
    prop::collection::vec(any::<u8>(), 67).prop_map(|bytes| Dice(bytes).case())
}

#[test]
fn two_judges_that_were_written_apart_agree() {
    let seen = RefCell::new(BTreeMap::<&str, u32>::new());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(CASES));
    let agreed = runner.run(&any_case(), |plain| {
        let verdict = Case::from(&plain).verdict().as_str();
        prop_assert_eq!(verdict, judge_naively(&plain));
        *seen.borrow_mut().entry(verdict).or_default() += 1;
        Ok(())
    });
    agreed.unwrap();
    // They agreed about something: every verdict came up.
    let seen = seen.into_inner();
    for verdict in Verdict::ALL
        .into_iter()
        .filter(|v| rank(*v) == 0 || rank(*v) > 2)
    {
        let count = seen.get(verdict.as_str()).copied().unwrap_or(0);
        assert!(count >= 20, "{verdict:?} came up {count} times: {seen:?}");
    }
}

/// Ways to restrict a case further.
const RESTRICTIONS: [fn(&mut Plain); 17] = [
    |p| p.revoked_from = Some(p.now),
    |p| p.suspended = true,
    |p| p.not_before = p.not_before.saturating_add(50),
    |p| p.expire_time = p.expire_time.saturating_sub(50),
    |p| p.active = p.active.saturating_sub(300_000),
    |p| {
        p.idle_minutes = if p.idle_minutes == 0 {
            5
        } else {
            p.idle_minutes.min(5)
        }
    },
    |p| p.library_state = "DISABLED",
    |p| p.user_state = "DISABLED",
    |p| p.user_kind = "CONTACT",
    |p| p.pin = p.pin.or(Some(("north", "a"))),
    |p| p.pin = p.pin.or(Some(("", "a"))),
    |p| restrict(&mut p.apis, "orders"),
    |p| restrict(&mut p.networks, "10.0.0.0/8"),
    |p| restrict(&mut p.library_networks, "10.0.0.0/8"),
    |p| {
        if p.right == "FULL" {
            p.right = "READ_ONLY";
        }
    },
    |p| {
        p.listed.pop();
    },
    |p| {
        for patterns in p.types.values_mut() {
            patterns.pop();
        }
    },
];

/// Restricts to this one alone: what was unrestricted, and what was not.
fn restrict(list: &mut Vec<&'static str>, to: &'static str) {
    if list.is_empty() || list.contains(&to) {
        *list = vec![to];
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn another_restriction_never_turns_a_refusal_into_valid(case in any_case(), which in 0..RESTRICTIONS.len()) {
        let mut restricted = case.clone();
        RESTRICTIONS[which](&mut restricted);
        if Case::from(&restricted).verdict() == Verdict::Valid {
            prop_assert_eq!(Case::from(&case).verdict(), Verdict::Valid, "restriction {}", which);
        }
    }

    #[test]
    fn demanding_less_never_turns_valid_into_a_refusal(case in any_case()) {
        let mut less = case.clone();
        less.wanted.pop();
        if Case::from(&case).verdict() == Verdict::Valid {
            prop_assert_eq!(Case::from(&less).verdict(), Verdict::Valid);
        }
    }
}
