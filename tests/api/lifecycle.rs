//! An administrator's life with tokens, from the library to the audit log.

use std::time::Duration;

use token_authority::proto::v1::{
    CreateTokenRequest, ExtendTokenRequest, GetTokenRequest, ListTokensRequest, ResumeTokenRequest,
    RevokeTokenRequest, Token, TokenState, UpdateLibraryRequest, UpdateTokenRequest, Verdict,
};

use crate::harness::Clients;
use crate::refusal::{assert_refused, fields_of};
use crate::world::{ACME, World, asking, later, pass};
use token_authority::proto::v1::ErrorReason;

#[tokio::test]
async fn a_list_shows_revoked_tokens_only_when_asked_and_can_be_narrowed_to_a_user() {
    let world = World::new().await;
    for user in ["ann", "bob"] {
        world.person(ACME, user, &["orders:read"]).await;
    }
    let mut ids = Vec::new();
    for user in ["ann", "bob", "ann"] {
        ids.push(world.token(asking(ACME, user)).await.0.token_id);
    }
    let mut admin = world.operator.admin.clone();
    let request = RevokeTokenRequest {
        token_id: ids[0].clone(),
        ..Default::default()
    };
    admin.revoke_token(request).await.unwrap();

    let list = async |user: &str, show_revoked| {
        let request = ListTokensRequest {
            library: ACME.into(),
            user: user.into(),
            show_revoked,
            ..Default::default()
        };
        let answer = admin
            .clone()
            .list_tokens(request)
            .await
            .unwrap()
            .into_inner();
        let listed = answer.tokens.into_iter().map(|token| token.token_id);
        listed.collect::<Vec<_>>()
    };
    let newest_first =
        |wanted: &[usize]| wanted.iter().map(|&i| ids[i].clone()).collect::<Vec<_>>();
    assert_eq!(list("", false).await, newest_first(&[2, 1]));
    assert_eq!(list("", true).await, newest_first(&[2, 1, 0]));
    assert_eq!(list("ann", false).await, newest_first(&[2]));
    assert_eq!(list("ann", true).await, newest_first(&[2, 0]));
    assert_eq!(list("bob", true).await, newest_first(&[1]));
}

#[tokio::test]
async fn a_token_is_judged_by_its_times_and_an_expired_one_is_told_from_an_unknown_one() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let mut admin = world.operator.admin.clone();
    let (short, short_secret) = world
        .token(CreateTokenRequest {
            lifetime: "1s".into(),
            ..asking(ACME, "ann")
        })
        .await;
    let (early, early_secret) = world
        .token(CreateTokenRequest {
            not_before: later(short.create_time, 3600),
            ..asking(ACME, "ann")
        })
        .await;
    assert_eq!(early.state(), TokenState::NotYetValid);
    assert_eq!(world.verdict(&early_secret).await, Verdict::NotYetValid);

    pass(Duration::from_millis(1100)).await;
    assert_eq!(world.verdict(&short_secret).await, Verdict::Expired);
    let expired = get(&world.operator, &short.token_id).await;
    assert_eq!(expired.state(), TokenState::Expired);
    let unknown = "tka_0WCfTognxqNqfz8qrH12uH_85paEWcHsaLCYRbPIpw4jhcJNV56UuFl5TIPa3K9PAw3amTmB";
    assert_eq!(world.verdict(unknown).await, Verdict::NotFound);

    // An extension of an expired token counts from now and makes it good again.
    let request = ExtendTokenRequest {
        token_id: short.token_id.clone(),
        extend_by: "1d".into(),
        ..Default::default()
    };
    let extended = admin.extend_token(request).await.unwrap().into_inner();
    let day = extended.token.unwrap().expire_time.unwrap().seconds;
    assert!(day - short.expire_time.unwrap().seconds >= 86_400);
    assert_eq!(world.verdict(&short_secret).await, Verdict::Valid);
}

#[tokio::test]
async fn an_expiry_is_moved_nearer_by_an_update_and_never_by_an_extension() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let (token, _) = world.token(asking(ACME, "ann")).await;
    let mut admin = world.operator.admin.clone();
    let nearer = later(token.create_time, 86_400);
    let request = ExtendTokenRequest {
        token_id: token.token_id.clone(),
        expire_time: nearer,
        ..Default::default()
    };
    let refused = assert_refused(
        admin.extend_token(request).await,
        ErrorReason::InvalidFields,
    );
    assert_eq!(fields_of(&refused), ["expire_time"]);
    let update = |expire_time| UpdateTokenRequest {
        token_id: token.token_id.clone(),
        expire_time,
        ..Default::default()
    };
    let answer = admin
        .update_token(update(nearer))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.token.unwrap().expire_time, nearer);
    let past = update(later(token.create_time, -1));
    assert_refused(admin.update_token(past).await, ErrorReason::InvalidFields);
    let beyond = update(later(token.create_time, 4 * 366 * 86_400));
    let answer = admin.update_token(beyond.clone()).await.unwrap();
    let answer = answer.into_inner();
    assert_eq!(answer.clamped, Some(true));
    let seconds = |time: Option<prost_types::Timestamp>| time.map(|time| time.seconds);
    assert!(seconds(answer.token.unwrap().expire_time) < seconds(beyond.expire_time));
}

#[tokio::test]
async fn a_token_made_suspended_is_good_only_once_it_is_resumed() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let request = CreateTokenRequest {
        suspended: true,
        ..asking(ACME, "ann")
    };
    let (token, secret) = world.token(request).await;
    assert_eq!(token.state(), TokenState::Suspended);
    assert_eq!(world.verdict(&secret).await, Verdict::Suspended);
    let request = ResumeTokenRequest {
        token_id: token.token_id,
        ..Default::default()
    };
    world
        .operator
        .admin
        .clone()
        .resume_token(request)
        .await
        .unwrap();
    assert_eq!(world.verdict(&secret).await, Verdict::Valid);
}

#[tokio::test]
async fn switching_tokens_off_stops_new_ones_and_leaves_the_old_ones_working() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let (token, secret) = world.token(asking(ACME, "ann")).await;
    let request = UpdateLibraryRequest {
        library: ACME.into(),
        tokens_enabled: Some(false),
        ..Default::default()
    };
    let mut directory = world.operator.directory.clone();
    directory.update_library(request).await.unwrap();

    let mut admin = world.operator.admin.clone();
    let refused = admin.create_token(asking(ACME, "ann")).await;
    assert_refused(refused, ErrorReason::TokensNotEnabled);
    let request = ExtendTokenRequest {
        token_id: token.token_id,
        ..Default::default()
    };
    assert_refused(
        admin.extend_token(request).await,
        ErrorReason::TokensNotEnabled,
    );
    assert_eq!(world.verdict(&secret).await, Verdict::Valid);
}

pub(crate) async fn get(clients: &Clients, token_id: &str) -> Token {
    let request = GetTokenRequest {
        token_id: token_id.into(),
    };
    let answer = clients.admin.clone().get_token(request).await;
    answer.unwrap().into_inner().token.unwrap()
}
