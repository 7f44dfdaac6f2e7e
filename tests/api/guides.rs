//! The guides that this authority answers to, each as the story of its reader: what it lets people do on a page, done here.

use token_authority::proto::v1::{
    AccessRight, CreateTokenRequest, CreateUserRequest, ErrorReason, ExtendTokenRequest,
    GetTokenRequest, ListAuditEventsRequest, ListTokensRequest, OpenSessionRequest,
    ResumeTokenRequest, RevealTokenRequest, RevocationReason, RevokeAll, RevokeTokenRequest,
    RevokeTokensRequest, SecretDisplay, SetPasswordRequest, Token, TokenKind, TokenState,
    UpdateLibraryRequest, UpdateTokenRequest, UserKind, Verdict, VerifyRequest,
};

use crate::harness::Clients;
use crate::refusal::assert_refused;
use crate::world::{ACME, ADMIN, RIVAL, SELF, World, asking, assignments, later, texts};

/// What a page that lists tokens shows.
async fn page(clients: &Clients, filter: ListTokensRequest) -> Vec<Token> {
    let mut admin = clients.admin.clone();
    admin.list_tokens(filter).await.unwrap().into_inner().tokens
}

fn of(user: &str) -> ListTokensRequest {
    ListTokensRequest {
        user: user.into(),
        ..Default::default()
    }
}

/// What a backend of the library asks, before it lets somebody do this.
fn about(secret: &str, permission: &str) -> VerifyRequest {
    VerifyRequest {
        token: secret.into(),
        library: ACME.into(),
        permissions: texts(&[permission]),
        ..Default::default()
    }
}

async fn library(world: &World, update: UpdateLibraryRequest) {
    let mut directory = world.operator.directory.clone();
    let update = UpdateLibraryRequest {
        library: ACME.into(),
        ..update
    };
    directory.update_library(update).await.unwrap();
}

#[tokio::test]
async fn an_administrator_provisions_bearer_tokens_for_a_library_that_support_enabled() {
    let world = World::new().await;
    world
        .person(ACME, "jane", &["orders:*", "reports:read"])
        .await;
    let boss = world.member(ACME, "boss", &[ADMIN]).await;
    let switch = |on| UpdateLibraryRequest {
        tokens_enabled: Some(on),
        ..Default::default()
    };
    library(&world, switch(false)).await;
    let add = CreateTokenRequest {
        user: "jane".into(),
        description: "API Access".into(),
        lifetime: "2099-01-01".into(),
        ..Default::default()
    };
    let mut admin = boss.clients.admin.clone();
    let refused = admin.create_token(add.clone()).await;
    assert_refused(refused, ErrorReason::TokensNotEnabled);
    let mut directory = boss.clients.directory.clone();
    let own = UpdateLibraryRequest {
        tokens_enabled: Some(true),
        ..Default::default()
    };
    assert_refused(
        directory.update_library(own).await,
        ErrorReason::PermissionDenied,
    );
    library(&world, switch(true)).await;

    // "Expires": it must be used before this date, and the library says how far away that may be.
    assert_refused(
        admin.create_token(add.clone()).await,
        ErrorReason::InvalidFields,
    );
    let add = CreateTokenRequest {
        lifetime: "180d".into(),
        ..add
    };
    let made = admin.create_token(add).await.unwrap().into_inner();
    let (token, secret) = (made.token.unwrap(), made.secret);
    let reveal = RevealTokenRequest {
        token_id: token.token_id.clone(),
        ..Default::default()
    };
    assert_refused(admin.reveal_token(reveal).await, ErrorReason::NotRevealable);

    // Everything that jane may do, and nothing more; whatever is done is hers.
    let seen = world.verify(about(&secret, "orders:write")).await;
    assert_eq!(
        (seen.verdict(), seen.user.as_str()),
        (Verdict::Valid, "jane")
    );
    let more = world.verify(about(&secret, "users:write")).await;
    assert_eq!(more.verdict(), Verdict::MissingPermission);
    let elsewhere = VerifyRequest {
        library: RIVAL.into(),
        ..about(&secret, "orders:write")
    };
    assert_eq!(
        world.verify(elsewhere).await.verdict(),
        Verdict::WrongLibrary
    );
    let log = ListAuditEventsRequest::default();
    let log = admin.list_audit_events(log).await.unwrap().into_inner();
    let event = log
        .events
        .iter()
        .find(|e| e.token_id == token.token_id)
        .unwrap();
    assert_eq!(
        (event.actor.as_str(), event.user.as_str()),
        ("acme/boss", "jane")
    );

    // The page: reason, user, expiry; extend by a year; delete.
    let listed = page(&boss.clients, of("jane")).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].description.as_str(), listed[0].user.as_str()),
        ("API Access", "jane")
    );
    let extend = ExtendTokenRequest {
        token_id: token.token_id.clone(),
        ..Default::default()
    };
    let extended = admin
        .extend_token(extend)
        .await
        .unwrap()
        .into_inner()
        .token
        .unwrap();
    let moved = extended.expire_time.unwrap().seconds - token.expire_time.unwrap().seconds;
    assert!((365..=366).contains(&(moved / 86_400)), "{moved} s");
    let delete = RevokeTokenRequest {
        token_id: token.token_id,
        ..Default::default()
    };
    admin.revoke_token(delete).await.unwrap();
    assert_eq!(world.verdict(&secret).await, Verdict::Revoked);
    assert_eq!(page(&boss.clients, of("jane")).await, []);
}

#[tokio::test]
async fn a_person_makes_tokens_for_itself_and_an_administrator_for_everybody_else() {
    let world = World::new().await;
    let ann = world.member(ACME, "ann", &[SELF, "orders:*"]).await;
    let mut own = ann.clients.admin.clone();
    let mut made = Vec::new();
    for name in ["laptop", "script"] {
        let generate = CreateTokenRequest {
            display_name: name.into(),
            lifetime: "30d".into(),
            ..Default::default()
        };
        made.push(own.create_token(generate).await.unwrap().into_inner());
    }
    let rename = UpdateTokenRequest {
        token_id: made[1].token.clone().unwrap().token_id,
        display_name: Some("nightly script".into()),
        expire_time: later(made[1].token.clone().unwrap().create_time, 86_400),
        ..Default::default()
    };
    own.update_token(rename).await.unwrap();
    let names: Vec<String> = page(&ann.clients, ListTokensRequest::default())
        .await
        .into_iter()
        .map(|token| token.display_name)
        .collect();
    assert_eq!(names, ["nightly script", "laptop", "for a test"]);

    // For another user it needs an administrator; so do users that can't log in.
    world.person(ACME, "bob", &["orders:read"]).await;
    assert_refused(
        own.create_token(asking(ACME, "bob")).await,
        ErrorReason::NotFound,
    );
    let robot = world.of_kind(UserKind::ApiOnly).await;
    let mut robot = world.server.clients(&robot).admin;
    let refused = robot.create_token(asking(ACME, "apionly")).await;
    assert_refused(refused, ErrorReason::SelfServiceDenied);
    let boss = world.member(ACME, "boss", &[ADMIN]).await;
    let mut admin = boss.clients.admin.clone();
    for user in ["bob", "apionly"] {
        admin.create_token(asking(ACME, user)).await.unwrap();
    }
}

#[tokio::test]
async fn a_customer_contact_reaches_one_api_and_its_own_data_alone() {
    let world = World::new().await;
    let apis = UpdateLibraryRequest {
        contact_apis: texts(&["order-status"]),
        ..Default::default()
    };
    library(&world, apis).await;
    world.user_type(ACME, "customer", &["orders:read"]).await;
    let contact = CreateUserRequest {
        library: ACME.into(),
        user: "eve".into(),
        kind: UserKind::Contact.into(),
        assignments: assignments(&["customer"]),
        data_owner: "customer-7".into(),
        ..Default::default()
    };
    let mut directory = world.operator.directory.clone();
    directory.create_user(contact).await.unwrap();
    let (_, secret) = world.token(asking(ACME, "eve")).await;
    for (api, owner, expected) in [
        ("order-status", "customer-7", Verdict::Valid),
        ("order-status", "customer-8", Verdict::WrongDataOwner),
        ("order-status", "", Verdict::WrongDataOwner),
        ("invoices", "customer-7", Verdict::WrongApi),
        ("", "customer-7", Verdict::WrongApi),
    ] {
        let demand = VerifyRequest {
            api: api.into(),
            data_owner: owner.into(),
            ..about(&secret, "orders:read")
        };
        let seen = world.verify(demand).await;
        assert_eq!(seen.verdict(), expected, "{api} of {owner}");
    }
}

#[tokio::test]
async fn an_administrator_watches_integrations_and_mobile_users_and_ends_them() {
    let world = World::new().await;
    let kept = UpdateLibraryRequest {
        tenant_id: Some("t-42".into()),
        secret_display: Some(SecretDisplay::Revealable.into()),
        usage_instructions: Some("Send the token of {user} as a bearer token.".into()),
        ..Default::default()
    };
    library(&world, kept).await;
    world
        .user_type(ACME, "clerk", &["orders:*", "users:*"])
        .await;
    world.user(ACME, "mia", &["a:clerk", "b:clerk"]).await;

    // "Only Department A, and not users", and longer than is suggested.
    let request = CreateTokenRequest {
        department: "a".into(),
        user_type: "clerk".into(),
        permissions: texts(&["orders:*"]),
        lifetime: "20mo".into(),
        ..asking(ACME, "mia")
    };
    let mut admin = world.operator.admin.clone();
    let made = admin.create_token(request).await.unwrap().into_inner();
    assert!(
        made.warnings.iter().any(|w| w.contains("12mo")),
        "{:?}",
        made.warnings
    );
    assert_eq!(made.usage, "Send the token of mia as a bearer token.");
    let integration = made.token.unwrap();
    for (department, permission, expected) in [
        ("a", "orders:read", Verdict::Valid),
        ("b", "orders:read", Verdict::WrongDepartment),
        ("a", "users:read", Verdict::MissingPermission),
    ] {
        let demand = VerifyRequest {
            department: department.into(),
            ..about(&made.secret, permission)
        };
        let seen = world.verify(demand).await;
        assert_eq!(
            (seen.verdict(), seen.tenant_id.as_str()),
            (expected, "t-42"),
            "{department}"
        );
    }
    let reveal = RevealTokenRequest {
        token_id: integration.token_id.clone(),
        ..Default::default()
    };
    let shown = admin.reveal_token(reveal).await.unwrap().into_inner();
    assert_eq!(shown.secret, made.secret);

    // Select this one and another, and delete both.
    let (other, other_secret) = world.token(asking(ACME, "mia")).await;
    let selected = RevokeTokensRequest {
        token_ids: vec![integration.token_id, other.token_id],
        ..Default::default()
    };
    let answer = admin.revoke_tokens(selected).await.unwrap().into_inner();
    assert!(answer.results.iter().all(|result| result.error.is_none()));
    for secret in [&made.secret, &other_secret] {
        assert_eq!(world.verdict(secret).await, Verdict::Revoked);
    }
}

#[tokio::test]
async fn an_administrator_sees_who_is_logged_in_and_logs_them_out() {
    let world = World::new().await;
    world.person(ACME, "mia", &["orders:*"]).await;
    let (_, integration) = world.token(asking(ACME, "mia")).await;
    let mut admin = world.operator.admin.clone();
    let password = SetPasswordRequest {
        library: ACME.into(),
        user: "mia".into(),
        password: "correct horse battery".into(),
        ..Default::default()
    };
    admin.set_password(password).await.unwrap();
    let mut phones = Vec::new();
    for device_name in ["Pixel", "iPhone"] {
        let login = OpenSessionRequest {
            library: ACME.into(),
            user: "mia".into(),
            password: "correct horse battery".into(),
            device_name: device_name.into(),
            ..Default::default()
        };
        phones.push(admin.open_session(login).await.unwrap().into_inner());
    }
    let session = phones[0].token.clone().unwrap();
    assert_eq!(
        (session.kind(), session.device_name.as_str()),
        (TokenKind::Session, "Pixel")
    );
    let inspect = GetTokenRequest {
        token_id: session.token_id,
    };
    let shown = admin
        .get_token(inspect)
        .await
        .unwrap()
        .into_inner()
        .token
        .unwrap();
    assert_eq!(
        (shown.user.as_str(), shown.state()),
        ("mia", TokenState::Active)
    );

    // Log her out everywhere: the integration goes on.
    let out = RevokeTokensRequest {
        all: Some(RevokeAll {
            library: ACME.into(),
            user: "mia".into(),
            sessions_only: true,
            ..Default::default()
        }),
        reason: RevocationReason::OwnerLeft.into(),
        ..Default::default()
    };
    admin.revoke_tokens(out).await.unwrap();
    for phone in &phones {
        assert_eq!(world.verdict(&phone.secret).await, Verdict::Revoked);
    }
    assert_eq!(world.verdict(&integration).await, Verdict::Valid);
}

#[tokio::test]
async fn an_application_token_has_a_switch_a_name_networks_and_an_access_right() {
    let world = World::new().await;
    world
        .user_type(ACME, "scanner", &["reports:*", "scans:*"])
        .await;
    world.user(ACME, "siem", &["scanner"]).await;
    let request = CreateTokenRequest {
        display_name: "SIEM".into(),
        suspended: true,
        allowed_cidrs: texts(&["192.0.2.0/24"]),
        access_right: AccessRight::ReadOnly.into(),
        ..asking(ACME, "siem")
    };
    let (token, secret) = world.token(request).await;
    let from = |address: &str, permission| VerifyRequest {
        client_ip: address.into(),
        ..about(&secret, permission)
    };
    let mut admin = world.operator.admin.clone();
    assert_eq!(world.verdict(&secret).await, Verdict::Suspended);
    let resume = ResumeTokenRequest {
        token_id: token.token_id.clone(),
        ..Default::default()
    };
    admin.resume_token(resume).await.unwrap();
    for (address, permission, expected) in [
        ("192.0.2.7", "reports:read", Verdict::Valid),
        ("192.0.2.7", "reports:write", Verdict::MissingPermission),
        ("198.51.100.1", "reports:read", Verdict::IpNotAllowed),
        ("", "reports:read", Verdict::IpNotAllowed),
    ] {
        let seen = world.verify(from(address, permission)).await;
        assert_eq!(seen.verdict(), expected, "{permission} from {address}");
    }
}
