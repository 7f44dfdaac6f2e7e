//! Refused uses are told in the log, as a sample: none is lost that was counted.

use super::lifecycle::{revoke, suspend};
use super::stage::{MINUTE, Stage};
use super::watching::{told, watch};
use crate::authority::judge::Verdict;

#[tokio::test]
async fn refused_uses_of_a_token_that_has_ended_leave_a_sample_in_the_log() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    stage.done("adam", &revoke(id)).await;
    let told = async |stage: &Stage| {
        stage.authority.tell_refused(stage.now()).await.unwrap();
        stage.kept().await;
        let log = stage.log("acme").await;
        log.iter()
            .filter(|action| *action == "token.refused")
            .count()
    };
    assert_eq!(told(&stage).await, 0);
    for _ in 0..3 {
        assert_eq!(stage.uses(&secret, "orders:read").await, Verdict::Revoked);
    }
    assert_eq!(told(&stage).await, 1);
    let event = stage.newest_event("acme").await;
    assert_eq!(event.action, "token.refused");
    assert_eq!(event.actor, "token-authority");
    assert_eq!(
        (event.token_id.as_str(), event.user.as_str()),
        (id.to_string().as_str(), "jane")
    );
    assert_eq!(
        event.comment,
        format!(
            "REVOKED: refused 3 times, the last asked by acme/adam at {}",
            stage.time()
        )
    );
    // Once an hour, even across a start.
    stage.later(10 * MINUTE);
    stage.uses(&secret, "orders:read").await;
    assert_eq!(told(&stage).await, 1);
    let stage = stage.reopened().await;
    stage.uses(&secret, "orders:read").await;
    assert_eq!(told(&stage).await, 1);
    stage.later(60 * MINUTE);
    stage.uses(&secret, "orders:read").await;
    assert_eq!(told(&stage).await, 2);
    let comment = stage.newest_event("acme").await.comment;
    assert!(
        comment.starts_with("REVOKED: refused 3 times since 2026-03-01T12:00:00Z"),
        "{comment}"
    );
}

#[tokio::test]
async fn an_event_that_could_not_be_written_is_written_later() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    stage.done("adam", &suspend(id)).await;
    stage.verdict(&secret).await;
    stage.store.refuses_commits(true);
    assert!(stage.authority.tell_refused(stage.now()).await.is_err());
    stage.store.refuses_commits(false);
    stage.authority.tell_refused(stage.now()).await.unwrap();
    assert_eq!(stage.newest_event("acme").await.action, "token.refused");
}

#[tokio::test]
async fn refused_uses_that_nobody_was_told_of_are_told_after_the_next_start() {
    let refused = async |stage: &Stage| {
        let log = stage.log("acme").await;
        let refused = log.iter().filter(|action| *action == "token.refused");
        refused.count()
    };
    let stage = Stage::new().await;
    for _ in 0..60 {
        let (id, secret) = stage.token().await;
        stage.done("adam", &revoke(id)).await;
        stage.verdict(&secret).await;
    }
    // As a kill leaves it: counted, and not told.
    stage.authority.keep_all_uses(stage.now()).await.unwrap();
    let stage = stage.reopened().await;
    assert_eq!(refused(&stage).await, 0);
    stage.authority.tell_all_refused(stage.now()).await.unwrap();
    assert_eq!(refused(&stage).await, 60);
    // What was told is not told again.
    stage.authority.keep_all_uses(stage.now()).await.unwrap();
    let stage = stage.reopened().await;
    stage.authority.tell_all_refused(stage.now()).await.unwrap();
    assert_eq!(refused(&stage).await, 60);
}

#[tokio::test]
async fn refused_uses_that_wait_to_be_told_are_told_at_the_end() {
    let stage = Stage::new().await;
    for _ in 0..60 {
        let (id, secret) = stage.token().await;
        stage.done("adam", &revoke(id)).await;
        stage.verdict(&secret).await;
    }
    // The store can't be asked any more then, but who watches was told.
    let mut watching = watch(&stage, "").await;
    stage.authority.close(stage.now()).await;
    let told = told(&stage, &mut watching).await.unwrap();
    assert_eq!(told.len(), 60);
    assert!(told.iter().all(|(_, action)| action == "token.refused"));
}

#[tokio::test]
async fn what_needs_no_event_or_was_told_whole_is_not_told_after_a_start() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    // A demand that is refused says nothing about the token.
    assert_eq!(
        stage.uses(&secret, "stock:move").await,
        Verdict::MissingPermission
    );
    stage.done("adam", &suspend(id)).await;
    stage.verdict(&secret).await;
    stage.authority.tell_refused(stage.now()).await.unwrap();
    stage.authority.keep_all_uses(stage.now()).await.unwrap();
    let log = stage.log("acme").await;
    assert_eq!(log[0], "token.refused");
    // An hour later, as the next start knows, one would be due.
    stage.later(2 * 60 * MINUTE);
    stage.authority.sweep(stage.now()).await.unwrap();
    let stage = stage.reopened().await;
    stage.authority.tell_all_refused(stage.now()).await.unwrap();
    assert_eq!(stage.log("acme").await, log);
}

#[tokio::test]
async fn nothing_is_told_before_it_is_known_what_was() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    stage.done("adam", &revoke(id)).await;
    stage.verdict(&secret).await;
    stage.authority.tell_refused(stage.now()).await.unwrap();
    stage.kept().await;
    let log = stage.log("acme").await;
    let stage = stage.opened().await;
    stage.later(10 * MINUTE);
    assert_eq!(stage.verdict(&secret).await, Verdict::Revoked);
    stage.authority.tell_refused(stage.now()).await.unwrap();
    assert_eq!(stage.log("acme").await, log);
    stage.authority.load_tokens().await.unwrap();
    stage.authority.tell_refused(stage.now()).await.unwrap();
    assert_eq!(stage.log("acme").await, log, "it was told within the hour");
    stage.later(60 * MINUTE);
    stage.verdict(&secret).await;
    stage.authority.tell_refused(stage.now()).await.unwrap();
    assert_eq!(stage.log("acme").await.len(), log.len() + 1);
}
