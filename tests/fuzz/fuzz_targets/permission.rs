//! The grammar of permissions: what parses prints as it was, and an intersection permits what both sides permit.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_authority::authority::directory::Assignment;
use token_authority::authority::grant::Rights;
use token_authority::authority::name::Name;
use token_authority::authority::permission::{MAX_PERMISSIONS, Permission, PermissionSet};
use token_authority::authority::token::{AccessRight, Grant};

// One permission a line; an empty line ends what the user type grants, and what the token is narrowed to follows.
fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (granted, narrowed) = text.split_once("\n\n").unwrap_or((text, ""));
    let granted: Vec<&str> = granted.lines().take(16).collect();
    let narrowed: Vec<&str> = narrowed.lines().take(16).collect();
    let demands: Vec<Permission> = granted
        .iter()
        .chain(&narrowed)
        .filter_map(|line| demand(line))
        .collect();
    let (Some(granted), Some(narrowed)) = (set(&granted), set(&narrowed)) else {
        return;
    };
    for demand in &demands {
        intersect(&granted, &narrowed, demand);
        evaluate(&granted, &narrowed, demand);
    }
});

fn demand(line: &str) -> Option<Permission> {
    let permission = Permission::parse(line).ok()?;
    assert_eq!(permission.as_str(), line);
    assert!(!line.contains('*') && line.len() <= 64);
    Some(permission)
}

/// The set that these lines make; what it prints makes the same.
fn set(lines: &[&str]) -> Option<PermissionSet> {
    let set = PermissionSet::parse(lines).ok()?;
    let printed: Vec<&str> = set.texts().collect();
    assert_eq!(PermissionSet::parse(&printed).as_ref(), Ok(&set));
    assert!(printed.iter().all(|text| lines.contains(text)));
    assert!(lines.iter().all(|line| printed.contains(line)));
    assert_eq!(set.is_empty(), lines.is_empty());
    Some(set)
}

fn intersect(a: &PermissionSet, b: &PermissionSet, demand: &Permission) {
    for one in a.patterns() {
        for other in b.patterns() {
            let both = one.parts().intersect(other.parts());
            assert_eq!(both, other.parts().intersect(one.parts()));
            if !demand.is_reserved() {
                let permitted = both.is_some_and(|both| both.permits(demand));
                assert_eq!(permitted, one.permits(demand) && other.permits(demand));
            }
        }
    }
    // No wildcard reaches what governs the authority itself.
    assert!(!demand.is_reserved() || !a.permits(demand) || !a.reserved.is_empty());
}

/// A token has nothing that its user has not, and nothing that it is not narrowed to; what is told of it is what it has.
fn evaluate(granted: &PermissionSet, narrowed: &PermissionSet, demand: &Permission) {
    let assignment = Assignment {
        department: None,
        user_type: Name::parse("clerk").expect("a name"),
    };
    for access_right in [
        AccessRight::Full,
        AccessRight::ReadOnly,
        AccessRight::Custom,
    ] {
        let grant = Grant {
            pin: None,
            access_right,
            permissions: narrowed.clone(),
            apis: Vec::new(),
            allowed_cidrs: Vec::new(),
        };
        let rights = Rights::evaluate(&grant, [(&assignment, granted)].into_iter(), None);
        let permitted = rights.permits(demand);
        let has = granted.permits(demand);
        let kept = match access_right {
            // All but what governs the authority itself, which must be listed.
            AccessRight::Full | AccessRight::ReadOnly => {
                !demand.is_reserved() || narrowed.permits(demand)
            }
            AccessRight::Custom => narrowed.permits(demand),
        };
        assert!(!permitted || (has && kept));
        assert!(access_right == AccessRight::ReadOnly || permitted == (has && kept));
        let told = rights.effective();
        assert!(!told.permits(demand) || permitted);
        assert!(told.permits(demand) == permitted || told.texts().count() >= MAX_PERMISSIONS);
    }
}
