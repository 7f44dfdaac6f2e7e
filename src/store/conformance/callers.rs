//! Many callers at once, the end, and the model.

use super::*;

pub(super) async fn no_increment_is_lost_among_many_committers(engine: Engine) {
    const COMMITTERS: u64 = 16;
    const INCREMENTS: u64 = 10;
    let first = engine.put("counter", "0").await;
    let mut committers = JoinSet::new();
    for _ in 0..COMMITTERS {
        let store = engine.store.clone();
        committers.spawn(async move {
            let mut done = 0;
            while done < INCREMENTS {
                let counter = store
                    .get(vec![key("counter")])
                    .await
                    .unwrap()
                    .remove(0)
                    .unwrap();
                let count: u64 = String::from_utf8(counter.value).unwrap().parse().unwrap();
                let precondition = Precondition::At(counter.key, counter.mod_revision);
                let change = put("counter", &(count + 1).to_string());
                match store.commit(vec![precondition], vec![change]).await {
                    Ok(_) => done += 1,
                    Err(error) => assert_eq!(error, StoreError::Conflict),
                }
            }
        });
    }
    while let Some(done) = committers.join_next().await {
        done.unwrap();
    }
    let counter = engine.get("counter").await.unwrap();
    assert_eq!(
        counter.value,
        (COMMITTERS * INCREMENTS).to_string().as_bytes()
    );
    assert_eq!(counter.mod_revision.0, first + COMMITTERS * INCREMENTS);
}

pub(super) async fn a_commit_whose_caller_left_is_still_carried_out_whole(engine: Engine) {
    for number in 0..50 {
        let name = number.to_string();
        let commit = engine
            .store
            .commit(vec![], vec![put(&name, ""), put("last", &name)]);
        // Polled once, so that it is asked, and then dropped.
        let _ = tokio::time::timeout(Duration::ZERO, commit).await;
    }
    let kept = engine.scan(b"", None, 100).await;
    assert_eq!(kept.len(), 51);
    assert_eq!(engine.get("last").await.unwrap().value, b"49");
}

// === the end ===

pub(super) async fn a_closed_store_fails_every_call(engine: Engine) {
    engine.put("a", "1").await;
    engine.store.close().await;
    engine.store.close().await;
    let store = &engine.store;
    assert_eq!(store.head().await, Err(StoreError::Failed));
    assert_eq!(store.get(vec![key("a")]).await, Err(StoreError::Failed));
    assert_eq!(store.scan(vec![], None, 1).await, Err(StoreError::Failed));
    assert_eq!(
        store.commit(vec![], vec![put("b", "1")]).await,
        Err(StoreError::Failed)
    );
    assert_eq!(
        store.load(Load::One(key("a"))).await,
        Err(StoreError::Failed)
    );
    assert_eq!(
        store
            .load(Load::Slice {
                prefix: vec![],
                after: None,
                limit: 1
            })
            .await,
        Err(StoreError::Failed)
    );
    assert_eq!(engine.seen.lock().unwrap().commits.len(), 1);
}

pub(super) async fn a_sound_engine_never_says_that_it_failed(engine: Engine) {
    engine.put("a", "1").await;
    let wait = Duration::from_millis(50);
    assert!(
        tokio::time::timeout(wait, engine.store.failed())
            .await
            .is_err()
    );
    engine.store.close().await;
    assert!(
        tokio::time::timeout(wait, engine.store.failed())
            .await
            .is_err()
    );
}

// === against the model ===

pub(super) async fn random_commits_do_what_the_model_says(engine: Engine) {
    model::check(engine).await;
}
