//! A caller is told who it is, whatever it may do, and nothing of anybody else.

use token_authority::clock::{SystemTimeSource, TimeSource as _};
use token_authority::proto::v1::{
    CreateTokenRequest, ErrorReason, ListAuditEventsRequest, UserKind, WhoAmIRequest,
    WhoAmIResponse,
};
use tonic::{Request, Status};

use crate::harness::Clients;
use crate::refusal::reason_of;
use crate::world::{ACME, ADMIN, SELF, VERIFY, World, asking, texts};

async fn who(clients: &Clients) -> Result<WhoAmIResponse, Status> {
    let mut admin = clients.admin.clone();
    let answer = admin.who_am_i(WhoAmIRequest {}).await?;
    Ok(answer.into_inner())
}

#[tokio::test]
async fn everybody_is_told_its_own_token_and_what_that_may_do_now() {
    let world = World::new().await;
    for (name, permissions, in_effect) in [
        ("clerk", &["orders:read"][..], &["orders:read"][..]),
        ("gate", &[VERIFY], &[VERIFY]),
        (
            "boss",
            &[ADMIN],
            &[SELF, "tokens:self-rotate", ADMIN, VERIFY],
        ),
    ] {
        let member = world.member(ACME, name, permissions).await;
        let told = who(&member.clients).await.expect("an answer");
        let token = told.token.expect("the token");
        assert_eq!(
            (token.token_id, token.user.as_str()),
            (member.token_id, name)
        );
        assert_eq!(token.library, ACME);
        let (mut told, mut expected) = (told.permissions, texts(in_effect));
        told.sort_unstable();
        expected.sort_unstable();
        assert_eq!(told, expected, "{name}");
    }
    let operator = who(&world.operator).await.expect("an answer");
    assert_eq!(operator.token.expect("the token").library, "system");
    for kind in [UserKind::ApiOnly, UserKind::Contact] {
        let secret = world.of_kind(kind).await;
        let told = who(&world.server.clients(&secret))
            .await
            .expect("an answer");
        assert_eq!(told.user_kind(), kind);
    }
}

#[tokio::test]
async fn a_right_that_is_taken_away_is_not_told_any_more() {
    let world = World::new().await;
    let member = world
        .member(ACME, "clerk", &["orders:read", "orders:write"])
        .await;
    let before = who(&member.clients).await.expect("an answer").permissions;
    assert_eq!(before.len(), 2);
    let mut directory = world.operator.directory.clone();
    let narrower = token_authority::proto::v1::UpdateUserTypeRequest {
        library: ACME.into(),
        user_type: "clerk".into(),
        permissions: texts(&["orders:read"]),
        ..Default::default()
    };
    directory
        .update_user_type(narrower)
        .await
        .expect("a change");
    let after = who(&member.clients).await.expect("an answer").permissions;
    assert_eq!(after, ["orders:read"]);
}

#[tokio::test]
async fn a_backend_is_told_whose_rights_it_has_and_only_if_it_may_have_them() {
    let world = World::new().await;
    let portal = world.member(ACME, "portal", &["tokens:act-as"]).await;
    world.person(ACME, "ann", &[SELF, "orders:read"]).await;
    let acting = |user: &str| {
        let mut request = Request::new(WhoAmIRequest {});
        let user = user.parse().expect("metadata");
        request.metadata_mut().insert("ta-acting-user", user);
        request
    };
    let mut admin = portal.clients.admin.clone();
    let told = admin.who_am_i(acting("ann")).await.expect("an answer");
    let told = told.into_inner();
    assert_eq!(told.acting_user, "ann");
    assert_eq!(told.token.expect("the token").user, "portal");
    assert_eq!(told.permissions, [SELF, "tokens:self-rotate"]);
    let refused = admin.who_am_i(acting("nobody")).await.expect_err("none");
    assert_eq!(reason_of(&refused), ErrorReason::PermissionDenied);
    let ann = world.member(ACME, "eve", &[SELF]).await;
    let mut admin = ann.clients.admin.clone();
    let refused = admin.who_am_i(acting("ann")).await.expect_err("none");
    assert_eq!(reason_of(&refused), ErrorReason::PermissionDenied);
}

#[tokio::test]
async fn who_presents_a_token_where_it_is_not_good_is_told_nothing() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    for request in [
        CreateTokenRequest {
            allowed_cidrs: texts(&["192.0.2.0/24"]),
            ..asking(ACME, "ann")
        },
        CreateTokenRequest {
            apis: texts(&["orders"]),
            ..asking(ACME, "ann")
        },
    ] {
        let (_, secret) = world.token(request).await;
        let refused = who(&world.server.clients(&secret))
            .await
            .expect_err("a refusal");
        assert_eq!(reason_of(&refused), ErrorReason::CredentialRefused);
    }
}

#[tokio::test]
async fn it_leaves_no_audit_event_and_tells_the_servers_clock() {
    let world = World::new().await;
    let member = world.member(ACME, "clerk", &["orders:read"]).await;
    let events = async || {
        let request = ListAuditEventsRequest {
            library: ACME.into(),
            ..Default::default()
        };
        let mut admin = world.operator.admin.clone();
        let listed = admin.list_audit_events(request).await.expect("a list");
        listed.into_inner().events.len()
    };
    let before = events().await;
    let now = || SystemTimeSource.wall_ms() / 1000;
    let began = now();
    let told = who(&member.clients).await.expect("an answer");
    let server_time = told.server_time.expect("a time").seconds;
    assert!((began..=now()).contains(&server_time), "{server_time}");
    assert_eq!(events().await, before);
}
