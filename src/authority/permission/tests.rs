use super::*;

fn set(texts: &[&str]) -> PermissionSet {
    PermissionSet::parse(texts).unwrap()
}

fn permits(granted: &[&str], demand: &str) -> bool {
    set(granted).permits(&Permission::parse(demand).unwrap())
}

#[test]
fn a_whole_part_may_be_a_wildcard_and_nothing_else() {
    assert!(permits(&["orders:*"], "orders:read"));
    assert!(permits(&["*:read"], "orders:read"));
    assert!(permits(&["*:*"], "orders:read"));
    assert!(permits(&["orders:read"], "orders:read"));
    assert!(!permits(&["orders:*"], "order:read"));
    assert!(!permits(&["*:read"], "orders:write"));
    for bad in [
        "orders",
        "orders:",
        ":read",
        "or*:read",
        "orders:re*",
        "**:*",
        "a:b:c",
        "Orders:read",
        "orders:read ",
        "-a:b",
    ] {
        assert!(PermissionSet::parse(&[bad]).is_err(), "{bad}");
    }
    assert!(PermissionSet::parse(&[format!("{}:b", "a".repeat(63))]).is_err());
}

#[test]
fn no_wildcard_is_demanded() {
    for bad in ["*:*", "orders:*", "*:read", "", ":", "orders"] {
        assert!(Permission::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn no_wildcard_matches_a_reserved_resource() {
    for reserved in Reserved::ALL {
        assert!(
            !permits(&["*:*", "*:admin", "*:read", "*:self"], reserved.as_str()),
            "{reserved:?}"
        );
        assert!(permits(&[reserved.as_str()], reserved.as_str()));
    }
    for bad in ["tokens:*", "directory:*", "tokens:everything"] {
        assert!(PermissionSet::parse(&[bad]).is_err(), "{bad}");
    }
    assert!(!permits(&["*:*", "tokens:admin"], "tokens:everything"));
}

#[test]
fn administration_includes_what_it_says_and_no_more() {
    for included in [
        "tokens:self",
        "tokens:self-rotate",
        "tokens:verify",
        "tokens:admin",
    ] {
        assert!(permits(&["tokens:admin"], included), "{included}");
    }
    for not in ["tokens:act-as", "directory:read", "directory:admin"] {
        assert!(!permits(&["tokens:admin"], not), "{not}");
    }
    assert!(permits(&["directory:admin"], "directory:read"));
    assert!(!permits(&["directory:read"], "directory:admin"));
}

#[test]
fn patterns_intersect_part_by_part() {
    let both = |a: &str, b: &str| {
        let (a, b) = (set(&[a]), set(&[b]));
        let (a, b) = (a.patterns()[0].parts(), b.patterns()[0].parts());
        a.intersect(b).map(|both| both.to_string())
    };
    assert_eq!(both("orders:*", "*:read").as_deref(), Some("orders:read"));
    assert_eq!(both("*:*", "orders:*").as_deref(), Some("orders:*"));
    assert_eq!(both("orders:read", "orders:write"), None);
    assert_eq!(both("orders:*", "invoices:*"), None);
}

#[test]
fn texts_come_back_sorted_and_once() {
    let texts: Vec<String> = set(&["b:x", "a:x", "tokens:verify", "b:x"])
        .texts()
        .map(str::to_owned)
        .collect();
    assert_eq!(texts, ["tokens:verify", "a:x", "b:x"]);
}
