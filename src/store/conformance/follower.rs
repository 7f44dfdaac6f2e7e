//! What the follower is told.

use super::*;

pub(super) async fn the_follower_sees_each_commit_whole_and_before_its_answer(engine: Engine) {
    let mut committers = JoinSet::new();
    for committer in 0..8 {
        let (store, seen) = (engine.store.clone(), engine.seen.clone());
        committers.spawn(async move {
            for number in 0..20 {
                let name = format!("{committer}/{number}");
                let changes = vec![put(&name, "1"), delete("gone"), put("shared", &name)];
                let revision = store.commit(vec![], changes).await.unwrap();
                let seen = seen.lock().unwrap();
                let index = usize::try_from(revision.0).unwrap() - 1;
                let commit = seen.commits.get(index).expect("seen before the answer");
                assert_eq!(commit.revision, revision);
                let [Event::Put(first), Event::Delete(second), Event::Put(third)] =
                    commit.events.as_slice()
                else {
                    panic!("{commit:?}");
                };
                assert_eq!(first.key, key(&name));
                assert_eq!(second, b"gone");
                assert_eq!(third.value, key(&name));
                assert_eq!(
                    (first.mod_revision, third.mod_revision),
                    (revision, revision)
                );
            }
        });
    }
    while let Some(done) = committers.join_next().await {
        done.unwrap();
    }
    let seen = engine.seen.lock().unwrap();
    let revisions: Vec<u64> = seen
        .commits
        .iter()
        .map(|commit| commit.revision.0)
        .collect();
    assert_eq!(revisions, (1..=160).collect::<Vec<u64>>());
}

pub(super) async fn a_load_hands_over_what_is_stored_before_it_returns(engine: Engine) {
    for name in ["p1", "p2", "p3", "q"] {
        engine.put(name, name).await;
    }
    let slice = |after: Option<&str>| Load::Slice {
        prefix: key("p"),
        after: after.map(key),
        limit: 2,
    };
    let loads = [
        (slice(None), vec!["p1", "p2"], Some(key("p2"))),
        (slice(Some("p1")), vec!["p2", "p3"], Some(key("p3"))),
        (slice(Some("p2")), vec!["p3"], None),
        (slice(Some("p3")), vec![], None),
        (Load::One(key("q")), vec!["q"], None),
        (Load::One(key("none")), vec![], None),
    ];
    for (load, names, end) in loads {
        assert_eq!(engine.store.load(load.clone()).await, Ok(end));
        let mut seen = engine.seen.lock().unwrap();
        let (answered, records) = seen.loads.pop().expect("seen before the answer");
        assert_eq!(answered, load);
        let values: Vec<_> = records.iter().map(|record| record.value.clone()).collect();
        assert_eq!(
            values,
            names.iter().map(|name| key(name)).collect::<Vec<_>>()
        );
        assert_eq!(seen.wrong_loads, 0);
    }
}

pub(super) async fn slices_loaded_under_commits_miss_nothing_and_are_never_stale(engine: Engine) {
    let seeds = (0..300)
        .map(|number| put(&format!("{number:03}"), "seed"))
        .collect();
    engine.commit(vec![], seeds).await.unwrap();
    let mut committers = JoinSet::new();
    for committer in 0..4_u32 {
        let store = engine.store.clone();
        committers.spawn(async move {
            for number in 0..150_u32 {
                let name = format!("{:03}", (number * 97 + committer * 31) % 400);
                let change = match (number + committer) % 3 {
                    0 => delete(&name),
                    _ => put(&name, &format!("{committer}/{number}")),
                };
                store.commit(vec![], vec![change]).await.unwrap();
            }
        });
    }
    let mut after = None;
    loop {
        let limit = 7;
        let load = Load::Slice {
            prefix: vec![],
            after: after.clone(),
            limit,
        };
        engine.store.load(load).await.unwrap();
        engine.store.load(Load::One(key("007"))).await.unwrap();
        let mut seen = engine.seen.lock().unwrap();
        seen.loads.pop();
        let (_, records) = seen.loads.pop().unwrap();
        if records.len() < limit {
            break;
        }
        after = records.last().map(|record| record.key.clone());
    }
    while let Some(done) = committers.join_next().await {
        done.unwrap();
    }
    let stored = engine.store.scan(vec![], None, usize::MAX).await.unwrap();
    let seen = engine.seen.lock().unwrap();
    assert_eq!(seen.wrong_loads, 0);
    assert_eq!(seen.index.values().cloned().collect::<Vec<_>>(), stored);
}
