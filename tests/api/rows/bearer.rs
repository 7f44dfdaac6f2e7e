//! Bearer tokens that an administrator provisions for a library.

use token_authority::proto::v1::{
    CreateTokenRequest, ErrorReason, ExtendTokenRequest, ListAuditEventsRequest, ListTokensRequest,
    RevealTokenRequest, RevokeTokenRequest, TokenState, UpdateLibraryRequest,
    UpdateUserTypeRequest, Verdict, VerifyRequest,
};

use super::{administrator, demand, list, make, reason, support};
use crate::refusal::assert_refused;
use crate::world::{ACME, RIVAL, SELF, World, texts, verify};

#[tokio::test]
async fn a_token_is_of_one_library_and_has_what_its_user_has_at_this_moment_and_nothing_more() {
    let world = World::new().await;
    world.person(ACME, "jane", &["orders:*"]).await;
    let boss = administrator(&world).await;
    let (_, secret) = make(&boss.clients, reason("jane", "API Access")).await;
    let elsewhere = VerifyRequest {
        library: RIVAL.into(),
        ..demand(&secret, &[])
    };
    let elsewhere = world.verify(elsewhere).await;
    assert_eq!(elsewhere.verdict(), Verdict::WrongLibrary);
    let allowed = async |permission| {
        let seen = world.verify(demand(&secret, &[permission])).await;
        seen.verdict()
    };
    assert_eq!(allowed("orders:write").await, Verdict::Valid);
    assert_eq!(allowed("invoices:read").await, Verdict::MissingPermission);
    let mut directory = world.operator.directory.clone();
    let changed = UpdateUserTypeRequest {
        library: ACME.into(),
        user_type: "jane".into(),
        permissions: texts(&["invoices:read"]),
        ..Default::default()
    };
    directory.update_user_type(changed).await.unwrap();
    assert_eq!(allowed("orders:write").await, Verdict::MissingPermission);
    assert_eq!(allowed("invoices:read").await, Verdict::Valid);
}

#[tokio::test]
async fn support_enables_tokens_for_a_library_and_its_administrators_alone_make_them_for_others() {
    let world = World::new().await;
    world.person(ACME, "jane", &["orders:*"]).await;
    let boss = administrator(&world).await;
    let ann = world.member(ACME, "ann", &[SELF]).await;
    let mut admin = boss.clients.admin.clone();
    let switch = |on| UpdateLibraryRequest {
        tokens_enabled: Some(on),
        ..Default::default()
    };
    support(&world, switch(false)).await;
    let off = admin.create_token(reason("jane", "API Access")).await;
    assert_refused(off, ErrorReason::TokensNotEnabled);
    let mut directory = boss.clients.directory.clone();
    let own = directory.update_library(switch(true)).await;
    assert_refused(own, ErrorReason::PermissionDenied);
    support(&world, switch(true)).await;
    let mut no_administrator = ann.clients.admin.clone();
    let refused = no_administrator
        .create_token(reason("jane", "API Access"))
        .await;
    assert_refused(refused, ErrorReason::NotFound);
    admin
        .create_token(reason("jane", "API Access"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_token_is_added_with_reason_user_and_expiry_and_its_value_is_shown_once() {
    let world = World::new().await;
    world.person(ACME, "jane", &["orders:*"]).await;
    let boss = administrator(&world).await;
    let mut admin = boss.clients.admin.clone();
    let nothing_said = CreateTokenRequest {
        user: "jane".into(),
        ..Default::default()
    };
    let refused = admin.create_token(nothing_said).await;
    assert_refused(refused, ErrorReason::InvalidFields);
    let add = CreateTokenRequest {
        lifetime: "180d".into(),
        ..reason("jane", "API Access")
    };
    let (token, secret) = make(&boss.clients, add).await;
    assert_eq!(
        (token.description.as_str(), token.user.as_str()),
        ("API Access", "jane")
    );
    let life = token.expire_time.unwrap().seconds - token.create_time.unwrap().seconds;
    assert_eq!(life, 180 * 86_400);
    assert_eq!(world.verdict(&secret).await, Verdict::Valid);
    let again = RevealTokenRequest {
        token_id: token.token_id,
        ..Default::default()
    };
    assert_refused(admin.reveal_token(again).await, ErrorReason::NotRevealable);
}

#[tokio::test]
async fn a_listed_token_is_extended_by_a_year_from_its_expiry_and_its_deletion_works_at_once() {
    let world = World::new().await;
    world.person(ACME, "jane", &["orders:*"]).await;
    let boss = administrator(&world).await;
    let mut admin = boss.clients.admin.clone();
    let add = CreateTokenRequest {
        lifetime: "30d".into(),
        ..reason("jane", "API Access")
    };
    let (token, secret) = make(&boss.clients, add).await;
    let of_jane = || ListTokensRequest {
        user: "jane".into(),
        ..Default::default()
    };
    assert_eq!(
        list(&boss.clients, of_jane()).await,
        std::slice::from_ref(&token)
    );
    let extend = ExtendTokenRequest {
        token_id: token.token_id.clone(),
        ..Default::default()
    };
    let extended = admin.extend_token(extend).await.unwrap().into_inner();
    let expiry = extended.token.unwrap().expire_time.unwrap().seconds;
    let days = (expiry - token.expire_time.unwrap().seconds) / 86_400;
    assert!((365..=366).contains(&days), "{days} days");
    let delete = RevokeTokenRequest {
        token_id: token.token_id.clone(),
        ..Default::default()
    };
    admin.revoke_token(delete).await.unwrap();
    assert_eq!(world.verdict(&secret).await, Verdict::Revoked);
    assert_eq!(list(&boss.clients, of_jane()).await, []);
    let all = ListTokensRequest {
        show_revoked: true,
        ..of_jane()
    };
    let all = list(&boss.clients, all).await;
    assert_eq!(all[0].state(), TokenState::Revoked);
}

#[tokio::test]
async fn whatever_is_done_with_or_to_a_token_is_attributed_to_its_user() {
    let world = World::new().await;
    world.person(ACME, "jane", &["orders:*"]).await;
    let boss = administrator(&world).await;
    let (token, secret) = make(&boss.clients, reason("jane", "API Access")).await;
    let seen = verify(&boss.clients, demand(&secret, &["orders:read"])).await;
    assert_eq!(
        (seen.user.as_str(), &seen.token_id),
        ("jane", &token.token_id)
    );
    let log = ListAuditEventsRequest {
        token_id: token.token_id.clone(),
        ..Default::default()
    };
    let mut admin = boss.clients.admin.clone();
    let log = admin.list_audit_events(log).await.unwrap().into_inner();
    let event = &log.events[0];
    assert_eq!(log.events.len(), 1, "{log:?}");
    assert_eq!(
        (event.actor.as_str(), &event.actor_token_id),
        ("acme/boss", &boss.token_id)
    );
    assert_eq!(
        (event.user.as_str(), &event.token_id),
        ("jane", &token.token_id)
    );
}
