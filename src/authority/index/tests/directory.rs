//! Owners that end, and records that can't be read.

use super::*;

#[test]
fn a_user_that_is_made_again_under_the_same_name_does_not_revive_old_tokens() {
    let mut followed = Followed::new();
    followed.put(&token(7, 100, 1, 2));
    followed.delete(&user(1, "jane", 2, &[]));
    assert_eq!(followed.verdict(7), Verdict::UserDisabled);
    followed.put(&user(1, "jane", 3, &["clerk"]));
    followed.put(&token(8, 100, 1, 3));
    assert_eq!(followed.verdict(7), Verdict::UserDisabled);
    assert_eq!(followed.verdict(8), Verdict::Valid);
    // Not even a late change to the old token.
    followed.put(&token(7, 100, 1, 2));
    assert_eq!(followed.verdict(7), Verdict::UserDisabled);
}

#[test]
fn a_library_that_is_made_again_under_the_same_name_does_not_revive_old_tokens() {
    let mut followed = Followed::new();
    followed.put(&token(7, 100, 1, 2));
    followed.delete(&library("acme", 1));
    assert_eq!(followed.verdict(7), Verdict::LibraryDisabled);
    followed.put(&library("acme", 4));
    followed.put(&user_type(4, "clerk", &["orders:read"]));
    followed.put(&user(4, "jane", 5, &["clerk"]));
    followed.put(&token(8, 100, 4, 5));
    assert_eq!(followed.verdict(7), Verdict::LibraryDisabled);
    assert_eq!(followed.verdict(8), Verdict::Valid);
    assert_eq!(followed.listed("acme"), [8]);
}

#[test]
fn users_and_user_types_of_a_deleted_library_are_out_of_reach() {
    let mut followed = Followed::new();
    followed.delete(&library("acme", 1));
    followed.put(&user_type(1, "late", &["*:*"]));
    followed.put(&user(1, "late", 9, &["late"]));
    followed.put(&library("acme", 4));
    let state = followed.index.read().unwrap();
    let slot = state.directory().library_named("acme").unwrap();
    assert!(slot.user_types.is_empty());
    assert_eq!(
        (slot.user_named("jane"), slot.user_named("late")),
        (None, None)
    );
    assert!(!slot.is_assigned(&name("clerk")));
}

#[test]
fn a_user_type_is_assigned_as_long_as_any_user_has_it() {
    let mut followed = Followed::new();
    let assigned = |followed: &Followed| {
        let state = followed.index.read().unwrap();
        let slot = state.directory().library_named("acme").unwrap();
        slot.is_assigned(&name("clerk"))
    };
    followed.put(&user(1, "john", 3, &["clerk", "north/clerk"]));
    followed.put(&user(1, "jane", 2, &[]));
    assert!(assigned(&followed));
    followed.put(&user(1, "john", 3, &["north/clerk"]));
    assert!(assigned(&followed));
    followed.delete(&user(1, "john", 3, &[]));
    assert!(!assigned(&followed));
}

// === what can't be read ===

#[test]
fn a_token_whose_record_cant_be_read_is_damaged_and_neither_known_nor_unknown() {
    let mut followed = Followed::new();
    followed.put(&token(7, 100, 1, 2));
    followed.damage(&token(7, 100, 1, 2));
    followed.damage(&token(8, 100, 1, 2));
    assert_eq!((followed.find(7), followed.find(8)), ("damaged", "damaged"));
    assert!(followed.listed("acme").is_empty());
    followed.put(&token(8, 100, 1, 2));
    assert_eq!(followed.find(8), "known");
}

#[test]
fn a_record_of_another_form_or_a_key_version_that_no_index_holds_is_damage() {
    let mut followed = Followed::new();
    let mut of_the_future = keyspace::encode(&token(7, 100, 1, 2));
    of_the_future[0] += 1;
    let event = Event::Put(followed.record(keyspace::token(TokenId([7; 16])), of_the_future));
    followed.publish(vec![event]);
    assert_eq!(followed.find(7), "damaged");
    let mut odd = token(8, 100, 1, 2);
    odd.tag.key_version = 1 << 16;
    followed.put(&odd);
    assert_eq!(followed.find(8), "damaged");
}

#[test]
fn what_is_damaged_in_the_directory_refuses_its_tokens() {
    let mut followed = Followed::new();
    followed.put(&token(7, 100, 1, 2));
    followed.damage(&user(1, "jane", 2, &[]));
    assert_eq!(followed.verdict(7), Verdict::UserDisabled);
    followed.put(&user(1, "jane", 2, &["clerk"]));
    assert_eq!(followed.verdict(7), Verdict::Valid);
    followed.damage(&library("acme", 1));
    assert_eq!(followed.verdict(7), Verdict::LibraryDisabled);
}

#[test]
fn a_damaged_user_type_grants_nothing() {
    let mut followed = Followed::new();
    let mut pinned = token(7, 100, 1, 2);
    pinned.grant = Grant {
        pin: Some(crate::authority::tests::samples::assignment("clerk")),
        ..full()
    };
    followed.put(&pinned);
    assert_eq!(followed.verdict(7), Verdict::Valid);
    followed.damage(&user_type(1, "clerk", &[]));
    assert_eq!(followed.verdict(7), Verdict::AssignmentRemoved);
}

#[test]
fn a_key_of_no_sense_harms_nothing() {
    let mut followed = Followed::new();
    followed.put(&token(7, 100, 1, 2));
    for key in [
        &b""[..],
        b"t",
        b"tshort",
        b"l",
        b"lNo Name",
        b"u",
        b"ushort",
        b"y",
        b"?",
    ] {
        let event = Event::Put(followed.record(key.to_vec(), b"\x01".to_vec()));
        followed.publish(vec![event, Event::Delete(key.to_vec())]);
    }
    assert_eq!(followed.verdict(7), Verdict::Valid);
}
