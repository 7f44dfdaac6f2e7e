//! Records that can't be read, stores that are closed, and records that are full.

use super::commands::create_token;
use super::lifecycle::{revoke, suspend, update_token};
use super::rotation::rotate;
use super::samples::{granted, name};
use super::stage::{Stage, at_time, open};
use crate::authority::Authority;
use crate::authority::change::{RevokeToken, SuspendToken};
use crate::authority::error::Reason;
use crate::authority::issue::CreateToken;
use crate::authority::judge::{Demand, Verdict};
use crate::authority::keyspace;
use crate::authority::moment::Moment;
use crate::authority::secret::Secret;
use crate::authority::token::Token;
use crate::authority::update::UpdateToken;

/// Why a token could not be judged.
async fn failure(authority: &Authority, secret: &str, now: Moment) -> Reason {
    let demand = Demand::default();
    let judged = authority.verify(secret, &demand, None, at_time(now)).await;
    judged.unwrap_err().reason
}

#[tokio::test]
async fn a_damaged_token_is_an_error_and_never_valid_or_unknown() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    let (_, other) = stage.token().await;
    for bytes in [&b""[..], b"\x01", b"\x02", b"\x01\xff\xff"] {
        stage.overwrite(keyspace::token(id), bytes).await;
        assert_eq!(
            failure(&stage.authority, &secret, stage.time()).await,
            Reason::RecordDamaged
        );
    }
    assert_eq!(stage.verdict(&other).await, Verdict::Valid);
    assert_eq!(
        stage.refusal("adam", &suspend(id)).await,
        Reason::RecordDamaged
    );
    let stage = stage.reopened().await;
    assert_eq!(
        failure(&stage.authority, &secret, stage.time()).await,
        Reason::RecordDamaged
    );
    assert_eq!(stage.verdict(&other).await, Verdict::Valid);
}

#[tokio::test]
async fn a_token_damaged_ahead_of_the_loading_is_an_error_too() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    stage.overwrite(keyspace::token(id), b"\x01\xff").await;
    let opened = open(&stage.store, stage.root()).await.unwrap().authority;
    assert_eq!(
        failure(&opened, &secret, stage.time()).await,
        Reason::RecordDamaged
    );
}

#[tokio::test]
async fn tokens_are_judged_before_they_are_loaded() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    let (revoked, dead) = stage.token().await;
    stage.done("adam", &revoke(revoked)).await;
    let opened = open(&stage.store, stage.root()).await.unwrap().authority;
    assert!(!opened.is_complete());
    let verdict = async |text: &str| {
        let demand = Demand {
            permissions: vec![super::samples::demanded("orders:read")],
            ..Demand::default()
        };
        opened
            .verify(text, &demand, None, stage.now())
            .await
            .unwrap()
            .verdict
    };
    assert_eq!(verdict(&secret).await, Verdict::Valid);
    assert_eq!(verdict(&dead).await, Verdict::Revoked);
    let unknown = Secret::mint().unwrap().to_secret_string();
    assert_eq!(verdict(unknown.expose()).await, Verdict::NotFound);
    opened.load_tokens().await.unwrap();
    assert!(opened.is_complete());
    assert_eq!(verdict(&secret).await, Verdict::Valid);
    assert_eq!(
        stage
            .stored::<Token>(keyspace::token(id))
            .await
            .unwrap()
            .library,
        name("acme")
    );
}

#[tokio::test]
async fn a_closed_store_fails_verifications_of_what_is_not_loaded_and_every_command() {
    let stage = Stage::new().await;
    let opened = open(&stage.store, stage.root()).await.unwrap().authority;
    let call = stage.call::<CreateToken>("adam").await;
    let secret = stage.secret("adam");
    stage.authority.close(stage.now()).await;
    assert_eq!(
        failure(&opened, &secret, stage.time()).await,
        Reason::StoreUnavailable
    );
    let refused = stage
        .authority
        .perform(&call, &create_token("jane"), stage.now())
        .await;
    assert_eq!(refused.unwrap_err().reason, Reason::StoreUnavailable);
}

// === room ===

/// A creation whose record is as large as it may be: the number of its longest permissions, and the largest description.
async fn largest(stage: &Stage) -> Token {
    let texts: Vec<String> = (0..42)
        .map(|i| format!("r{i:02}:{}", "a".repeat(60)))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for length in (0..1024).rev() {
        let create = CreateToken {
            permissions: granted(&texts),
            description: "d".repeat(length),
            ..create_token("jane")
        };
        if let Ok(done) = stage.perform("adam", &create).await {
            assert!(
                length < 1023,
                "the record must be full for this to tell anything"
            );
            return done.answer.unwrap().value;
        }
    }
    panic!("none is small enough");
}

#[tokio::test]
async fn the_largest_token_can_be_rotated_suspended_and_revoked_with_the_longest_comment() {
    let stage = Stage::new().await;
    let token = largest(&stage).await;
    let long = "c".repeat(1024);
    stage.done("adam", &rotate(token.id)).await;
    stage
        .done(
            "adam",
            &SuspendToken {
                reason: long.clone(),
                ..suspend(token.id)
            },
        )
        .await;
    stage
        .done(
            "adam",
            &RevokeToken {
                comment: long.clone(),
                ..revoke(token.id)
            },
        )
        .await;
    let kept: Token = stage.stored(keyspace::token(token.id)).await.unwrap();
    assert!(kept.succession.is_some());
    assert!(kept.suspension.is_some() && kept.revocation.is_some());
}

#[tokio::test]
async fn no_update_fills_the_room_that_a_revocation_needs() {
    let stage = Stage::new().await;
    let token = largest(&stage).await;
    let larger = UpdateToken {
        display_name: Some("n".repeat(128)),
        ..update_token(token.id)
    };
    assert_eq!(stage.refusal("adam", &larger).await, Reason::InvalidFields);
    stage.done("adam", &revoke(token.id)).await;
}
