//! Following the store, and loading after a start.

use super::*;
use crate::authority::uses::Bucket;

#[test]
fn behind_the_cursor_a_miss_is_final_and_ahead_of_it_it_is_not() {
    let mut followed = Followed::empty();
    assert_eq!(followed.find(1), "not loaded");
    let slice = [3, 6].map(|id| {
        let token = token(id, 100, 1, 2);
        followed.record(token.key(), keyspace::encode(&token))
    });
    let last = slice[1].key.clone();
    followed.load(None, 2, slice.to_vec());
    let found = [2, 3, 5, 6, 7].map(|id| followed.find(id));
    assert_eq!(
        found,
        ["unknown", "known", "unknown", "known", "not loaded"]
    );
    assert!(!followed.index.read().unwrap().is_complete());
    followed.load(Some(last), 2, Vec::new());
    assert_eq!(followed.find(7), "unknown");
    assert!(!followed.index.read().unwrap().is_complete());
    followed.load_uses(keyspace::USES, 2, Vec::new());
    assert!(followed.index.read().unwrap().is_complete());
}

#[test]
fn a_token_that_is_loaded_or_made_ahead_of_the_cursor_is_known_at_once() {
    let mut followed = Followed::empty();
    followed.put(&token(9, 100, 1, 2));
    assert_eq!(followed.find(9), "known");
    let one = token(8, 100, 1, 2);
    let record = followed.record(one.key(), keyspace::encode(&one));
    followed.index.loaded(&Load::One(one.key()), vec![record]);
    assert_eq!(
        (followed.find(8), followed.find(7)),
        ("known", "not loaded")
    );
}

#[test]
fn slices_of_the_directory_move_no_cursor() {
    let mut followed = Followed::empty();
    let load = Load::Slice {
        prefix: keyspace::LIBRARIES.to_vec(),
        after: None,
        limit: 10,
    };
    followed.index.loaded(&load, Vec::new());
    assert_eq!(followed.find(1), "not loaded");
}

#[test]
fn a_damaged_token_ahead_of_the_cursor_is_told_as_damaged() {
    let followed = Followed::empty();
    followed
        .index
        .mark_damaged(&keyspace::token(TokenId([7; 16])));
    assert_eq!(
        (followed.find(7), followed.find(8)),
        ("damaged", "not loaded")
    );
}

#[test]
fn a_batch_is_seen_whole_with_its_last_revision_or_not_at_all() {
    let followed = Followed::new();
    let mut index = followed.index.clone();
    let writing = std::thread::spawn(move || {
        // Each batch makes a user type, then assigns it and deletes the one before: two commits.
        for batch in 1..=400 {
            let made = user_type(1, &format!("type-{batch}"), &[]);
            let before = user_type(1, &format!("type-{}", batch - 1), &[]);
            let jane = user(1, "jane", 2, &[made.user_type.as_str()]);
            let first = Committed {
                revision: Revision(2 + 2 * batch),
                events: vec![put_event(&made)],
            };
            let second = Committed {
                revision: Revision(3 + 2 * batch),
                events: vec![put_event(&jane), Event::Delete(before.key())],
            };
            index.publish(&[first, second]);
        }
    });
    while !writing.is_finished() {
        let state = followed.index.read().unwrap();
        assert_eq!(state.revision().0 % 2, 1, "half a batch was seen");
        let slot = state.directory().library_named("acme").unwrap();
        let jane = state.directory().user(slot.user_named("jane").unwrap());
        let held = &jane.facts.as_ref().unwrap().assignments[0].user_type;
        assert!(
            slot.user_types.contains_key(held),
            "a mixture of two states"
        );
    }
    writing.join().unwrap();
}

fn put_event(record: &impl Stored) -> Event {
    Event::Put(Record {
        key: record.key(),
        value: keyspace::encode(record),
        create_revision: Revision(1),
        mod_revision: Revision(1),
    })
}

#[test]
fn a_panic_of_the_writer_refuses_everything_from_then_on() {
    let followed = Followed::new();
    let index = followed.index.clone();
    let panicked = std::thread::spawn(move || index.change(|_| panic!("half way"))).join();
    assert!(panicked.is_err());
    assert_eq!(
        followed.index.read().err().unwrap().reason,
        Reason::Internal
    );
}

#[test]
fn a_session_that_may_lie_idle_is_not_known_before_its_uses_are() {
    let mut followed = Followed::new();
    let session = |id: u8| Token {
        kind: TokenKind::Session,
        ..token(id, 100, 1, 2)
    };
    for id in [3, 6] {
        followed.put(&session(id));
    }
    followed.put(&token(9, 100, 1, 2));
    assert_eq!(followed.find(6), "known");
    followed.put(&Library {
        session_idle_timeout: Some(IdleTimeout::parse("5m").unwrap()),
        ..library("acme", 1)
    });
    let find = |followed: &Followed| [3, 6, 9].map(|id| followed.find(id));
    assert_eq!(find(&followed), ["not loaded", "not loaded", "known"]);
    let bucket = Bucket::of(TokenId([6; 16]));
    followed.load_uses(&keyspace::uses_bucket(bucket), 2, Vec::new());
    assert_eq!(find(&followed), ["not loaded", "known", "known"]);
    // A bucket goes on in the next slice until one is not full.
    let part = followed.record(keyspace::uses(Bucket::of(TokenId([3; 16])), 0), Vec::new());
    followed.load_uses(keyspace::USES, 1, vec![part]);
    assert_eq!(find(&followed), ["not loaded", "known", "known"]);
    let other = followed.record(keyspace::uses(Bucket::of(TokenId([4; 16])), 0), Vec::new());
    followed.load_uses(keyspace::USES, 1, vec![other]);
    assert_eq!(find(&followed), ["known", "known", "known"]);
}
