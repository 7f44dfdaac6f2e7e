//! The judge against the naive one: two that were written apart agree on any record, or one of them is wrong.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::order::rank;
use super::*;
use crate::authority::tests::dice::Dice;
use crate::authority::tests::naive::{Plain, judge_naively};
use crate::authority::token::AccessRight;

/// Random cases that both judge.
const CASES: u32 = 25_000;

pub(super) const OWNER: &str = "initech";
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
            data_owner: p.owner.to_owned(),
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
