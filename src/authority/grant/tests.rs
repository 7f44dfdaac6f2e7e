mod effective;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::authority::tests::samples::{assignment, demanded, full, granted, name};

/// What a user has: each assignment with what its user type grants.
type Has = Vec<(Assignment, PermissionSet)>;

/// Patterns that may be granted, reserved ones among them.
const GRANTABLE: [&str; 17] = [
    "*:*",
    "orders:*",
    "*:read",
    "*:list",
    "*:admin",
    "*:self",
    "orders:read",
    "orders:write",
    "users:get",
    "users:write",
    "tokens:self",
    "tokens:self-rotate",
    "tokens:admin",
    "tokens:verify",
    "tokens:act-as",
    "directory:read",
    "directory:admin",
];

/// Where the reserved ones begin.
const RESERVED_AT: usize = 10;

/// What is demanded: ordinary permissions, all reserved ones, and names on reserved resources that are none.
const DEMANDABLE: [&str; 20] = [
    "orders:read",
    "orders:list",
    "orders:get",
    "orders:write",
    "orders:admin",
    "users:read",
    "users:get",
    "users:write",
    "users:self",
    "tokens-x:read",
    "tokens:self",
    "tokens:self-rotate",
    "tokens:admin",
    "tokens:verify",
    "tokens:act-as",
    "directory:read",
    "directory:admin",
    "tokens:read",
    "directory:list",
    "tokens:get",
];

fn has(pairs: &[(&str, &[&str])]) -> Has {
    pairs
        .iter()
        .map(|(assigned, texts)| (assignment(assigned), granted(texts)))
        .collect()
}

fn rights<'a>(grant: &'a Grant, has: &'a Has, department: Option<&Name>) -> Rights<'a> {
    Rights::evaluate(grant, has.iter().map(|(a, set)| (a, set)), department)
}

/// What is in effect of [`DEMANDABLE`].
fn in_effect(grant: &Grant, has: &Has, department: Option<&str>) -> Vec<&'static str> {
    let department = department.map(name);
    let rights = rights(grant, has, department.as_ref());
    DEMANDABLE
        .into_iter()
        .filter(|text| rights.permits(&demanded(text)))
        .collect()
}

fn narrowed(access_right: AccessRight, list: &[&str]) -> Grant {
    Grant {
        access_right,
        permissions: granted(list),
        ..full()
    }
}

/// Whether all of the first are among the second.
fn within(some: &[&str], all: &[&str]) -> bool {
    some.iter().all(|text| all.contains(text))
}

// === as the specification has it ===

#[test]
fn full_is_all_that_the_user_has_except_reserved_permissions_that_are_not_listed() {
    let has = has(&[("clerk", &["orders:*", "tokens:self", "directory:admin"])]);
    let orders = [
        "orders:read",
        "orders:list",
        "orders:get",
        "orders:write",
        "orders:admin",
    ];
    assert_eq!(in_effect(&full(), &has, None), orders);
    let listed = narrowed(AccessRight::Full, &["tokens:self"]);
    assert_eq!(
        in_effect(&listed, &has, None),
        [&orders[..], &["tokens:self", "tokens:self-rotate"]].concat()
    );
}

#[test]
fn read_only_is_of_that_the_actions_read_list_and_get() {
    let has = has(&[("clerk", &["*:*", "directory:admin", "tokens:admin"])]);
    let grant = narrowed(AccessRight::ReadOnly, &["directory:read", "tokens:admin"]);
    let expected = [
        "orders:read",
        "orders:list",
        "orders:get",
        "users:read",
        "users:get",
        "tokens-x:read",
        "directory:read",
    ];
    assert_eq!(in_effect(&grant, &has, None), expected);
}

#[test]
fn custom_is_what_is_listed_and_had() {
    let has = has(&[("clerk", &["orders:*", "*:get", "tokens:self"])]);
    let grant = narrowed(
        AccessRight::Custom,
        &["*:read", "users:*", "tokens:self", "tokens:admin"],
    );
    assert_eq!(
        in_effect(&grant, &has, None),
        [
            "orders:read",
            "users:get",
            "tokens:self",
            "tokens:self-rotate"
        ]
    );
    assert!(in_effect(&narrowed(AccessRight::Custom, &[]), &has, None).is_empty());
}

#[test]
fn patterns_intersect_part_by_part() {
    let has = has(&[("clerk", &["orders:*", "*:get"])]);
    let grant = narrowed(AccessRight::Custom, &["*:read", "users:*"]);
    let effective = rights(&grant, &has, None).effective();
    assert_eq!(
        effective.texts().collect::<Vec<_>>(),
        ["orders:read", "users:get"]
    );
}

#[test]
fn an_access_right_that_is_not_given_follows_from_the_list() {
    assert_eq!(Grant::implied_right(&granted(&[])), AccessRight::Full);
    assert_eq!(
        Grant::implied_right(&granted(&["a:b"])),
        AccessRight::Custom
    );
    assert_eq!(
        Grant::implied_right(&granted(&["tokens:self"])),
        AccessRight::Custom
    );
}

#[test]
fn administering_includes_what_it_is_made_of_and_nothing_else() {
    let has = has(&[("admin", &["tokens:admin", "directory:admin"])]);
    let grant = narrowed(AccessRight::Full, &["tokens:admin", "directory:admin"]);
    let expected = [
        "tokens:self",
        "tokens:self-rotate",
        "tokens:admin",
        "tokens:verify",
        "directory:read",
        "directory:admin",
    ];
    assert_eq!(in_effect(&grant, &has, None), expected);
}

#[test]
fn a_demanded_department_counts_assignments_in_it_and_library_wide_ones() {
    let has = has(&[
        ("north/clerk", &["orders:write"]),
        ("south/clerk", &["orders:read"]),
        ("reader", &["users:read"]),
    ]);
    let all = ["orders:read", "orders:write", "users:read"];
    assert_eq!(in_effect(&full(), &has, None), all);
    assert_eq!(in_effect(&full(), &has, Some("north")), all[1..]);
    assert_eq!(in_effect(&full(), &has, Some("west")), ["users:read"]);
}

#[test]
fn reserved_permissions_hold_in_the_whole_library_whatever_the_department() {
    let has = has(&[("north/admin", &["tokens:admin", "orders:read"])]);
    let grant = narrowed(AccessRight::Full, &["tokens:verify"]);
    assert_eq!(in_effect(&grant, &has, Some("south")), ["tokens:verify"]);
}

#[test]
fn a_pin_leaves_one_assignment_reserved_permissions_included() {
    let has = has(&[
        ("north/clerk", &["orders:write"]),
        ("south/clerk", &["orders:read"]),
        ("admin", &["tokens:admin"]),
    ]);
    let grant = Grant {
        pin: Some(assignment("south/clerk")),
        ..narrowed(AccessRight::Full, &["tokens:admin"])
    };
    assert_eq!(in_effect(&grant, &has, None), ["orders:read"]);
    assert!(in_effect(&grant, &has, Some("north")).is_empty());
    let in_force: Vec<_> = rights(&grant, &has, None).assignments().cloned().collect();
    assert_eq!(in_force, [assignment("south/clerk")]);
}

// === for all ===

fn any_list() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(GRANTABLE.to_vec(), 0..=GRANTABLE.len())
}

fn any_has() -> impl Strategy<Value = Vec<(&'static str, Vec<&'static str>)>> {
    let assigned = select(vec!["north/a", "north/b", "south/a", "a", "b", "c"]);
    prop::collection::vec((assigned, any_list()), 0..4)
}

fn any_grant() -> impl Strategy<Value = Grant> {
    let right = select(vec![
        AccessRight::Full,
        AccessRight::ReadOnly,
        AccessRight::Custom,
    ]);
    let pin = select(vec![
        None,
        None,
        Some("north/a"),
        Some("a"),
        Some("south/b"),
    ]);
    (right, pin, any_list()).prop_map(|(right, pin, list)| Grant {
        pin: pin.map(assignment),
        ..narrowed(right, &list)
    })
}

fn any_department() -> impl Strategy<Value = Option<&'static str>> {
    select(vec![None, Some("north"), Some("south"), Some("west")])
}

fn build(has: &[(&str, Vec<&str>)]) -> Has {
    has.iter()
        .map(|(assigned, texts)| (assignment(assigned), granted(texts)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_grant_only_narrows(has in any_has(), grant in any_grant(), department in any_department()) {
        let has = build(&has);
        let everything = narrowed(AccessRight::Full, &GRANTABLE[RESERVED_AT..]);
        let of_user = in_effect(&everything, &has, department);
        let of_token = in_effect(&grant, &has, department);
        prop_assert!(within(&of_token, &of_user), "{of_token:?} exceeds {of_user:?}");
    }

    #[test]
    fn a_demanded_department_only_narrows(has in any_has(), grant in any_grant(), department in any_department()) {
        let has = build(&has);
        prop_assert!(within(&in_effect(&grant, &has, department), &in_effect(&grant, &has, None)));
    }

    #[test]
    fn effective_says_exactly_what_is_permitted(has in any_has(), grant in any_grant(), department in any_department()) {
        let has = build(&has);
        let department = department.map(name);
        let rights = rights(&grant, &has, department.as_ref());
        let effective = rights.effective();
        for text in DEMANDABLE {
            let demand = demanded(text);
            prop_assert_eq!(effective.permits(&demand), rights.permits(&demand), "{}", text);
        }
        // As others read it: the texts alone say the same.
        let read: Vec<&str> = effective.texts().collect();
        let read = granted(&read);
        for text in DEMANDABLE {
            prop_assert_eq!(read.permits(&demanded(text)), rights.permits(&demanded(text)), "{}", text);
        }
    }

    #[test]
    fn no_wildcard_ever_yields_a_reserved_permission(has in any_has(), grant in any_grant()) {
        let ordinary = |texts: &[&'static str]| -> Vec<&'static str> {
            texts.iter().copied().filter(|t| !GRANTABLE[RESERVED_AT..].contains(t)).collect()
        };
        let reserved = |texts: Vec<&'static str>| texts.into_iter().any(|t| demanded(t).is_reserved());
        let without: Vec<_> = has.iter().map(|(a, texts)| (*a, ordinary(texts))).collect();
        prop_assert!(!reserved(in_effect(&grant, &build(&without), None)), "by the user type");
        let patterns: Vec<&str> = grant.permissions.patterns().iter().map(Pattern::as_str).collect();
        let unlisted = Grant { permissions: granted(&patterns), ..grant.clone() };
        prop_assert!(!reserved(in_effect(&unlisted, &build(&has), None)), "by the grant");
    }

    #[test]
    fn read_only_is_a_part_of_full(has in any_has(), grant in any_grant(), department in any_department()) {
        let has = build(&has);
        let full = Grant { access_right: AccessRight::Full, ..grant.clone() };
        let read_only = Grant { access_right: AccessRight::ReadOnly, ..grant };
        prop_assert!(within(&in_effect(&read_only, &has, department), &in_effect(&full, &has, department)));
    }

    #[test]
    fn narrowing_a_user_type_never_adds_a_permission(
        has in any_has(), grant in any_grant(), department in any_department(), at in any::<(usize, usize)>()
    ) {
        let mut less = has.clone();
        if !less.is_empty() {
            let index = at.0 % less.len();
            let texts = &mut less[index].1;
            if !texts.is_empty() {
                texts.remove(at.1 % texts.len());
            }
        }
        let (before, after) = (build(&has), build(&less));
        prop_assert!(within(&in_effect(&grant, &after, department), &in_effect(&grant, &before, department)));
    }

    #[test]
    fn unlisting_a_permission_never_adds_one(has in any_has(), grant in any_grant(), at in any::<usize>()) {
        let has = build(&has);
        let mut texts: Vec<&str> = grant.permissions.texts().collect();
        if !texts.is_empty() {
            texts.remove(at % texts.len());
        }
        let less = Grant { permissions: granted(&texts), ..grant.clone() };
        prop_assert!(within(&in_effect(&less, &has, None), &in_effect(&grant, &has, None)));
    }
}
