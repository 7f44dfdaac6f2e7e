//! An administrator's life with tokens, from the library to the audit log.

use std::time::Duration;

use token_authority::proto::v1::{
    AccessRight, AuditEvent, CreateTokenRequest, ExtendTokenRequest, GetTokenRequest,
    ListAuditEventsRequest, ListTokensRequest, ResumeTokenRequest, RevocationReason,
    RevokeTokenRequest, SuspendTokenRequest, Token, TokenKind, TokenState, UpdateLibraryRequest,
    UpdateTokenRequest, UserKind, Verdict, VerifyRequest,
};

use crate::harness::Clients;
use crate::refusal::{assert_refused, fields_of};
use crate::world::{ACME, ADMIN, World, asking, later, pass, presenting, texts};
use token_authority::proto::v1::ErrorReason;

#[tokio::test]
async fn an_administrator_makes_inspects_changes_and_ends_a_token_and_all_of_it_is_recorded() {
    let world = World::new().await;
    let administrator = world.member(ACME, "alice", &[ADMIN]).await;
    world
        .person(ACME, "till", &["orders:*", "stock:read"])
        .await;
    let clients = &administrator.clients;
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

    let demand = VerifyRequest {
        permissions: texts(&["orders:read"]),
        api: "shop".into(),
        client_ip: "192.0.2.7".into(),
        ..presenting(&secret)
    };
    let found = world.verify(demand.clone()).await;
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

    // Changed: what is not given stays, what is cleared is gone, and the etag moves.
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
        world.verify(demand).await.verdict(),
        Verdict::MissingPermission
    );

    // Extended: one calendar year from its expiry, held back to what the library allows.
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

    // Suspended and resumed.
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
    assert_eq!(world.verdict(&secret).await, Verdict::Suspended);
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
    assert_eq!(world.verdict(&secret).await, Verdict::Valid);

    // Revoked: for good, and still there to be seen.
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
    assert_eq!(world.verdict(&secret).await, Verdict::Revoked);
    assert_eq!(get(clients, &made.token_id).await, revoked);

    // Again: the same answer, and nothing more to record.
    let again = admin.revoke_token(request).await.unwrap().into_inner();
    assert_eq!(again.token, Some(revoked));
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
        assert_eq!(event.actor_token_id, administrator.token_id);
        assert_eq!(
            (event.library.as_str(), event.user.as_str()),
            (ACME, "till")
        );
        assert_eq!(event.call_id.len(), 16, "{event:?}");
        assert!(event.time.is_some() && !event.revision.is_empty());
    }
    assert_eq!(events[0].comment, "seen in a public log");
    assert_eq!(events[0].revision, answer.revision);
    assert_eq!(events[2].comment, "the shop is closed");
    assert_eq!(
        events[5].fields,
        ["display_name", "permissions", "apis", "allowed_cidrs"]
    );
}

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
    let refused = assert_refused(admin.update_token(beyond).await, ErrorReason::InvalidFields);
    assert!(
        refused.message().contains("max_lifetime"),
        "{}",
        refused.message()
    );
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

async fn get(clients: &Clients, token_id: &str) -> Token {
    let request = GetTokenRequest {
        token_id: token_id.into(),
    };
    let answer = clients.admin.clone().get_token(request).await;
    answer.unwrap().into_inner().token.unwrap()
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
