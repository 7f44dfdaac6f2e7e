//! What reads see.

use super::*;

pub(super) async fn a_scan_is_in_key_order_and_keeps_to_its_prefix(engine: Engine) {
    let keys: [&[u8]; 9] = [
        b"a",
        b"b",
        b"b/",
        b"b/1",
        b"b0",
        b"c",
        b"\xff",
        b"\xff\xff",
        b"\xff\xff\x01",
    ];
    for key in keys.iter().rev() {
        engine
            .commit(vec![], vec![Change::Put(key.to_vec(), vec![])])
            .await
            .unwrap();
    }
    assert_eq!(engine.scan(b"", None, 100).await, keys);
    assert_eq!(engine.scan(b"b", None, 100).await, keys[1..5]);
    assert_eq!(engine.scan(b"b/", None, 100).await, keys[2..4]);
    assert_eq!(engine.scan(b"\xff", None, 100).await, keys[6..]);
    assert_eq!(engine.scan(b"\xff\xff", None, 100).await, keys[7..]);
    assert!(engine.scan(b"bb", None, 100).await.is_empty());
    assert!(engine.scan(b"\xff\xff\xff", None, 100).await.is_empty());
}

pub(super) async fn a_scan_goes_on_after_a_key_and_stops_at_its_limit(engine: Engine) {
    for name in ["a", "p1", "p2", "p3", "q"] {
        engine.put(name, "").await;
    }
    assert_eq!(engine.scan(b"p", None, 2).await, [key("p1"), key("p2")]);
    assert_eq!(engine.scan(b"p", Some(b"p2"), 2).await, [key("p3")]);
    assert_eq!(engine.scan(b"p", Some(b"p11"), 1).await, [key("p2")]);
    assert_eq!(engine.scan(b"p", Some(b"a"), 1).await, [key("p1")]);
    assert!(engine.scan(b"p", Some(b"p3"), 9).await.is_empty());
    assert!(engine.scan(b"p", Some(b"z"), 9).await.is_empty());
    assert!(engine.scan(b"p", None, 0).await.is_empty());
}

pub(super) async fn a_get_answers_in_the_order_asked_and_as_of_one_revision(engine: Engine) {
    engine
        .commit(vec![], vec![put("a", "0"), put("b", "0")])
        .await
        .unwrap();
    let writer = {
        let store = engine.store.clone();
        tokio::spawn(async move {
            for number in 1..=200 {
                let value = number.to_string();
                store
                    .commit(vec![], vec![put("a", &value), put("b", &value)])
                    .await
                    .unwrap();
            }
        })
    };
    while !writer.is_finished() {
        let records = engine
            .store
            .get(vec![key("b"), key("none"), key("a")])
            .await
            .unwrap();
        let [Some(b), None, Some(a)] = records.as_slice() else {
            panic!("{records:?}");
        };
        assert_eq!((a.key.as_slice(), b.key.as_slice()), (&b"a"[..], &b"b"[..]));
        assert_eq!(a.value, b.value);
        assert_eq!(a.mod_revision, b.mod_revision);
    }
    writer.await.unwrap();
}

pub(super) async fn what_is_asked_after_a_commit_sees_it(engine: Engine) {
    let store = &engine.store;
    for number in 1..=20 {
        let value = number.to_string();
        // Polled in this order, so asked in this order, and all before the first answer.
        let (first, found, scanned, loaded, second) = tokio::join!(
            store.commit(vec![], vec![put("a", &value)]),
            store.get(vec![key("a")]),
            store.scan(vec![], None, 9),
            store.load(Load::One(key("a"))),
            store.commit(vec![], vec![put("b", "")]),
        );
        let first = first.unwrap();
        assert_eq!(second, Ok(Revision(first.0 + 1)));
        assert_eq!(loaded, Ok(None));
        let loaded = engine.seen.lock().unwrap().loads.pop().unwrap().1.remove(0);
        for record in [
            found.unwrap().remove(0).unwrap(),
            scanned.unwrap().remove(0),
            loaded,
        ] {
            assert_eq!(record.mod_revision, first);
        }
    }
    assert_eq!(engine.seen.lock().unwrap().wrong_loads, 0);
}
