//! What the list of permissions in effect holds, and what it does not decide.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Has, any_department, any_grant, any_has, build, narrowed, rights};
use crate::authority::grant::{READING, Rights};
use crate::authority::permission::Pattern;
use crate::authority::tests::samples::{assignment, demanded, granted, name};
use crate::authority::token::{AccessRight, Grant};

#[test]
fn what_is_judged_is_not_cut_where_the_list_is() {
    let texts = |of: fn(usize) -> String| -> Vec<String> { (0..64).map(of).collect() };
    let (types, list) = (texts(|i| format!("r{i}:*")), texts(|i| format!("*:a{i}")));
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    let departments: Vec<String> = (0..32).map(|i| format!("d{i}/clerk")).collect();
    let has: Has = departments
        .iter()
        .map(|text| (assignment(text), granted(&types)))
        .collect();
    let grant = narrowed(AccessRight::Custom, &list);
    let rights = rights(&grant, &has, None);
    assert_eq!(rights.had().len(), 64, "each once");
    let listed = rights.effective();
    assert_eq!(listed.patterns().len(), 1024);
    let all = (0..64).flat_map(|r| (0..64).map(move |a| format!("r{r}:a{a}")));
    let permitted = all
        .map(|text| demanded(&text))
        .filter(|d| rights.permits(d));
    assert_eq!(permitted.count(), 64 * 64);
}

/// Every crossing of every pattern of every assignment, as text.
fn crossed(grant: &Grant, rights: &Rights<'_>) -> Vec<String> {
    let both = |a: &str, b: &str| match (a, b) {
        ("*", other) | (other, "*") => Some(other.to_owned()),
        (a, b) => (a == b).then(|| a.to_owned()),
    };
    let reading: Vec<String> = READING.iter().map(|action| format!("*:{action}")).collect();
    let kept: Vec<&str> = match grant.access_right {
        AccessRight::Full => vec!["*:*"],
        AccessRight::ReadOnly => reading.iter().map(String::as_str).collect(),
        AccessRight::Custom => grant
            .permissions
            .patterns()
            .iter()
            .map(Pattern::as_str)
            .collect(),
    };
    let mut found = BTreeSet::new();
    for had in rights.in_force.iter().flat_map(|(_, set)| set.patterns()) {
        for kept in &kept {
            let (p, q) = had.as_str().split_once(':').unwrap();
            let (r, s) = kept.split_once(':').unwrap();
            if let (Some(resource), Some(action)) = (both(p, r), both(q, s)) {
                found.insert(format!("{resource}:{action}"));
            }
        }
    }
    found.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn effective_lists_every_crossing_once(has in any_has(), grant in any_grant(), department in any_department()) {
        let has = build(&has);
        let department = department.map(name);
        let rights = rights(&grant, &has, department.as_ref());
        let effective = rights.effective();
        let listed: Vec<String> = effective.patterns().iter().map(|p| p.as_str().to_owned()).collect();
        prop_assert_eq!(listed, crossed(&grant, &rights));
    }
}
