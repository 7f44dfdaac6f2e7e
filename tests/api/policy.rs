//! A library's policy over the wire: the limit of tokens, what a change would hit, and applying it to tokens that there are.

use token_authority::proto::v1::{
    ApplyPolicyRequest, CreateLibraryRequest, CreateTokenRequest, ErrorReason, GetLibraryRequest,
    GetTokenRequest, Library, ListAuditEventsRequest, PolicyEffects, RevokeTokenRequest, Token,
    UpdateLibraryRequest, UpdateLibraryResponse, Verdict,
};

use crate::refusal::{assert_refused, fields_of, told};
use crate::world::{ACME, ADMIN, DIRECTORY_ADMIN, World, asking, texts};

async fn update(world: &World, change: UpdateLibraryRequest) -> UpdateLibraryResponse {
    let request = UpdateLibraryRequest {
        library: ACME.into(),
        ..change
    };
    let mut directory = world.operator.directory.clone();
    let answer = directory.update_library(request).await;
    answer.expect("a change").into_inner()
}

async fn library(world: &World) -> Library {
    let request = GetLibraryRequest {
        library: ACME.into(),
    };
    let mut directory = world.operator.directory.clone();
    let answer = directory.get_library(request).await.expect("a library");
    answer.into_inner().library.expect("the library")
}

async fn token(world: &World, token_id: &str) -> Token {
    let request = GetTokenRequest {
        token_id: token_id.into(),
    };
    let mut admin = world.operator.admin.clone();
    let answer = admin.get_token(request).await.expect("a token");
    answer.into_inner().token.expect("the token")
}

async fn actions(world: &World) -> Vec<String> {
    let request = ListAuditEventsRequest {
        library: ACME.into(),
        page_size: 1000,
        ..Default::default()
    };
    let mut admin = world.operator.admin.clone();
    let answer = admin.list_audit_events(request).await.expect("a list");
    let events = answer.into_inner().events.into_iter();
    events.map(|event| event.action).collect()
}

#[tokio::test]
async fn a_user_has_no_more_tokens_than_its_library_allows_and_is_told_what_to_do() {
    /// Calls at once: more than the limit by far.
    const AT_ONCE: usize = 60;
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let limit = UpdateLibraryRequest {
        max_tokens_per_user: Some(5),
        ..Default::default()
    };
    let updated = update(&world, limit).await;
    assert_eq!(updated.library.unwrap().max_tokens_per_user, 5);
    assert_eq!(library(&world).await.max_tokens_per_user, 5);

    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let mut admin = world.operator.admin.clone();
        calls.spawn(async move { admin.create_token(asking(ACME, "ann")).await });
    }
    let (mut made, mut refused) = (Vec::new(), Vec::new());
    for answer in calls.join_all().await {
        match answer {
            Ok(answer) => made.push(answer.into_inner().token.unwrap().token_id),
            Err(status) => refused.push(status),
        }
    }
    assert_eq!(made.len(), 5);
    for status in refused {
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        let status = assert_refused::<()>(Err(status), ErrorReason::TooManyTokens);
        assert_eq!(told(&status, "limit").as_deref(), Some("5"));
        assert!(status.message().contains("revoke one"), "{status:?}");
    }
    // The limit holds after a crash as before, and an end makes room.
    let world = world.killed_and_started().await;
    let mut admin = world.operator.admin.clone();
    let create = || asking(ACME, "ann");
    let answer = admin.create_token(create()).await;
    assert_refused(answer, ErrorReason::TooManyTokens);
    let revoke = RevokeTokenRequest {
        token_id: made.remove(0),
        ..Default::default()
    };
    admin.revoke_token(revoke).await.expect("revoked");
    admin.create_token(create()).await.expect("a token");
    let answer = admin.create_token(create()).await;
    assert_refused(answer, ErrorReason::TooManyTokens);
}

#[tokio::test]
async fn a_dry_run_of_a_tightening_says_what_it_would_hit_and_is_no_change() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let dora = world.member(ACME, "dora", &[DIRECTORY_ADMIN]).await;
    let outside = CreateTokenRequest {
        lifetime: "7d".into(),
        allowed_cidrs: texts(&["10.0.0.0/8"]),
        ..asking(ACME, "ann")
    };
    let (outside, secret) = world.token(outside).await;
    let (long, _) = world.token(asking(ACME, "ann")).await;
    let (before, events) = (library(&world).await, actions(&world).await);
    let tightening = UpdateLibraryRequest {
        default_lifetime: Some("7d".into()),
        max_lifetime: Some("30d".into()),
        allowed_cidrs: texts(&["127.0.0.0/8", "192.0.2.0/24"]),
        max_tokens_per_user: Some(1),
        usage_instructions: Some("Ask dora.".into()),
        dry_run: true,
        ..Default::default()
    };
    let mut directory = dora.clients.directory.clone();
    let answer = directory.update_library(tightening.clone()).await;
    let UpdateLibraryResponse {
        library: shown,
        effects,
    } = answer.unwrap().into_inner();
    let shown = shown.unwrap();
    assert_eq!(
        (shown.max_lifetime.as_str(), &shown.etag),
        ("30d", &before.etag)
    );
    assert_eq!(shown.usage_instructions, "Ask dora.");
    let PolicyEffects {
        examined,
        tokens_over_lifetime,
        over_lifetime_examples,
        tokens_outside_cidrs,
        outside_cidrs_examples,
        users_over_limit,
        over_limit_examples,
        ..
    } = effects.unwrap();
    assert_eq!((examined, tokens_over_lifetime), (3, 2));
    assert!(over_lifetime_examples.contains(&long.token_id));
    assert_eq!(tokens_outside_cidrs, 1);
    assert_eq!(outside_cidrs_examples, texts(&[&outside.token_id]));
    assert_eq!(
        (users_over_limit, over_limit_examples),
        (1, texts(&["ann"]))
    );
    assert_eq!(library(&world).await, before);
    assert_eq!(actions(&world).await, events);
    assert_eq!(world.verdict(&secret).await, Verdict::IpNotAllowed);

    // What is refused is refused in a dry run too; what names no policy tells nothing of it.
    let contradiction = UpdateLibraryRequest {
        max_lifetime: Some("1d".into()),
        dry_run: true,
        ..Default::default()
    };
    let answer = directory.update_library(contradiction).await;
    let refused = assert_refused(answer, ErrorReason::InvalidFields);
    assert_eq!(fields_of(&refused), ["default_lifetime"]);
    let operators = UpdateLibraryRequest {
        tokens_enabled: Some(false),
        dry_run: true,
        ..Default::default()
    };
    let answer = directory.update_library(operators).await;
    assert_refused(answer, ErrorReason::PermissionDenied);
    let name = UpdateLibraryRequest {
        display_name: Some("Acme".into()),
        ..Default::default()
    };
    assert_eq!(update(&world, name).await.effects, None);
    let real = UpdateLibraryRequest {
        allowed_cidrs: Vec::new(),
        dry_run: false,
        ..tightening
    };
    let effects = update(&world, real).await.effects.unwrap();
    assert_eq!(
        (effects.tokens_over_lifetime, effects.tokens_outside_cidrs),
        (2, 0)
    );
    assert_eq!(actions(&world).await[0], "library.update");
}

#[tokio::test]
async fn a_policy_is_brought_to_old_tokens_by_an_administrator_of_tokens() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let tom = world.member(ACME, "tom", &[ADMIN]).await;
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(world.token(asking(ACME, "ann")).await.0.token_id);
    }
    let shorter = UpdateLibraryRequest {
        default_lifetime: Some("30d".into()),
        max_lifetime: Some("30d".into()),
        max_tokens_per_user: Some(6),
        ..Default::default()
    };
    update(&world, shorter).await;
    let mut admin = tom.clients.admin.clone();
    let dry_run = ApplyPolicyRequest {
        dry_run: true,
        ..Default::default()
    };
    let planned = admin.apply_policy(dry_run).await.unwrap().into_inner();
    assert_eq!(planned.changes.len(), 8);
    assert_eq!(planned.effects.unwrap().tokens_over_lifetime, 8);
    let before = token(&world, &ids[0]).await;

    let (mut changes, mut page_token) = (Vec::new(), String::new());
    let left = loop {
        let request = ApplyPolicyRequest {
            page_size: 3,
            page_token,
            ..Default::default()
        };
        let page = admin.apply_policy(request).await.unwrap().into_inner();
        assert!(page.changes.len() <= 3);
        changes.extend(page.changes);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break page.effects.unwrap();
        }
        assert_eq!(page.effects, None);
    };
    assert_eq!(changes.len(), 8);
    let after = token(&world, &ids[0]).await;
    let change = changes.iter().find(|c| c.token_id == ids[0]).unwrap();
    assert_eq!(change.fields, ["expire_time"]);
    assert_eq!(change.old_expire_time, before.expire_time);
    assert_eq!(change.new_expire_time, after.expire_time);
    assert!(after.expire_time.unwrap().seconds < before.expire_time.unwrap().seconds);
    assert_eq!((left.tokens_over_lifetime, left.users_over_limit), (0, 1));
    let again = admin.apply_policy(ApplyPolicyRequest::default()).await;
    assert_eq!(again.unwrap().into_inner().changes, []);
    let events = actions(&world).await;
    let applied = events
        .iter()
        .filter(|action| *action == "token.apply-policy");
    assert_eq!(applied.count(), 8);

    let forged = ApplyPolicyRequest {
        page_token: "00".repeat(40),
        ..Default::default()
    };
    let refused = assert_refused(admin.apply_policy(forged).await, ErrorReason::InvalidFields);
    assert_eq!(fields_of(&refused), ["page_token"]);
}

#[tokio::test]
async fn a_library_that_allows_less_than_a_year_suggests_no_more() {
    let world = World::new().await;
    let mut directory = world.operator.directory.clone();
    let request = CreateLibraryRequest {
        library: "strict".into(),
        max_lifetime: "90d".into(),
        max_tokens_per_user: 3,
        ..Default::default()
    };
    let made = directory.create_library(request).await.unwrap();
    let made = made.into_inner().library.unwrap();
    assert_eq!(
        (
            made.default_lifetime.as_str(),
            made.suggested_lifetime.as_str()
        ),
        ("90d", "90d")
    );
    assert_eq!(made.max_tokens_per_user, 3);
}
