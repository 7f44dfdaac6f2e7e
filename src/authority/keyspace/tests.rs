use super::*;

#[test]
fn newer_audit_events_come_first() {
    let uid = Uid([7; 16]);
    let key = |ms, sequence| audit_event(uid, Moment(ms), sequence, [0; 4]);
    assert!(key(2, 0) < key(1, 0));
    assert!(key(2, 1) < key(2, 0));
    assert!(key(1, 9).starts_with(&audit(uid)));
    assert_eq!(audit_time(&key(5, 9)), Some(Moment(5)));
    let place = audit_place(&key(5, 9)).unwrap();
    assert_eq!(audit_at(uid, place), key(5, 9));
    assert!(key(5, 0) < audit_before(uid, Moment(5)));
    assert!(key(4, u32::MAX) > audit_before(uid, Moment(5)));
}

#[test]
fn no_two_kinds_of_record_share_a_prefix() {
    let prefixes = [
        ROOT_CHECK,
        CLOCK,
        HMAC_KEYS,
        SEALING_KEYS,
        LIBRARIES,
        USER_TYPES,
        ASSIGNED,
        USERS,
        PASSWORDS,
        TOKENS,
        USES,
        AUDIT,
        DUE,
        REVEAL_KEYS,
        USAGE,
        IMPORTS,
        WATERMARKS,
        REQUESTS,
    ];
    for (i, a) in prefixes.iter().enumerate() {
        assert!(
            prefixes
                .iter()
                .skip(i + 1)
                .all(|b| !a.starts_with(b) && !b.starts_with(a))
        );
    }
}

#[test]
fn keys_tell_their_names() {
    let (uid, name) = (Uid([3; 16]), Name::parse("jane").unwrap());
    assert_eq!(uid_and_name(&user(uid, &name)), Some((uid, name.clone())));
    assert_eq!(library_name(&library("jane")), Some(name));
    assert_eq!(token_id(&token(TokenId([5; 16]))), Some(TokenId([5; 16])));
    assert_eq!(number(&hmac_key(9)), Some(9));
    let owner = (uid, Uid([4; 16]));
    assert_eq!(password_owner(&password(owner.0, owner.1)), Some(owner));
    assert_eq!(imports_library(&imports(uid)), Some(uid));
    for other in [&b"n"[..], &imports(uid)[..16], &reveal_key(uid)] {
        assert_eq!(imports_library(other), None);
    }
    assert_eq!(uid_and_name(b"u"), None);
    let part = uses(Bucket(0x1234), 7);
    assert!(part.starts_with(&uses_bucket(Bucket(0x1234))));
    assert_eq!(
        (bucket(&part), uses_part(&part)),
        (Some(Bucket(0x1234)), Some(7))
    );
    assert_eq!((bucket(USES), uses_part(USES)), (None, None));
}
