//! What spoils a good case, and that the first reason in the order of the specification is the verdict.

use super::*;

/// Makes a case deserve a verdict.
type Spoiler = (Verdict, fn(&mut Case));

/// Every way to each verdict that the judge gives, in the order of the specification.
const SPOILERS: [Spoiler; 35] = [
    (Verdict::Revoked, |c| c.token.revoked_from = Some(c.now)),
    (Verdict::Suspended, |c| c.token.suspended = true),
    (Verdict::NotYetValid, |c| c.token.not_before = Moment(101)),
    (Verdict::NotYetValid, |c| {
        c.token.not_before = Moment(i64::MAX);
    }),
    (Verdict::Expired, |c| c.token.expire_time = Moment(100)),
    (Verdict::Expired, |c| c.token.expire_time = Moment(i64::MIN)),
    (Verdict::LibraryDisabled, |c| c.library = None),
    (Verdict::LibraryDisabled, |c| c.library().disabled = true),
    (Verdict::UserDisabled, |c| c.user = None),
    (Verdict::UserDisabled, |c| {
        if let Some(user) = &mut c.user {
            user.disabled = true;
        }
    }),
    (Verdict::WrongLibrary, |c| {
        c.demand.library = Some(name("other"));
    }),
    (Verdict::WrongLibrary, |c| {
        c.demand.library = Some(name("system"));
    }),
    (Verdict::WrongLibrary, |c| {
        c.demand.library = Some(name("acme2"));
    }),
    (Verdict::AssignmentRemoved, |c| {
        c.grant.pin = Some(assignment("south/clerk"));
    }),
    (Verdict::AssignmentRemoved, |c| {
        c.grant.pin = Some(assignment("clerk"));
    }),
    (Verdict::AssignmentRemoved, |c| {
        c.grant.pin = Some(assignment("north/admin"));
    }),
    (Verdict::IpNotAllowed, |c| {
        c.grant.allowed_cidrs = networks(&["198.51.100.0/24"]);
    }),
    (Verdict::IpNotAllowed, |c| {
        c.grant.allowed_cidrs = networks(&["192.0.2.8"]);
    }),
    (Verdict::IpNotAllowed, |c| {
        c.library().allowed_cidrs = networks(&["2001:db8::/32"]);
    }),
    (Verdict::IpNotAllowed, |c| {
        c.demand.client_ip = Some(address("192.0.3.7"));
    }),
    (Verdict::IpNotAllowed, |c| c.demand.client_ip = None),
    (Verdict::IpNotAllowed, |c| {
        c.demand.client_ip = Some(address("::c000:207"));
    }),
    (Verdict::WrongApi, |c| c.demand.api = None),
    (Verdict::WrongApi, |c| c.demand.api = Some(name("invoices"))),
    (Verdict::WrongApi, |c| c.grant.apis = names(&["invoices"])),
    (Verdict::WrongDataOwner, |c| c.demand.data_owner = None),
    (Verdict::WrongDataOwner, |c| {
        c.demand.data_owner = Some("globex".to_owned());
    }),
    (Verdict::WrongDataOwner, |c| {
        c.demand.data_owner = Some(String::new());
    }),
    // A promise does not excuse a demand for somebody else's data.
    (Verdict::WrongDataOwner, |c| {
        c.demand.data_owner = Some("Initech".to_owned());
        c.demand.confines_data_owner = true;
    }),
    (Verdict::WrongDepartment, |c| c.demand.department = None),
    (Verdict::WrongDepartment, |c| {
        c.demand.department = Some(name("south"));
    }),
    (Verdict::WrongDepartment, |c| {
        c.demand.department = Some(name("south"));
        c.demand.confines_department = true;
    }),
    (Verdict::MissingPermission, |c| {
        c.demand.permissions.push(demanded("users:read"));
    }),
    (Verdict::MissingPermission, |c| {
        c.demand.permissions.push(demanded("tokens:verify"));
    }),
    (Verdict::MissingPermission, |c| c.clear("clerk")),
];

#[test]
fn a_token_whose_every_restriction_is_addressed_is_valid() {
    assert_eq!(Case::good().verdict(), Verdict::Valid);
}

#[test]
fn every_reason_alone_gives_its_verdict() {
    for (i, (verdict, spoil)) in SPOILERS.into_iter().enumerate() {
        assert_eq!(verdict_after(spoil), verdict, "spoiler {i}");
    }
}

#[test]
fn of_two_reasons_the_earlier_is_the_verdict() {
    for (i, (earlier, first)) in SPOILERS.into_iter().enumerate() {
        for (j, (later, second)) in SPOILERS.into_iter().enumerate() {
            if rank(earlier) < rank(later) {
                let verdict = {
                    let mut case = Case::good();
                    first(&mut case);
                    second(&mut case);
                    case.verdict()
                };
                assert_eq!(
                    verdict, earlier,
                    "{earlier:?} and {later:?}, spoilers {i} and {j}"
                );
            }
        }
    }
}

#[test]
fn no_verdict_of_the_judge_is_left_out_here() {
    let mut tested: Vec<Verdict> = SPOILERS.iter().map(|(verdict, _)| *verdict).collect();
    tested.dedup();
    // The first three need no judge: VALID, and what has no record.
    assert_eq!(tested, Verdict::ALL[3..]);
}

#[test]
fn the_order_is_that_of_the_specification() {
    let spelled: Vec<&str> = Verdict::ALL.into_iter().map(Verdict::as_str).collect();
    let specified = "VALID MALFORMED NOT_FOUND REVOKED SUSPENDED NOT_YET_VALID EXPIRED LIBRARY_DISABLED USER_DISABLED \
                     WRONG_LIBRARY ASSIGNMENT_REMOVED IP_NOT_ALLOWED WRONG_API WRONG_DATA_OWNER WRONG_DEPARTMENT \
                     MISSING_PERMISSION";
    assert_eq!(spelled.join(" "), specified);
}

pub(super) fn rank(verdict: Verdict) -> usize {
    Verdict::ALL.iter().position(|v| *v == verdict).unwrap()
}
