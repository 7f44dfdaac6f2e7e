//! The tokens of a tenant's integrations and of its mobile users.

use token_authority::proto::v1::{
    CreateTokenRequest, ListTokensRequest, RevealTokenRequest, RevokeTokenRequest,
    RevokeTokensRequest, SecretDisplay, TokenKind, UpdateLibraryRequest, UpdateTokenRequest,
    UpdateUserRequest, Verdict, VerifyRequest,
};

use super::{PASSWORD, administrator, demand, inspect, list, log_in, make, reason, support};
use crate::world::{ACME, SELF, World, texts, verify};

#[tokio::test]
async fn api_tokens_and_the_logins_of_mobile_users_are_listed_apart() {
    let world = World::new().await;
    world.person(ACME, "mia", &[SELF, "orders:*"]).await;
    world.password(ACME, "mia", PASSWORD).await;
    let boss = administrator(&world).await;
    let (integration, _) = make(&boss.clients, reason("mia", "integration")).await;
    let (session, _) = log_in(&boss.clients, "mia", "Pixel").await;
    let of = |kind: TokenKind| ListTokensRequest {
        kind: kind.into(),
        user: "mia".into(),
        ..Default::default()
    };
    let ids = async |kind| {
        let tokens = list(&boss.clients, of(kind)).await;
        tokens
            .into_iter()
            .map(|token| token.token_id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(TokenKind::Api).await, [integration.token_id]);
    assert_eq!(ids(TokenKind::Session).await, [session.token_id]);
}

#[tokio::test]
async fn a_token_is_for_one_department_and_user_type_and_not_for_users() {
    let world = World::new().await;
    world
        .user_type(ACME, "clerk", &["orders:*", "users:*"])
        .await;
    world.user(ACME, "mia", &["a:clerk", "b:clerk"]).await;
    let boss = administrator(&world).await;
    let create = CreateTokenRequest {
        department: "a".into(),
        user_type: "clerk".into(),
        permissions: texts(&["orders:*"]),
        ..reason("mia", "only Department A, and not users")
    };
    let (_, secret) = make(&boss.clients, create).await;
    for (department, permission, expected) in [
        ("a", "orders:write", Verdict::Valid),
        ("b", "orders:read", Verdict::WrongDepartment),
        ("", "orders:read", Verdict::WrongDepartment),
        ("a", "users:read", Verdict::MissingPermission),
    ] {
        let request = VerifyRequest {
            department: department.into(),
            ..demand(&secret, &[permission])
        };
        let seen = world.verify(request).await;
        assert_eq!(seen.verdict(), expected, "{permission} in {department:?}");
    }
}

#[tokio::test]
async fn tokens_are_deleted_one_by_one_or_as_many_as_were_selected() {
    let world = World::new().await;
    world.person(ACME, "mia", &["orders:*"]).await;
    world.password(ACME, "mia", PASSWORD).await;
    let boss = administrator(&world).await;
    let mut admin = boss.clients.admin.clone();
    let mut made = Vec::new();
    for n in 0..3 {
        made.push(make(&boss.clients, reason("mia", &format!("number {n}"))).await);
    }
    made.push(log_in(&boss.clients, "mia", "Pixel").await);
    let one = RevokeTokenRequest {
        token_id: made[0].0.token_id.clone(),
        ..Default::default()
    };
    admin.revoke_token(one).await.unwrap();
    let selected = RevokeTokensRequest {
        token_ids: [1, 3].map(|n: usize| made[n].0.token_id.clone()).to_vec(),
        ..Default::default()
    };
    let outcomes = admin.revoke_tokens(selected).await.unwrap().into_inner();
    assert!(outcomes.results.iter().all(|result| result.error.is_none()));
    let mut verdicts = Vec::new();
    for (_, secret) in &made {
        verdicts.push(world.verdict(secret).await);
    }
    let (ended, good) = (Verdict::Revoked, Verdict::Valid);
    assert_eq!(verdicts, [ended, ended, good, ended]);
}

#[tokio::test]
async fn a_session_shows_user_email_department_user_type_last_use_and_expiry() {
    let world = World::new().await;
    world.user_type(ACME, "clerk", &["orders:*"]).await;
    world.user(ACME, "mia", &["sales:clerk"]).await;
    world.password(ACME, "mia", PASSWORD).await;
    let known = UpdateUserRequest {
        library: ACME.into(),
        user: "mia".into(),
        display_name: Some("Mia Meyer".into()),
        email: Some("mia@example.com".into()),
        ..Default::default()
    };
    let mut directory = world.operator.directory.clone();
    directory.update_user(known).await.unwrap();
    let boss = administrator(&world).await;
    let (session, secret) = log_in(&boss.clients, "mia", "Pixel").await;
    let before = inspect(&boss.clients, &session.token_id).await;
    assert_eq!(before.token.unwrap().last_use, None);
    let request = VerifyRequest {
        client_ip: "198.51.100.7".into(),
        ..demand(&secret, &["orders:read"])
    };
    let seen = verify(&boss.clients, request).await;
    assert_eq!(seen.verdict(), Verdict::Valid);

    let shown = inspect(&boss.clients, &session.token_id).await;
    let (token, user) = (shown.token.unwrap(), shown.user.unwrap());
    assert_eq!(
        (
            user.user.as_str(),
            user.email.as_str(),
            user.display_name.as_str()
        ),
        ("mia", "mia@example.com", "Mia Meyer")
    );
    let assignment = &user.assignments[0];
    assert_eq!(
        (
            assignment.department.as_str(),
            assignment.user_type.as_str()
        ),
        ("sales", "clerk")
    );
    assert_eq!(token.device_name, "Pixel");
    assert_eq!(token.expire_time, session.expire_time);
    let last = token.last_use.unwrap();
    assert_eq!(
        (last.client_ip.as_str(), last.used_by.as_str()),
        ("198.51.100.7", "acme/boss")
    );
    assert!(last.time.unwrap().seconds >= session.create_time.unwrap().seconds);
    assert!(last.resolution.is_some());
}

#[tokio::test]
async fn an_api_token_shows_its_string_tenant_and_description_of_use_and_is_modified() {
    let world = World::new().await;
    world.person(ACME, "mia", &["orders:*"]).await;
    let page = UpdateLibraryRequest {
        tenant_id: Some("t-42".into()),
        secret_display: Some(SecretDisplay::Revealable.into()),
        usage_instructions: Some("Send {token_id} of {user} until {expire_time}.".into()),
        ..Default::default()
    };
    support(&world, page).await;
    let boss = administrator(&world).await;
    let create = CreateTokenRequest {
        display_name: "ERP".into(),
        ..reason("mia", "")
    };
    let (token, secret) = make(&boss.clients, create).await;
    let shown = inspect(&boss.clients, &token.token_id).await;
    assert_eq!(shown.tenant_id, "t-42");
    let seen = shown.token.unwrap();
    assert_eq!(
        (seen.display_name.as_str(), seen.user.as_str()),
        ("ERP", "mia")
    );
    assert!(seen.expire_time.is_some());
    assert!(
        shown
            .usage
            .starts_with(&format!("Send {} of mia until 20", token.token_id)),
        "{}",
        shown.usage
    );
    let mut admin = boss.clients.admin.clone();
    let reveal = RevealTokenRequest {
        token_id: token.token_id.clone(),
        ..Default::default()
    };
    let string = admin
        .reveal_token(reveal)
        .await
        .unwrap()
        .into_inner()
        .secret;
    assert_eq!(string, secret);
    let told = verify(&boss.clients, demand(&string, &[])).await;
    assert_eq!(told.tenant_id, "t-42");
    let modify = UpdateTokenRequest {
        token_id: token.token_id,
        display_name: Some("ERP 2".into()),
        permissions: texts(&["orders:read"]),
        access_right: Some(token_authority::proto::v1::AccessRight::Custom.into()),
        ..Default::default()
    };
    let modified = admin.update_token(modify).await.unwrap().into_inner();
    assert_eq!(modified.token.unwrap().display_name, "ERP 2");
    let narrowed = verify(&boss.clients, demand(&secret, &["orders:write"])).await;
    assert_eq!(narrowed.verdict(), Verdict::MissingPermission);
}

#[tokio::test]
async fn twelve_months_are_suggested_at_most_and_a_token_may_have_the_least_rights() {
    let world = World::new().await;
    world.person(ACME, "mia", &["orders:*"]).await;
    let boss = administrator(&world).await;
    let warnings = async |lifetime: &str| {
        let create = CreateTokenRequest {
            lifetime: lifetime.into(),
            ..reason("mia", "integration")
        };
        let made = boss.clients.admin.clone().create_token(create).await;
        made.unwrap().into_inner().warnings
    };
    assert_eq!(warnings("12mo").await, Vec::<String>::new());
    let warned = warnings("13mo").await;
    assert!(warned[0].contains("12mo"), "{warned:?}");
    let least = CreateTokenRequest {
        permissions: texts(&["orders:read"]),
        ..reason("mia", "integration")
    };
    let (_, secret) = make(&boss.clients, least).await;
    let allowed = async |permission| {
        let seen = verify(&boss.clients, demand(&secret, &[permission])).await;
        seen.verdict()
    };
    assert_eq!(allowed("orders:read").await, Verdict::Valid);
    assert_eq!(allowed("orders:write").await, Verdict::MissingPermission);
}
