//! Repeats of a request.

use super::commands::{create_token, create_user, update_user};
use super::directory::delete_user;
use super::lifecycle::{extend, revoke};
use super::samples::{assignments, granted};
use super::stage::{DAY, MINUTE, Stage};
use crate::authority::error::Reason;
use crate::authority::issue::CreateToken;
use crate::authority::judge::Verdict;
use crate::authority::keyspace;
use crate::authority::name::Name;
use crate::authority::token::Token;
use crate::authority::transaction::Done;
use crate::authority::users::{DeleteUser, UpdateUser};

/// What a creation answered: the id and the secret.
fn told(done: &Done<Token>) -> (String, String) {
    let id = done.answer.as_ref().unwrap().value.id.to_string();
    (id, done.secret.as_ref().unwrap().expose().to_owned())
}

#[tokio::test]
async fn a_repeat_gets_the_same_token_and_the_same_secret() {
    let stage = Stage::new().await;
    let create = create_token("jane");
    let first = stage.request("adam", 1, 1, &create).await.unwrap();
    let before = stage.keys(keyspace::TOKENS).await.len();
    stage.later(10 * MINUTE - 1);
    let second = stage.request("adam", 1, 1, &create).await.unwrap();
    assert_eq!(told(&second), told(&first));
    assert_eq!(second.revision, first.revision);
    assert_eq!(second.warnings, first.warnings);
    assert_eq!(stage.keys(keyspace::TOKENS).await.len(), before);
    assert_eq!(stage.verdict(&told(&second).1).await, Verdict::Valid);
}

#[tokio::test]
async fn ten_minutes_later_it_is_a_new_request() {
    let stage = Stage::new().await;
    for start in [0, 3 * MINUTE, 9 * MINUTE] {
        stage.later(start);
        let first = stage
            .request("adam", 1, 1, &create_token("jane"))
            .await
            .unwrap();
        stage.later(10 * MINUTE);
        let second = stage
            .request("adam", 1, 1, &create_token("jane"))
            .await
            .unwrap();
        assert_ne!(told(&second), told(&first));
        // Even with another payload.
        stage.later(10 * MINUTE);
        stage
            .request("adam", 1, 2, &create_token("jane"))
            .await
            .unwrap();
        stage.later(10 * MINUTE);
    }
}

#[tokio::test]
async fn another_payload_under_the_same_id_is_refused_and_does_nothing() {
    let stage = Stage::new().await;
    stage
        .request("adam", 1, 1, &create_token("jane"))
        .await
        .unwrap();
    let before = stage.log("acme").await;
    let error = stage
        .request("adam", 1, 2, &create_token("jane"))
        .await
        .unwrap_err();
    assert_eq!(error.reason, Reason::RequestIdReused);
    assert_eq!(stage.log("acme").await, before);
}

#[tokio::test]
async fn a_repeat_across_midnight_opens_what_was_sealed_before() {
    let stage = Stage::new().await;
    stage.set_time("2026-03-01T23:58:00Z");
    let first = stage
        .request("adam", 1, 1, &create_token("jane"))
        .await
        .unwrap();
    stage.later(4 * MINUTE);
    stage.authority.sweep(stage.now()).await.unwrap();
    let second = stage
        .request("adam", 1, 1, &create_token("jane"))
        .await
        .unwrap();
    assert_eq!(told(&second), told(&first));
}

#[tokio::test]
async fn a_repeat_after_a_restart_gets_the_same_secret() {
    let stage = Stage::new().await;
    let first = stage
        .request("adam", 1, 1, &create_token("jane"))
        .await
        .unwrap();
    let stage = stage.reopened().await;
    let second = stage
        .request("adam", 1, 1, &create_token("jane"))
        .await
        .unwrap();
    assert_eq!(told(&second), told(&first));
}

#[tokio::test]
async fn concurrent_repeats_create_one_token() {
    let stage = Stage::new().await;
    let before = stage.keys(keyspace::TOKENS).await.len();
    let create = create_token("jane");
    let one = || stage.request("adam", 1, 1, &create);
    let (a, b, c) = tokio::join!(one(), one(), one());
    let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
    assert_eq!((told(&a), told(&a)), (told(&b), told(&c)));
    assert_eq!(stage.keys(keyspace::TOKENS).await.len(), before + 1);
}

#[tokio::test]
async fn a_repeat_that_overtakes_the_first_leaves_it_one_token() {
    let stage = std::sync::Arc::new(Stage::new().await);
    let before = stage.keys(keyspace::TOKENS).await.len();
    // So that the hook runs before the token's own commit and not before the day's sealing key.
    stage
        .request("adam", 9, 9, &create_token("jane"))
        .await
        .unwrap();
    let inner = stage.clone();
    stage.store.before_commit(async move {
        inner
            .request("adam", 1, 1, &create_token("jane"))
            .await
            .unwrap();
    });
    let outer = stage
        .request("adam", 1, 1, &create_token("jane"))
        .await
        .unwrap();
    assert_eq!(stage.keys(keyspace::TOKENS).await.len(), before + 2);
    assert_eq!(stage.verdict(&told(&outer).1).await, Verdict::Valid);
}

#[tokio::test]
async fn a_repeat_of_an_extension_does_not_extend_twice() {
    let stage = Stage::new().await;
    let create = CreateToken {
        until: Some(crate::authority::moment::Until::parse("90d").unwrap()),
        ..create_token("jane")
    };
    let (token, _) = stage.created("adam", &create).await;
    let by_a_month = extend(
        token.id,
        crate::authority::change::Extension::By(super::samples::lifetime("1mo")),
    );
    let first = stage.request("adam", 1, 1, &by_a_month).await.unwrap();
    let second = stage.request("adam", 1, 1, &by_a_month).await.unwrap();
    assert_eq!(second.answer, first.answer);
    let other = stage.request("adam", 2, 1, &by_a_month).await.unwrap();
    assert_ne!(other.answer, first.answer);
}

#[tokio::test]
async fn a_repeat_is_answered_by_what_the_first_did_even_if_it_could_not_be_done_again() {
    let stage = Stage::new().await;
    let (id, _) = stage.token().await;
    let far = extend(
        id,
        crate::authority::change::Extension::By(super::samples::lifetime("2y")),
    );
    let first = stage.request("adam", 1, 1, &far).await.unwrap();
    assert!(first.clamped);
    let again = stage.request("adam", 1, 1, &far).await.unwrap();
    assert!(again.clamped);
    assert_eq!(again.answer, first.answer);
    let user = stage
        .request("adam", 1, 1, &create_user("mary", &[]))
        .await
        .unwrap();
    let again = stage
        .request("adam", 1, 1, &create_user("mary", &[]))
        .await
        .unwrap();
    assert_eq!(again.answer, user.answer);
    let delete = DeleteUser {
        library: Name::parse("acme").unwrap(),
        user: Name::parse("mary").unwrap(),
        etag: String::new(),
    };
    let gone = stage.request("adam", 2, 1, &delete).await.unwrap();
    assert_eq!(
        stage.request("adam", 2, 1, &delete).await.unwrap().revision,
        gone.revision
    );
}

#[tokio::test]
async fn a_repeat_with_the_etag_that_the_first_made_stale_is_answered() {
    let stage = Stage::new().await;
    let (id, _) = stage.token().await;
    let found = stage.done("adam", &super::lifecycle::suspend(id)).await;
    let mut resume = super::lifecycle::resume(id);
    resume.etag = stage.authority.revision_text(found.revision);
    let first = stage.request("adam", 1, 1, &resume).await.unwrap();
    let again = stage.request("adam", 1, 1, &resume).await.unwrap();
    assert_eq!(again.answer, first.answer);
    let refused = stage.request("adam", 2, 1, &resume).await.unwrap_err();
    assert_eq!(refused.reason, Reason::EtagMismatch);
}

#[tokio::test]
async fn a_request_id_of_another_user_or_another_command_is_another_one() {
    let stage = Stage::new().await;
    let first = stage
        .request("adam", 1, 1, &create_token("jane"))
        .await
        .unwrap();
    let other = stage
        .request("tom", 1, 2, &create_token("jane"))
        .await
        .unwrap();
    assert_ne!(told(&other), told(&first));
    let id = first.answer.unwrap().value.id;
    stage.request("adam", 1, 3, &revoke(id)).await.unwrap();
}

#[tokio::test]
async fn a_repeat_by_somebody_who_lost_the_right_gets_nothing() {
    let stage = Stage::new().await;
    let conveys = CreateToken {
        permissions: granted(&["directory:admin"]),
        ..create_token("dora")
    };
    stage.request("adam", 1, 1, &conveys).await.unwrap();
    let demoted = UpdateUser {
        assignments: Some(assignments(&["token-admin"])),
        ..update_user("adam")
    };
    stage.done("root", &demoted).await;
    let error = stage.request("adam", 1, 1, &conveys).await.unwrap_err();
    assert_eq!(error.reason, Reason::ReservedPermission);
}

#[tokio::test]
async fn nothing_that_was_sealed_opens_once_its_days_key_is_swept() {
    let stage = Stage::new().await;
    stage
        .request("adam", 1, 1, &create_token("jane"))
        .await
        .unwrap();
    let kept = stage.keys(keyspace::REQUESTS).await;
    assert_eq!(kept.len(), 1);
    let copy = stage.store_value(&kept[0]).await;
    stage.later(2 * DAY);
    stage.authority.sweep(stage.now()).await.unwrap();
    assert!(stage.keys(keyspace::REQUESTS).await.is_empty());
    assert!(stage.keys(keyspace::SEALING_KEYS).await.is_empty());
    // Somebody puts the record back from an old backup, and the clock with it.
    stage.overwrite(kept[0].clone(), &copy).await;
    stage.later(-2 * DAY);
    let error = stage
        .request("adam", 1, 1, &create_token("jane"))
        .await
        .unwrap_err();
    assert_eq!(error.reason, Reason::RecordDamaged);
    let stage = stage.reopened().await;
    let error = stage
        .request("adam", 1, 1, &create_token("jane"))
        .await
        .unwrap_err();
    assert_eq!(error.reason, Reason::RecordDamaged);
}

#[tokio::test]
async fn what_can_still_be_asked_for_is_not_swept() {
    let stage = Stage::new().await;
    let first = stage
        .request("adam", 1, 1, &create_token("jane"))
        .await
        .unwrap();
    stage.later(10 * MINUTE - 1);
    stage.authority.sweep(stage.now()).await.unwrap();
    let again = stage
        .request("adam", 1, 1, &create_token("jane"))
        .await
        .unwrap();
    assert_eq!(told(&again), told(&first));
    assert_eq!(stage.verdict(&told(&first).1).await, Verdict::Valid);
}

#[tokio::test]
async fn a_repeat_is_not_answered_with_another_of_the_same_name() {
    let stage = Stage::new().await;
    let create = create_user("mary", &["clerk"]);
    stage.request("adam", 1, 1, &create).await.unwrap();
    stage.done("adam", &delete_user("acme", "mary")).await;
    let again = stage.request("adam", 1, 1, &create).await.unwrap();
    assert!(again.answer.is_none(), "the first one is gone");
    stage.done("adam", &create).await;
    let again = stage.request("adam", 1, 1, &create).await.unwrap();
    assert!(again.answer.is_none(), "this is another one");
}
