//! Sessions that lie idle.

use super::commands::{create_token, update_library};
use super::lifecycle::{resume, suspend};
use super::samples::{granted, named};
use super::sessions::{PASSWORD, logs_in, with_gate};
use super::stage::{DAY, MINUTE, Stage};
use crate::authority::idle::IdleTimeout;
use crate::authority::issue::CreateToken;
use crate::authority::judge::Verdict;
use crate::authority::keyspace;
use crate::authority::libraries::UpdateLibrary;
use crate::authority::list::TokenFilter;
use crate::authority::page::PageRequest;
use crate::authority::permission::Reserved;
use crate::authority::state::TokenState;
use crate::authority::token::Token;
use crate::authority::uses::FLUSH_INTERVAL_MS;

/// Sessions of `acme` may lie idle for half an hour.
pub(super) async fn with_timeout() -> Stage {
    let stage = with_gate().await;
    set(&stage, "30m").await;
    stage
}

async fn set(stage: &Stage, timeout: &str) {
    let update = UpdateLibrary {
        session_idle_timeout: Some(IdleTimeout::parse_optional(timeout).unwrap()),
        ..update_library("acme")
    };
    stage.done("root", &update).await;
}

async fn state(stage: &Stage, token: &Token) -> TokenState {
    let found = stage.authority.token_state(token, stage.time()).unwrap().0;
    let caller = stage.authenticate("adam", Reserved::TokensAdmin).await;
    let filter = TokenFilter {
        states: vec![found],
        ..TokenFilter::of(named("acme"))
    };
    let page = PageRequest {
        size: 1000,
        ..PageRequest::default()
    };
    let listed = stage
        .authority
        .list_tokens(&caller.unwrap(), &filter, &page, stage.time())
        .await
        .unwrap();
    assert!(
        listed.items.iter().any(|item| item.value.id == token.id),
        "lists agree"
    );
    found
}

#[tokio::test]
async fn a_session_that_lies_idle_for_too_long_has_expired() {
    let stage = with_timeout().await;
    let (session, secret) = logs_in(&stage, "pat", PASSWORD).await.unwrap();
    let long = 30 * MINUTE + FLUSH_INTERVAL_MS;
    // From its creation on; a use begins the time anew.
    stage.later(long - 1);
    assert_eq!(state(&stage, &session).await, TokenState::Active);
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    stage.later(long - 1);
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    stage.later(long);
    assert_eq!(state(&stage, &session).await, TokenState::Expired);
    assert_eq!(stage.verdict(&secret).await, Verdict::Expired);
    // Being asked about does not bring it back.
    assert_eq!(stage.verdict(&secret).await, Verdict::Expired);
    // It is a credential no more, either.
    stage.remember("pat", &secret);
    let refused = stage.authenticate("pat", Reserved::TokensSelf).await;
    assert!(refused.unwrap_err().message.contains("idle"));
}

#[tokio::test]
async fn a_session_is_kept_alive_by_calls_of_this_api_and_by_no_refused_use() {
    let stage = with_timeout().await;
    let (session, secret) = logs_in(&stage, "pat", PASSWORD).await.unwrap();
    stage.remember("pat", &secret);
    for _ in 0..3 {
        stage.later(25 * MINUTE);
        stage
            .authenticate("pat", Reserved::TokensSelf)
            .await
            .unwrap();
    }
    stage.done("adam", &suspend(session.id)).await;
    for _ in 0..2 {
        stage.later(20 * MINUTE);
        assert_eq!(stage.verdict(&secret).await, Verdict::Suspended);
    }
    stage.done("adam", &resume(session.id)).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Expired);
}

#[tokio::test]
async fn integrations_never_lie_idle_and_no_session_does_without_a_timeout() {
    let stage = with_timeout().await;
    let (session, secret) = logs_in(&stage, "pat", PASSWORD).await.unwrap();
    let (_, token) = stage.token().await;
    stage.later(10 * DAY);
    assert_eq!(stage.verdict(&token).await, Verdict::Valid);
    assert_eq!(stage.verdict(&secret).await, Verdict::Expired);
    set(&stage, "11d").await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    set(&stage, "5m").await;
    stage.later(DAY);
    assert_eq!(state(&stage, &session).await, TokenState::Expired);
    set(&stage, "").await;
    assert_eq!(state(&stage, &session).await, TokenState::Active);
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    let event = stage.newest_event("acme").await;
    assert_eq!(event.fields, ["session_idle_timeout"]);
}

#[tokio::test]
async fn a_session_lives_on_across_a_start_as_long_as_it_was_used() {
    let stage = with_timeout().await;
    let (_, secret) = logs_in(&stage, "pat", PASSWORD).await.unwrap();
    let (_, other) = logs_in(&stage, "pat", PASSWORD).await.unwrap();
    stage.later(25 * MINUTE);
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    stage.authority.keep_all_uses(stage.now()).await.unwrap();
    stage.later(25 * MINUTE);
    // Nothing is loaded yet: what the verdict needs is loaded first.
    let stage = stage.opened().await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    assert_eq!(stage.verdict(&other).await, Verdict::Expired);
    stage.authority.load_tokens().await.unwrap();
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    assert_eq!(stage.verdict(&other).await, Verdict::Expired);
    // A kill: what was not written counts in the session's favour.
    stage.later(30 * MINUTE);
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    let stage = stage.reopened().await;
    assert_eq!(
        stage.verdict(&secret).await,
        Verdict::Expired,
        "a use that was never written is no use"
    );
}

#[tokio::test]
async fn a_damaged_record_of_uses_stops_nothing_and_keeps_no_session_alive() {
    let stage = with_timeout().await;
    let (session, secret) = logs_in(&stage, "pat", PASSWORD).await.unwrap();
    stage.later(25 * MINUTE);
    stage.verdict(&secret).await;
    stage.authority.keep_all_uses(stage.now()).await.unwrap();
    let bucket = crate::authority::uses::Bucket::of(session.id);
    stage
        .overwrite(keyspace::uses(bucket, 0), b"\x01not a record")
        .await;
    stage.later(10 * MINUTE);
    let stage = stage.reopened().await;
    assert!(stage.authority.is_complete());
    assert_eq!(stage.verdict(&secret).await, Verdict::Expired);
    let (_, again) = logs_in(&stage, "pat", PASSWORD).await.unwrap();
    assert_eq!(stage.verdict(&again).await, Verdict::Valid);
}

#[tokio::test]
async fn tokens_of_a_user_are_told_from_its_sessions() {
    let stage = with_timeout().await;
    let own = CreateToken {
        permissions: granted(&["tokens:self"]),
        ..create_token("pat")
    };
    let (token, _) = stage.created("root", &own).await;
    stage.later(DAY);
    assert_eq!(state(&stage, &token).await, TokenState::Active);
}
