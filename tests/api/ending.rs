//! How tokens end together, or give way to others.

use std::time::Duration;

use token_authority::proto::v1::{
    CreateTokenRequest, ErrorReason, GetTokenRequest, RevocationReason, RevokeAll,
    RevokeTokensRequest, RotateTokenRequest, TokenState, Verdict,
};
use tonic_types::RpcStatusExt as _;

use crate::refusal::{assert_refused, fields_of};
use crate::world::{ACME, ADMIN, World, asking, pass, presenting};

#[tokio::test]
async fn a_rotated_token_works_on_beside_its_successor_and_then_ends() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let (old, old_secret) = world.token(asking(ACME, "ann")).await;
    let mut admin = world.operator.admin.clone();
    let request = RotateTokenRequest {
        token_id: old.token_id.clone(),
        overlap: "2s".into(),
        request_id: "3f1c9a52-8a0e-4f0b-9d53-0a1b6c7d8e9f".into(),
        ..Default::default()
    };
    let first = admin.rotate_token(request.clone()).await.unwrap();
    let first = first.into_inner();
    let again = admin.rotate_token(request).await.unwrap().into_inner();
    assert_eq!(first, again, "a repeat gets the same secret");
    let new = first.token.unwrap();
    assert_eq!(new.rotated_from, old.token_id);

    let seen = world.verify(presenting(&old_secret)).await;
    assert_eq!(seen.verdict(), Verdict::Valid);
    assert_eq!(seen.superseded_by, new.token_id);
    assert!(seen.superseded_until.is_some());
    assert_eq!(world.verdict(&first.secret).await, Verdict::Valid);
    pass(Duration::from_millis(2100)).await;
    assert_eq!(world.verdict(&old_secret).await, Verdict::Revoked);
    assert_eq!(world.verdict(&first.secret).await, Verdict::Valid);

    let request = GetTokenRequest {
        token_id: old.token_id.clone(),
    };
    let shown = admin.get_token(request).await.unwrap().into_inner();
    let shown = shown.token.unwrap();
    assert_eq!(shown.state(), TokenState::Revoked);
    let revocation = shown.revocation.unwrap();
    assert_eq!(revocation.reason(), RevocationReason::Superseded);
    let again = RotateTokenRequest {
        token_id: old.token_id,
        ..Default::default()
    };
    assert_refused(admin.rotate_token(again).await, ErrorReason::TokenState);
}

#[tokio::test]
async fn an_overlap_is_a_time_or_none() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let (token, secret) = world.token(asking(ACME, "ann")).await;
    let mut admin = world.operator.admin.clone();
    let rotate = |overlap: &str| RotateTokenRequest {
        token_id: token.token_id.clone(),
        overlap: overlap.into(),
        ..Default::default()
    };
    for bad in ["-1s", "soon", "99999y"] {
        let refused = assert_refused(
            admin.rotate_token(rotate(bad)).await,
            ErrorReason::InvalidFields,
        );
        assert_eq!(fields_of(&refused), ["overlap"], "{bad}");
    }
    admin.rotate_token(rotate("0s")).await.unwrap();
    assert_eq!(world.verdict(&secret).await, Verdict::Revoked);
}

#[tokio::test]
async fn many_tokens_end_each_for_itself_with_an_outcome_for_each() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let mut tokens = Vec::new();
    for _ in 0..150 {
        tokens.push(world.token(asking(ACME, "ann")).await);
    }
    let mut ids: Vec<String> = tokens.iter().map(|(t, _)| t.token_id.clone()).collect();
    ids.insert(70, "no-id".into());
    ids.push("0123456789abcdefABCDEF".into());
    let request = RevokeTokensRequest {
        token_ids: ids.clone(),
        reason: RevocationReason::Compromised.into(),
        ..Default::default()
    };
    let mut admin = world.operator.admin.clone();
    for _ in 0..2 {
        let answer = admin.revoke_tokens(request.clone()).await.unwrap();
        let results = answer.into_inner().results;
        let told: Vec<String> = results.iter().map(|r| r.token_id.clone()).collect();
        let mut expected = ids.clone();
        // What is no id is not repeated.
        expected[70].clear();
        assert_eq!(told, expected, "in the same order");
        let failed: Vec<usize> = (0..results.len())
            .filter(|i| results[*i].error.is_some())
            .collect();
        assert_eq!(failed, [70, 151]);
        let reasons = failed.iter().map(|i| {
            let error = results[*i].error.as_ref().unwrap();
            error.get_details_error_info().unwrap().reason
        });
        assert_eq!(reasons.collect::<Vec<_>>(), ["INVALID_FIELDS", "NOT_FOUND"]);
    }
    for (_, secret) in tokens.iter().step_by(10) {
        assert_eq!(world.verdict(secret).await, Verdict::Revoked);
    }
    let many = RevokeTokensRequest {
        token_ids: vec!["0123456789abcdefABCDEF".into(); 1001],
        ..Default::default()
    };
    assert_refused(admin.revoke_tokens(many).await, ErrorReason::LimitExceeded);
    let none = RevokeTokensRequest::default();
    let refused = assert_refused(admin.revoke_tokens(none).await, ErrorReason::InvalidFields);
    assert_eq!(fields_of(&refused), ["token_ids"]);
}

#[tokio::test]
async fn all_tokens_of_a_user_end_at_once_and_survive_no_restart() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let (_, before) = world.token(asking(ACME, "ann")).await;
    let boss = world.member(ACME, "boss", &[ADMIN]).await;
    let request = RevokeTokensRequest {
        all: Some(RevokeAll {
            user: "ann".into(),
            ..Default::default()
        }),
        reason: RevocationReason::OwnerLeft.into(),
        ..Default::default()
    };
    let mut admin = boss.clients.admin.clone();
    let answer = admin.revoke_tokens(request.clone()).await.unwrap();
    assert!(!answer.into_inner().revision.is_empty());
    let (_, after) = world.token(asking(ACME, "ann")).await;
    assert_eq!(world.verdict(&before).await, Verdict::Revoked);
    assert_eq!(world.verdict(&after).await, Verdict::Valid);

    let both = RevokeTokensRequest {
        token_ids: vec!["0123456789abcdefABCDEF".into()],
        ..request.clone()
    };
    let refused = assert_refused(admin.revoke_tokens(both).await, ErrorReason::InvalidFields);
    assert_eq!(fields_of(&refused), ["token_ids"]);
    let elsewhere = RevokeTokensRequest {
        all: Some(RevokeAll {
            library: "rival".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_refused(
        admin.revoke_tokens(elsewhere).await,
        ErrorReason::PermissionDenied,
    );

    let world = world.killed_and_started().await;
    assert_eq!(world.verdict(&before).await, Verdict::Revoked);
    assert_eq!(world.verdict(&after).await, Verdict::Valid);
    let request = CreateTokenRequest {
        lifetime: "1h".into(),
        ..asking(ACME, "ann")
    };
    let (_, newest) = world.token(request).await;
    assert_eq!(world.verdict(&newest).await, Verdict::Valid);
}
