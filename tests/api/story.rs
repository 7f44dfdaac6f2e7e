//! The whole life of a token, as an administrator leads it.

use token_authority::proto::v1::{
    AccessRight, AuditEvent, CreateTokenRequest, ExtendTokenRequest, ListAuditEventsRequest,
    ResumeTokenRequest, RevocationReason, RevokeTokenRequest, SuspendTokenRequest, Token,
    TokenKind, TokenState, UpdateTokenRequest, UserKind, Verdict, VerifyRequest,
};

use crate::harness::Clients;
use crate::lifecycle::get;
use crate::world::{ACME, ADMIN, World, later, presenting, texts};

#[tokio::test]
async fn an_administrator_makes_inspects_changes_and_ends_a_token_and_all_of_it_is_recorded() {
    let world = World::new().await;
    let administrator = world.member(ACME, "alice", &[ADMIN]).await;
    world
        .person(ACME, "till", &["orders:*", "stock:read"])
        .await;
    let clients = &administrator.clients;
    let (made, secret) = is_made(&world, clients).await;
    is_changed(&world, clients, &made, &secret).await;
    is_extended(clients, &made).await;
    is_suspended_and_resumed(&world, clients, &made, &secret).await;
    let revision = is_revoked(&world, clients, &made, &secret).await;
    is_recorded(clients, &made, &administrator.token_id, &revision).await;
}

/// Made, shown, and good for what it is for.
async fn is_made(world: &World, clients: &Clients) -> (Token, String) {
    let mut admin = clients.admin.clone();
    // The library is left out: it is the administrator's own.
    let request = CreateTokenRequest {
        user: "till".into(),
        display_name: "till 7".into(),
        description: "reads the orders of shop 7".into(),
        lifetime: "90d".into(),
        permissions: texts(&["orders:read", "orders:list"]),
        apis: texts(&["shop"]),
        allowed_cidrs: texts(&["192.0.2.0/24", "2001:db8::7"]),
        ..Default::default()
    };
    let answer = admin.create_token(request).await.unwrap().into_inner();
    assert!(answer.warnings.is_empty(), "{:?}", answer.warnings);
    let (made, secret) = (answer.token.unwrap(), answer.secret);
    assert_eq!(secret.len(), 76);
    assert_eq!(made.token_id, secret[4..26]);
    assert_eq!(made.kind(), TokenKind::Api);
    assert_eq!((made.library.as_str(), made.user.as_str()), (ACME, "till"));
    assert_eq!(made.issued_by, "acme/alice");
    assert_eq!(made.display_name, "till 7");
    assert_eq!(made.description, "reads the orders of shop 7");
    assert_eq!(made.expire_time, later(made.create_time, 90 * 86_400));
    assert_eq!(made.not_before, None);
    assert_eq!(made.state(), TokenState::Active);
    assert_eq!(made.access_right(), AccessRight::Custom);
    assert_eq!(made.permissions, ["orders:list", "orders:read"]);
    assert_eq!(made.apis, ["shop"]);
    assert_eq!(made.allowed_cidrs, ["192.0.2.0/24", "2001:db8::7/128"]);
    assert_eq!(get(clients, &made.token_id).await, made);

    let demand = orders_from_the_shop(&secret);
    let found = world.verify(demand).await;
    assert_eq!(found.verdict(), Verdict::Valid);
    assert_eq!(found.token_id, made.token_id);
    assert_eq!(found.kind(), TokenKind::Api);
    assert_eq!(
        (found.library.as_str(), found.user.as_str()),
        (ACME, "till")
    );
    assert_eq!(found.user_kind(), UserKind::Standard);
    assert_eq!(found.expire_time, made.expire_time);
    assert_eq!(found.permissions, ["orders:list", "orders:read"]);
    assert_eq!(found.assignments.len(), 1);
    assert_eq!(found.assignments[0].user_type, "till");
    assert!(!found.revision.is_empty() && !found.message.is_empty());
    (made, secret)
}

/// What is not given stays, what is cleared is gone, and the etag moves.
async fn is_changed(world: &World, clients: &Clients, made: &Token, secret: &str) {
    let mut admin = clients.admin.clone();
    let request = UpdateTokenRequest {
        token_id: made.token_id.clone(),
        display_name: Some("till 8".into()),
        permissions: texts(&["stock:read"]),
        clear: texts(&["apis", "allowed_cidrs"]),
        etag: made.etag.clone(),
        ..Default::default()
    };
    let answer = admin.update_token(request).await.unwrap().into_inner();
    let changed = answer.token.unwrap();
    assert_eq!(changed.display_name, "till 8");
    assert_eq!(changed.description, made.description);
    assert_eq!(changed.permissions, ["stock:read"]);
    assert!(changed.apis.is_empty() && changed.allowed_cidrs.is_empty());
    assert_eq!(changed.expire_time, made.expire_time);
    assert_ne!(changed.etag, made.etag);
    assert_eq!(
        world.verify(orders_from_the_shop(secret)).await.verdict(),
        Verdict::MissingPermission
    );
}

/// One calendar year from its expiry, held back to what the library allows.
async fn is_extended(clients: &Clients, made: &Token) {
    let mut admin = clients.admin.clone();
    let request = ExtendTokenRequest {
        token_id: made.token_id.clone(),
        ..Default::default()
    };
    let answer = admin
        .extend_token(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.clamped, Some(false));
    let extended = answer.token.unwrap();
    let year = extended.expire_time.unwrap().seconds - made.expire_time.unwrap().seconds;
    assert!([365, 366].contains(&(year / 86_400)), "{year}");
    assert!(answer.warnings[0].contains("12mo"), "{:?}", answer.warnings);
    let answer = admin
        .extend_token(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.clamped, Some(true));
    let cap = answer.token.unwrap().expire_time.unwrap();
    assert!(cap.seconds > extended.expire_time.unwrap().seconds);
}

/// Reversible, with a reason.
async fn is_suspended_and_resumed(world: &World, clients: &Clients, made: &Token, secret: &str) {
    let mut admin = clients.admin.clone();
    let request = SuspendTokenRequest {
        token_id: made.token_id.clone(),
        reason: "the shop is closed".into(),
        ..Default::default()
    };
    let suspended = admin.suspend_token(request).await.unwrap().into_inner();
    let suspended = suspended.token.unwrap();
    assert_eq!(suspended.state(), TokenState::Suspended);
    let suspension = suspended.suspension.unwrap();
    assert_eq!(suspension.suspended_by, "acme/alice");
    assert_eq!(suspension.reason, "the shop is closed");
    assert!(suspension.time.unwrap().seconds >= made.create_time.unwrap().seconds);
    assert_eq!(world.verdict(secret).await, Verdict::Suspended);
    let request = ResumeTokenRequest {
        token_id: made.token_id.clone(),
        ..Default::default()
    };
    let resumed = admin.resume_token(request).await.unwrap().into_inner();
    let resumed = resumed.token.unwrap();
    assert_eq!(
        (resumed.state(), resumed.suspension.clone()),
        (TokenState::Active, None)
    );
    assert_eq!(world.verdict(secret).await, Verdict::Valid);
}

/// For good, and still there to be seen; again, it is the same answer, and nothing more to record.
async fn is_revoked(world: &World, clients: &Clients, made: &Token, secret: &str) -> String {
    let mut admin = clients.admin.clone();
    let request = RevokeTokenRequest {
        token_id: made.token_id.clone(),
        reason: RevocationReason::Compromised.into(),
        comment: "seen in a public log".into(),
        ..Default::default()
    };
    let answer = admin
        .revoke_token(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert!(!answer.revision.is_empty());
    let revoked = answer.token.unwrap();
    assert_eq!(revoked.state(), TokenState::Revoked);
    let revocation = revoked.revocation.clone().unwrap();
    assert_eq!(revocation.reason(), RevocationReason::Compromised);
    assert_eq!(revocation.revoked_by, "acme/alice");
    assert_eq!(revocation.comment, "seen in a public log");
    assert_eq!(world.verdict(secret).await, Verdict::Revoked);
    // The use that was just refused is all that came to it.
    let seen = get(clients, &made.token_id).await;
    assert_eq!(seen.refused_uses[0].verdict(), Verdict::Revoked);
    let expected = Token {
        refused_uses: seen.refused_uses.clone(),
        ..revoked
    };
    assert_eq!(seen, expected);

    let again = admin.revoke_token(request).await.unwrap().into_inner();
    assert_eq!(again.token, Some(seen));
    answer.revision
}

/// Each change once, newest first, with who did it and what.
async fn is_recorded(clients: &Clients, made: &Token, by: &str, revision: &str) {
    let events = events_of(clients, &made.token_id).await;
    let actions: Vec<&str> = events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "token.revoke",
            "token.resume",
            "token.suspend",
            "token.extend",
            "token.extend",
            "token.update",
            "token.create"
        ]
    );
    for event in &events {
        assert_eq!(event.actor, "acme/alice");
        assert_eq!(event.actor_token_id, by);
        assert_eq!(
            (event.library.as_str(), event.user.as_str()),
            (ACME, "till")
        );
        assert_eq!(event.call_id.len(), 16, "{event:?}");
        assert!(event.time.is_some() && !event.revision.is_empty());
    }
    assert_eq!(events[0].comment, "seen in a public log");
    assert_eq!(events[0].revision, revision);
    assert_eq!(events[2].comment, "the shop is closed");
    assert_eq!(
        events[5].fields,
        ["display_name", "permissions", "apis", "allowed_cidrs"]
    );
}

/// What the token is made for.
fn orders_from_the_shop(secret: &str) -> VerifyRequest {
    VerifyRequest {
        permissions: texts(&["orders:read"]),
        api: "shop".into(),
        client_ip: "192.0.2.7".into(),
        ..presenting(secret)
    }
}

/// What was done to a token, newest first.
async fn events_of(clients: &Clients, token_id: &str) -> Vec<AuditEvent> {
    let request = ListAuditEventsRequest::default();
    let answer = clients.admin.clone().list_audit_events(request).await;
    let events = answer.unwrap().into_inner().events;
    events
        .into_iter()
        .filter(|event| event.token_id == token_id)
        .collect()
}
