//! What tokens are used for: shown, searched, reviewed, and there again after a stop.

use std::time::Duration;

use prost_types::Timestamp;
use token_authority::proto::v1::{
    AuditEvent, CreateTokenRequest, ErrorReason, GetTokenRequest, GetTokenResponse, LastUse,
    ListAuditEventsRequest, ListTokensRequest, ReviewReason, ReviewTokensRequest,
    RevokeTokenRequest, Token, UpdateLibraryRequest, UpdateUserRequest, Verdict, VerifyRequest,
};

use crate::harness::Clients;
use crate::refusal::{assert_refused, fields_of};
use crate::world::{ACME, ADMIN, VERIFY, World, asking, later, presenting, texts, verify};

/// How long something may take that upkeep does within a second: far longer, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

async fn get(clients: &Clients, token_id: &str) -> GetTokenResponse {
    let request = GetTokenRequest {
        token_id: token_id.into(),
    };
    let answer = clients.admin.clone().get_token(request).await;
    answer.expect("the token").into_inner()
}

async fn token(world: &World, token_id: &str) -> Token {
    get(&world.operator, token_id).await.token.expect("a token")
}

/// A token of `till`, who may do all with orders, and the verifier `gate`.
async fn with_gate() -> (World, Clients, Token, String) {
    let world = World::new().await;
    world.person(ACME, "till", &["orders:*"]).await;
    let gate = world.member(ACME, "gate", &[VERIFY]).await;
    let (token, secret) = world.token(asking(ACME, "till")).await;
    (world, gate.clients, token, secret)
}

fn demand(secret: &str, permission: &str) -> VerifyRequest {
    VerifyRequest {
        permissions: texts(&[permission]),
        client_ip: "198.51.100.4".into(),
        ..presenting(secret)
    }
}

/// Asks until there are so many events of refused uses.
async fn refusals(world: &World, count: usize) -> Vec<AuditEvent> {
    let request = ListAuditEventsRequest {
        library: ACME.into(),
        action: "token.refused".into(),
        ..Default::default()
    };
    let found = async {
        loop {
            let mut admin = world.operator.admin.clone();
            let listed = admin.list_audit_events(request.clone()).await;
            let events = listed.expect("events").into_inner().events;
            if events.len() >= count {
                return events;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, found).await;
    found.expect("events of refused uses")
}

#[tokio::test]
async fn a_last_use_tells_when_from_where_by_whom_and_for_what_and_outlives_a_stop() {
    let (world, gate, made, secret) = with_gate().await;
    assert_eq!(made.last_use, None);
    verify(&gate, demand(&secret, "orders:read")).await;
    let refused = verify(&gate, demand(&secret, "stock:move")).await;
    assert_eq!(refused.verdict(), Verdict::MissingPermission);
    let used = token(&world, &made.token_id).await;
    let last = used.last_use.clone().expect("a last use");
    let expected = LastUse {
        time: last.time,
        client_ip: "198.51.100.4".into(),
        used_by: "acme/gate".into(),
        resolution: Some(prost_types::Duration {
            seconds: 60,
            nanos: 0,
        }),
        permissions: texts(&["orders:read"]),
        more_permissions: false,
    };
    assert_eq!(last, expected);
    let ago = last.time.expect("a time").seconds - made.create_time.expect("a time").seconds;
    assert!((0..60).contains(&ago), "{ago}");
    assert_eq!(used.refused_uses.len(), 1);
    assert_eq!(
        (used.refused_uses[0].verdict(), used.refused_uses[0].count),
        (Verdict::MissingPermission, 1)
    );
    // It is nothing of the token itself.
    assert_eq!(used.etag, made.etag);

    // A stop writes all of it; a kill then finds it written.
    let (server, data) = world.parts();
    assert!(server.terminate().success());
    let world = World::on(data, &[], &[]).await;
    assert_eq!(token(&world, &made.token_id).await, used);
    let world = world.killed_and_started().await;
    assert_eq!(token(&world, &made.token_id).await, used);
}

#[tokio::test]
async fn a_use_is_written_within_seconds_so_that_a_kill_keeps_it() {
    let (mut world, gate, made, secret) = with_gate().await;
    verify(&gate, demand(&secret, "orders:read")).await;
    let used = token(&world, &made.token_id).await.last_use;
    let kept = async {
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            world = world.killed_and_started().await;
            if token(&world, &made.token_id).await.last_use == used {
                return;
            }
            let again = demand(&secret, "orders:read");
            world.verify(again).await;
        }
    };
    tokio::time::timeout(PATIENCE, kept).await.expect("kept");
}

#[tokio::test]
async fn whoever_tries_a_token_that_has_ended_is_seen_in_the_log() {
    let (world, gate, made, secret) = with_gate().await;
    let revoke = RevokeTokenRequest {
        token_id: made.token_id.clone(),
        ..Default::default()
    };
    let mut admin = world.operator.admin.clone();
    admin.revoke_token(revoke).await.expect("revoked");
    for _ in 0..3 {
        let judged = verify(&gate, demand(&secret, "orders:read")).await;
        assert_eq!(judged.verdict(), Verdict::Revoked);
    }
    let event = refusals(&world, 1).await.swap_remove(0);
    assert_eq!(
        (
            event.actor.as_str(),
            event.token_id.as_str(),
            event.user.as_str()
        ),
        ("token-authority", made.token_id.as_str(), "till")
    );
    assert!(
        event.comment.starts_with("REVOKED: refused "),
        "{}",
        event.comment
    );
    assert!(event.comment.contains("acme/gate"), "{}", event.comment);
    // It goes on being counted, and is told once an hour.
    verify(&gate, demand(&secret, "orders:read")).await;
    let refused = token(&world, &made.token_id).await.refused_uses;
    assert_eq!(
        (refused[0].verdict(), refused[0].count),
        (Verdict::Revoked, 4)
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(refusals(&world, 1).await.len(), 1);
}

#[tokio::test]
async fn a_token_is_shown_with_its_user() {
    let (world, gate, made, _) = with_gate().await;
    let named = UpdateUserRequest {
        library: ACME.into(),
        user: "till".into(),
        display_name: Some("Till Seven".into()),
        email: Some("till@example.com".into()),
        ..Default::default()
    };
    let mut directory = world.operator.directory.clone();
    let user = directory.update_user(named).await.expect("named");
    let shown = get(&world.operator, &made.token_id).await;
    assert_eq!(shown.user, user.into_inner().user);
    // Nobody is shown more users than tokens.
    let request = GetTokenRequest {
        token_id: made.token_id,
    };
    assert_refused(
        gate.admin.clone().get_token(request).await,
        ErrorReason::PermissionDenied,
    );
}

#[tokio::test]
async fn tokens_are_found_by_their_last_use() {
    let (world, gate, made, secret) = with_gate().await;
    let (never, _) = world.token(asking(ACME, "till")).await;
    verify(&gate, demand(&secret, "orders:read")).await;
    let found = token(&world, &made.token_id).await.last_use.expect("used");
    let list = async |request: ListTokensRequest| -> Vec<String> {
        let request = ListTokensRequest {
            library: ACME.into(),
            user: "till".into(),
            ..request
        };
        let listed = world.operator.admin.clone().list_tokens(request).await;
        let tokens = listed.expect("a list").into_inner().tokens;
        tokens.into_iter().map(|token| token.token_id).collect()
    };
    let used = |used_after: Option<Timestamp>, used_before: Option<Timestamp>| ListTokensRequest {
        used_after,
        used_before,
        ..Default::default()
    };
    assert_eq!(list(used(found.time, None)).await, [&made.token_id[..]]);
    assert_eq!(list(used(None, found.time)).await, Vec::<String>::new());
    assert_eq!(
        list(used(None, later(found.time, 1))).await,
        [&made.token_id[..]]
    );
    let unused = |unused_since| ListTokensRequest {
        unused_since,
        ..Default::default()
    };
    assert_eq!(
        list(unused(later(found.time, 1))).await,
        [&never.token_id[..], &made.token_id[..]]
    );
    assert_eq!(
        list(unused(later(found.time, -3600))).await,
        Vec::<String>::new()
    );
    for (request, field) in [
        (used(found.time, found.time), "used_before"),
        (
            ListTokensRequest {
                used_after: found.time,
                ..unused(found.time)
            },
            "unused_since",
        ),
    ] {
        let refused = world.operator.admin.clone().list_tokens(request).await;
        let status = refused.expect_err("refused");
        assert_eq!(fields_of(&status), [field]);
    }
}

#[tokio::test]
async fn an_idle_timeout_is_set_changed_and_cleared_and_is_no_shorter_than_five_minutes() {
    let world = World::new().await;
    let mut directory = world.operator.directory.clone();
    let mut update = async |timeout: Option<&str>, clear: &[&str]| {
        let request = UpdateLibraryRequest {
            library: ACME.into(),
            session_idle_timeout: timeout.map(str::to_owned),
            clear: texts(clear),
            ..Default::default()
        };
        let updated = directory.update_library(request).await?;
        Ok(updated
            .into_inner()
            .library
            .expect("it")
            .session_idle_timeout)
    };
    assert_eq!(update(None, &[]).await.unwrap(), "");
    assert_eq!(update(Some("30m"), &[]).await.unwrap(), "30m");
    for bad in ["299s", "-1h", "soon"] {
        let refused: Result<String, tonic::Status> = update(Some(bad), &[]).await;
        assert_eq!(fields_of(&refused.unwrap_err()), ["session_idle_timeout"]);
    }
    assert_eq!(update(None, &[]).await.unwrap(), "30m");
    assert_eq!(update(None, &["session_idle_timeout"]).await.unwrap(), "");
}

#[tokio::test]
async fn a_review_tells_an_administrator_what_to_look_at_and_nobody_else() {
    let (world, gate, made, secret) = with_gate().await;
    let admin = world.member(ACME, "tokens", &[ADMIN]).await;
    verify(&gate, demand(&secret, "orders:read")).await;
    let wide = CreateTokenRequest {
        lifetime: "10d".into(),
        allowed_cidrs: texts(&["198.51.100.0/24"]),
        ..asking(ACME, "till")
    };
    let (soon, _) = world.token(wide).await;
    let review = async |clients: &Clients, library: &str| {
        let request = ReviewTokensRequest {
            library: library.into(),
            ..Default::default()
        };
        clients.admin.clone().review_tokens(request).await
    };
    let answer = review(&admin.clients, "").await.unwrap().into_inner();
    let reasons = |id: &str| -> Vec<ReviewReason> {
        let mut found = answer.findings.iter();
        let of = |token: &Token| token.token_id == id;
        let found = found.find(|finding| finding.token.as_ref().is_some_and(of));
        found.expect("a finding").reasons().collect()
    };
    assert_eq!(reasons(&made.token_id), [ReviewReason::NoIpRestriction]);
    assert_eq!(reasons(&soon.token_id), [ReviewReason::ExpiresSoon]);
    assert_refused(
        review(&admin.clients, "rival").await,
        ErrorReason::PermissionDenied,
    );
    assert_refused(review(&gate, "").await, ErrorReason::PermissionDenied);
}
