//! A record that is good for its demand in every respect, and what spoils it: each verdict alone, and each two in their order.

mod dice;
mod naive;
mod order;

use super::*;
use crate::authority::tests::samples::{
    address, assignment, assignments, demanded, full, granted, library, name, names, networks,
    user_type,
};

/// What the judge is given, owned.
#[derive(Debug, Clone)]
struct Case {
    token: TokenFacts,
    grant: Grant,
    library: Option<Versioned<Library>>,
    user: Option<UserFacts>,
    user_types: HashMap<Name, Versioned<UserType>>,
    demand: Demand,
    now: Moment,
}

impl Case {
    /// A contact's token that carries every restriction, and a demand that addresses each.
    fn good() -> Case {
        let mut acme = library("acme", 1);
        acme.allowed_cidrs = networks(&["192.0.0.0/16"]);
        let types = [
            user_type(1, "clerk", &["orders:*"]),
            user_type(1, "admin", &["*:*", "tokens:admin"]),
        ];
        Case {
            token: TokenFacts {
                kind: TokenKind::Api,
                not_before: Moment(100),
                expire_time: Moment(101),
                active_time: Moment(0),
                suspended: false,
                revoked_from: None,
            },
            grant: Grant {
                pin: Some(assignment("north/clerk")),
                apis: names(&["orders", "stock"]),
                allowed_cidrs: networks(&["203.0.113.9", "192.0.2.7"]),
                ..full()
            },
            library: Some(versioned(acme)),
            user: Some(UserFacts {
                kind: UserKind::Contact,
                disabled: false,
                assignments: assignments(&["north/clerk", "admin"]),
                data_owner: "initech".to_owned(),
                revision: Revision(1),
            }),
            user_types: types.map(|t| (t.user_type.clone(), versioned(t))).into(),
            demand: Demand {
                library: Some(name("acme")),
                permissions: vec![demanded("orders:read"), demanded("orders:write")],
                department: Some(name("north")),
                api: Some(name("orders")),
                data_owner: Some("initech".to_owned()),
                client_ip: Some(address("192.0.2.7")),
                ..Demand::default()
            },
            now: Moment(100),
        }
    }

    fn library(&mut self) -> &mut Library {
        // A spoiler that looks for a deleted library changes one that nobody sees.
        let library = self.library.get_or_insert_with(|| {
            let mut gone = library("acme", 1);
            gone.disabled = true;
            versioned(gone)
        });
        &mut library.value
    }

    /// The user type grants nothing any more.
    fn clear(&mut self, user_type: &str) {
        if let Some(found) = self.user_types.get_mut(user_type) {
            found.value.permissions = granted(&[]);
        }
    }

    fn judge(&self) -> Result<Rights<'_>, Verdict> {
        let records = Records {
            token: self.token,
            grant: &self.grant,
            library: self.library.as_ref(),
            user: self.user.as_ref(),
            user_types: &self.user_types,
        };
        judge(records, &self.demand, self.now)
    }

    fn verdict(&self) -> Verdict {
        self.judge().err().unwrap_or(Verdict::Valid)
    }
}

fn versioned<T>(value: T) -> Versioned<T> {
    Versioned {
        value,
        revision: Revision(1),
    }
}

/// The verdict on a good case after a change.
fn verdict_after(change: fn(&mut Case)) -> Verdict {
    let mut case = Case::good();
    change(&mut case);
    case.verdict()
}

// === time ===

#[test]
fn a_token_is_good_from_its_not_before_until_just_before_its_expire_time() {
    let at = |now| {
        let mut case = Case::good();
        case.token.not_before = Moment(1000);
        case.token.expire_time = Moment(2000);
        case.now = Moment(now);
        case.verdict()
    };
    assert_eq!(at(999), Verdict::NotYetValid);
    assert_eq!(at(1000), Verdict::Valid);
    assert_eq!(at(1999), Verdict::Valid);
    assert_eq!(at(2000), Verdict::Expired);
    assert_eq!(at(i64::MAX), Verdict::Expired);
    assert_eq!(at(i64::MIN), Verdict::NotYetValid);
}

// === restrictions ===

#[test]
fn a_token_without_restrictions_needs_nothing_addressed() {
    let mut case = Case::good();
    case.grant = full();
    case.library().allowed_cidrs.clear();
    case.user.as_mut().unwrap().kind = UserKind::Standard;
    case.demand = Demand::default();
    assert_eq!(case.verdict(), Verdict::Valid);
}

#[test]
fn the_networks_of_the_library_and_of_the_token_must_both_match() {
    let seen_from = |library: &[&str], token: &[&str], ip: Option<&str>| {
        let mut case = Case::good();
        case.library().allowed_cidrs = networks(library);
        case.grant.allowed_cidrs = networks(token);
        case.demand.client_ip = ip.map(address);
        case.verdict()
    };
    let (ten, one) = (&["10.0.0.0/8"][..], &["10.1.0.0/16"][..]);
    for (library, token, ip, verdict) in [
        (ten, one, Some("10.1.2.3"), Verdict::Valid),
        (ten, one, Some("10.2.2.3"), Verdict::IpNotAllowed),
        (one, ten, Some("10.2.2.3"), Verdict::IpNotAllowed),
        (ten, &[], Some("10.2.2.3"), Verdict::Valid),
        (&[], ten, Some("10.2.2.3"), Verdict::Valid),
        (ten, &[], None, Verdict::IpNotAllowed),
        (&[], ten, None, Verdict::IpNotAllowed),
        (&[], &[], None, Verdict::Valid),
        (&[], &[], Some("198.51.100.1"), Verdict::Valid),
        // Even a network of all addresses is a restriction that must be addressed.
        (&[], &["0.0.0.0/0"], None, Verdict::IpNotAllowed),
        (
            &[],
            &["0.0.0.0/0"],
            Some("2001:db8::1"),
            Verdict::IpNotAllowed,
        ),
        (ten, one, Some("::ffff:10.1.2.3"), Verdict::Valid),
        (ten, one, Some("::ffff:11.1.2.3"), Verdict::IpNotAllowed),
    ] {
        assert_eq!(
            seen_from(library, token, ip),
            verdict,
            "{library:?} {token:?} {ip:?}"
        );
    }
}

#[test]
fn a_contact_is_served_with_its_customer_named_or_with_the_promise_to_confine() {
    let asked = |owner: Option<&str>, promise: bool| {
        let mut case = Case::good();
        case.demand.data_owner = owner.map(str::to_owned);
        case.demand.confines_data_owner = promise;
        case.verdict()
    };
    assert_eq!(asked(Some("initech"), false), Verdict::Valid);
    assert_eq!(asked(None, true), Verdict::Valid);
    assert_eq!(asked(None, false), Verdict::WrongDataOwner);
    assert_eq!(asked(Some("globex"), true), Verdict::WrongDataOwner);
}

#[test]
fn whoever_is_no_contact_is_not_asked_for_a_customer() {
    for kind in [UserKind::Standard, UserKind::ApiOnly] {
        for owner in [None, Some("globex".to_owned())] {
            let mut case = Case::good();
            case.user.as_mut().unwrap().kind = kind;
            case.demand.data_owner = owner;
            assert_eq!(case.verdict(), Verdict::Valid);
        }
    }
}

#[test]
fn a_pinned_department_is_named_or_promised() {
    let asked = |department: Option<&str>, promise: bool| {
        let mut case = Case::good();
        case.demand.department = department.map(name);
        case.demand.confines_department = promise;
        case.verdict()
    };
    assert_eq!(asked(Some("north"), false), Verdict::Valid);
    assert_eq!(asked(None, true), Verdict::Valid);
    assert_eq!(asked(None, false), Verdict::WrongDepartment);
    assert_eq!(asked(Some("south"), true), Verdict::WrongDepartment);
}

#[test]
fn a_pin_without_a_department_restricts_no_department() {
    let mut case = Case::good();
    case.grant.pin = Some(assignment("admin"));
    for department in [None, Some(name("north")), Some(name("elsewhere"))] {
        case.demand.department = department;
        assert_eq!(case.verdict(), Verdict::Valid);
    }
}

#[test]
fn one_promise_does_not_stand_for_the_other() {
    assert_eq!(
        verdict_after(|c| {
            c.demand.data_owner = None;
            c.demand.confines_department = true;
        }),
        Verdict::WrongDataOwner
    );
    assert_eq!(
        verdict_after(|c| {
            c.demand.department = None;
            c.demand.confines_data_owner = true;
        }),
        Verdict::WrongDepartment
    );
}

#[test]
fn a_pin_to_a_user_type_that_is_gone_is_removed() {
    assert_eq!(
        verdict_after(|c| drop(c.user_types.remove("clerk"))),
        Verdict::AssignmentRemoved
    );
}

// === libraries ===

#[test]
fn credentials_of_system_hold_in_every_library_and_all_others_in_their_own() {
    let asked = |own: &str, demanded: Option<&str>| {
        let mut case = Case::good();
        case.library().library = name(own);
        case.demand.library = demanded.map(name);
        case.verdict()
    };
    assert_eq!(asked("system", Some("acme")), Verdict::Valid);
    assert_eq!(asked("system", Some("system")), Verdict::Valid);
    assert_eq!(asked("system", None), Verdict::Valid);
    assert_eq!(asked("acme", None), Verdict::Valid);
    assert_eq!(asked("acme", Some("system")), Verdict::WrongLibrary);
    assert_eq!(asked("acme", Some("globex")), Verdict::WrongLibrary);
}

#[test]
fn even_credentials_of_system_are_refused_where_their_own_library_refuses() {
    let mut case = Case::good();
    case.library().library = name("system");
    case.library().disabled = true;
    case.demand.library = Some(name("acme"));
    assert_eq!(case.verdict(), Verdict::LibraryDisabled);
}

// === rights ===

#[test]
fn with_no_permission_demanded_it_authenticates_only() {
    let mut case = Case::good();
    case.demand.permissions.clear();
    case.clear("clerk");
    assert_eq!(case.verdict(), Verdict::Valid);
}

#[test]
fn all_permissions_that_are_demanded_are_needed() {
    let mut case = Case::good();
    case.demand.permissions = vec![demanded("orders:read"), demanded("users:read")];
    assert_eq!(case.verdict(), Verdict::MissingPermission);
    case.demand.permissions.reverse();
    assert_eq!(case.verdict(), Verdict::MissingPermission);
}

#[test]
fn valid_comes_with_the_assignments_in_force() {
    let case = Case::good();
    let rights = case.judge().unwrap();
    let in_force: Vec<&Assignment> = rights.assignments().collect();
    assert_eq!(in_force, [&assignment("north/clerk")]);
    assert_eq!(rights.effective().texts().collect::<Vec<_>>(), ["orders:*"]);
}

#[test]
fn a_changed_user_type_is_followed_at_once() {
    let mut case = Case::good();
    assert_eq!(case.verdict(), Verdict::Valid);
    let clerk = case.user_types.get_mut("clerk").unwrap();
    clerk.value.permissions = granted(&["orders:read"]);
    assert_eq!(case.verdict(), Verdict::MissingPermission);
}

#[test]
fn every_verdict_says_what_would_help() {
    for verdict in Verdict::ALL {
        assert!(verdict.advice().ends_with('.'), "{verdict:?}");
    }
}
