//! What a commit does, and what it refuses.

use super::*;

pub(super) async fn an_empty_store_has_nothing_and_revision_zero(engine: Engine) {
    assert_eq!(engine.head().await, 0);
    assert_eq!(engine.get("a").await, None);
    assert!(engine.scan(b"", None, 10).await.is_empty());
    assert_eq!(engine.store.id().epoch, 1);
}

pub(super) async fn absent_holds_only_for_a_key_without_a_value(engine: Engine) {
    assert_eq!(
        engine.commit(vec![absent("a")], vec![put("a", "1")]).await,
        Ok(1)
    );
    assert_eq!(
        engine.commit(vec![absent("a")], vec![put("a", "2")]).await,
        Err(StoreError::Conflict)
    );
    assert_eq!(engine.commit(vec![], vec![delete("a")]).await, Ok(2));
    assert_eq!(
        engine.commit(vec![absent("a")], vec![put("a", "3")]).await,
        Ok(3)
    );
    assert_eq!(engine.get("a").await.unwrap().value, b"3");
}

pub(super) async fn at_holds_only_for_the_revision_of_the_last_put(engine: Engine) {
    engine.put("a", "1").await;
    engine.put("b", "1").await;
    engine.put("a", "2").await;
    for stale in [0, 1, 2, 4] {
        let outcome = engine
            .commit(vec![at("a", stale)], vec![put("a", "x")])
            .await;
        assert_eq!(outcome, Err(StoreError::Conflict), "at {stale}");
    }
    assert_eq!(
        engine.commit(vec![at("a", 3)], vec![put("a", "3")]).await,
        Ok(4)
    );
    let outcome = engine
        .commit(vec![at("none", 0)], vec![put("c", "1")])
        .await;
    assert_eq!(
        outcome,
        Err(StoreError::Conflict),
        "a key without a value is at no revision"
    );
}

pub(super) async fn a_conflict_leaves_nothing_behind(engine: Engine) {
    engine.put("a", "1").await;
    let outcome = engine
        .commit(
            vec![at("a", 1), absent("b"), absent("a")],
            vec![put("a", "2"), put("b", "2"), put("c", "2")],
        )
        .await;
    assert_eq!(outcome, Err(StoreError::Conflict));
    assert_eq!(engine.head().await, 1);
    assert_eq!(engine.scan(b"", None, 10).await, [key("a")]);
    assert_eq!(engine.get("a").await.unwrap().value, b"1");
    assert_eq!(engine.seen.lock().unwrap().commits.len(), 1);
}

pub(super) async fn a_key_named_twice_is_refused(engine: Engine) {
    let outcome = engine
        .commit(vec![], vec![put("a", "1"), delete("a")])
        .await;
    assert_eq!(outcome, Err(StoreError::Conflict));
    assert_eq!(engine.head().await, 0);
}

pub(super) async fn what_is_too_large_is_refused_and_what_just_fits_is_kept(engine: Engine) {
    let (long_key, long_value) = (vec![b'k'; MAX_KEY_BYTES], vec![b'v'; MAX_VALUE_BYTES]);
    let longer = |bytes: &[u8]| [bytes, b"x"].concat();
    for change in [
        Change::Put(longer(&long_key), vec![]),
        Change::Put(key("a"), longer(&long_value)),
        Change::Delete(longer(&long_key)),
    ] {
        let outcome = engine.commit(vec![], vec![put("b", "1"), change]).await;
        assert_eq!(outcome, Err(StoreError::TooLarge));
    }
    assert_eq!(engine.head().await, 0);

    let fits = Change::Put(long_key.clone(), long_value.clone());
    engine.commit(vec![], vec![fits]).await.unwrap();
    let kept = engine
        .store
        .get(vec![long_key])
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(kept.value, long_value);
}

pub(super) async fn revisions_grow_by_one_and_are_in_every_record(engine: Engine) {
    for number in 1..=5 {
        let name = format!("k{number}");
        assert_eq!(
            engine
                .commit(vec![], vec![put(&name, ""), put("last", "")])
                .await,
            Ok(number)
        );
        assert_eq!(engine.head().await, number);
        for (name, created) in [(name.as_str(), number), ("last", 1)] {
            let record = engine.get(name).await.unwrap();
            assert_eq!(record.mod_revision, Revision(number));
            assert_eq!(record.create_revision, Revision(created));
        }
    }
}

pub(super) async fn create_revision_survives_overwriting_and_begins_anew_after_a_delete(
    engine: Engine,
) {
    for (number, change, created) in [
        (1, put("a", "1"), Some(1)),
        (2, put("a", "2"), Some(1)),
        (3, delete("a"), None),
        (4, put("a", "3"), Some(4)),
        (5, put("a", "4"), Some(4)),
    ] {
        assert_eq!(engine.commit(vec![], vec![change]).await, Ok(number));
        let found = engine.get("a").await.map(|record| record.create_revision.0);
        assert_eq!(found, created, "after revision {number}");
    }
}

pub(super) async fn deleting_what_is_not_there_is_no_fault(engine: Engine) {
    assert_eq!(
        engine
            .commit(vec![], vec![delete("a"), put("b", "1")])
            .await,
        Ok(1)
    );
    let seen = engine.seen.lock().unwrap();
    assert_eq!(seen.commits[0].events[0], Event::Delete(key("a")));
}

pub(super) async fn any_bytes_make_a_key(engine: Engine) {
    let keys: Vec<Key> = vec![
        vec![],
        vec![0],
        vec![0, 0],
        vec![1],
        vec![0xff],
        vec![0xff; 256],
    ];
    let changes = keys
        .iter()
        .map(|key| Change::Put(key.clone(), key.clone()))
        .collect();
    engine.commit(vec![], changes).await.unwrap();
    assert_eq!(engine.scan(b"", None, 100).await, keys);
    for record in engine.store.get(keys).await.unwrap() {
        let record = record.unwrap();
        assert_eq!(record.key, record.value);
    }
}
