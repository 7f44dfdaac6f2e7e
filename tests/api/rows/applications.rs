//! Tokens of applications, used in scripts in the place of a user name and a password.

use token_authority::proto::v1::{
    AccessRight, CreateTokenRequest, CreateUserRequest, ErrorReason, ResumeTokenRequest,
    SuspendTokenRequest, UserKind, Verdict, VerifyRequest,
};

use super::{administrator, demand, make, reason};
use crate::refusal::assert_refused;
use crate::world::{ACME, VERIFY, World, assignments, texts, verify};

#[tokio::test]
async fn an_application_token_has_a_check_box_a_name_networks_and_an_access_right() {
    let world = World::new().await;
    world.person(ACME, "siem", &["reports:*", "scans:*"]).await;
    let boss = administrator(&world).await;
    let create = CreateTokenRequest {
        display_name: "SIEM".into(),
        allowed_cidrs: texts(&["192.0.2.0/24", "2001:db8::1"]),
        access_right: AccessRight::ReadOnly.into(),
        ..reason("siem", "")
    };
    let (token, secret) = make(&boss.clients, create).await;
    let asked = async |address: &str, permission: &str| {
        let request = VerifyRequest {
            client_ip: address.into(),
            ..demand(&secret, &[permission])
        };
        world.verify(request).await.verdict()
    };
    for (address, permission, expected) in [
        ("192.0.2.7", "reports:read", Verdict::Valid),
        ("2001:db8::1", "scans:list", Verdict::Valid),
        ("::ffff:192.0.2.7", "reports:read", Verdict::Valid),
        ("2001:db8::2", "reports:read", Verdict::IpNotAllowed),
        ("", "reports:read", Verdict::IpNotAllowed),
        ("192.0.2.7", "reports:delete", Verdict::MissingPermission),
    ] {
        assert_eq!(
            asked(address, permission).await,
            expected,
            "{address} {permission}"
        );
    }
    let mut admin = boss.clients.admin.clone();
    let token_id = token.token_id;
    let untick = SuspendTokenRequest {
        token_id: token_id.clone(),
        ..Default::default()
    };
    admin.suspend_token(untick).await.unwrap();
    assert_eq!(asked("192.0.2.7", "reports:read").await, Verdict::Suspended);
    let tick = ResumeTokenRequest {
        token_id,
        ..Default::default()
    };
    admin.resume_token(tick).await.unwrap();
    assert_eq!(asked("192.0.2.7", "reports:read").await, Verdict::Valid);
}

#[tokio::test]
async fn a_script_needs_no_user_name_and_no_password_and_its_parameter_is_verified_as_it_came() {
    let world = World::new().await;
    world.user_type(ACME, "exporter", &["reports:read"]).await;
    let script = CreateUserRequest {
        library: ACME.into(),
        user: "nightly".into(),
        kind: UserKind::ApiOnly.into(),
        assignments: assignments(&["exporter"]),
        ..Default::default()
    };
    let mut directory = world.operator.directory.clone();
    directory.create_user(script).await.unwrap();
    let boss = administrator(&world).await;
    let (_, secret) = make(&boss.clients, reason("nightly", "export")).await;
    // What the backend finds in APPTOKEN it hands over; nobody can log in as that user.
    let gate = world.member(ACME, "gate", &[VERIFY]).await;
    let parameter = secret.as_str();
    let seen = verify(&gate.clients, demand(parameter, &["reports:read"])).await;
    assert_eq!(
        (seen.verdict(), seen.user_kind()),
        (Verdict::Valid, UserKind::ApiOnly)
    );
    for (mangled, expected) in [
        (format!("{parameter}&x=1"), Verdict::Malformed),
        (format!("Bearer {parameter}"), Verdict::Malformed),
    ] {
        let seen = verify(&gate.clients, demand(&mangled, &[])).await;
        assert_eq!(seen.verdict(), expected);
    }
    let login = token_authority::proto::v1::OpenSessionRequest {
        user: "nightly".into(),
        password: super::PASSWORD.into(),
        ..Default::default()
    };
    let refused = gate.clients.admin.clone().open_session(login).await;
    assert_refused(refused, ErrorReason::LoginRefused);
}
