//! Every reason of the documented list, provoked over the wire.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;

use prost::Message as _;
use rustix::fs::{CWD, FileType, Mode};
use token_authority::proto::v1::{
    CreateTokenRequest, CreateUserTypeRequest, DeleteUserTypeRequest, ErrorReason,
    ExtendTokenRequest, GetTokenRequest, ListAuditEventsRequest, ResumeTokenRequest,
    RevealTokenRequest, RevokeTokenRequest, UpdateLibraryRequest, UpdateTokenRequest,
    UpdateUserRequest, UserKind, UserState, Verdict, VerifyBatchRequest, VerifyRequest,
};
use tonic::Status;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::harness::Server;
use crate::host::Host;
use crate::refusal::{assert_refused, every_reason, reason_of};
use crate::wire::Wire;
use crate::world::{ACME, DIRECTORY_ADMIN, World, asking, presenting, texts};

/// What no sound server answers on demand: a fault of its own. The layer's tests provoke it with a handler that panics.
const ELSEWHERE: [ErrorReason; 1] = [ErrorReason::Internal];
/// Provoked in tests of their own, below, in `policy`, in `sessions`, in `importing` and in `watching`, each with a server of its
/// own.
const ALONE: [ErrorReason; 9] = [
    ErrorReason::RevisionUnknown,
    ErrorReason::AlreadyImported,
    ErrorReason::LoginRefused,
    ErrorReason::TooManyTokens,
    ErrorReason::DeadlineExceeded,
    ErrorReason::NotReady,
    ErrorReason::StoreUnavailable,
    ErrorReason::RecordDamaged,
    ErrorReason::Contention,
];

#[tokio::test]
async fn every_reason_is_given_by_a_real_server() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let refused = [
        of_credentials(&world).await,
        of_requests(&world).await,
        of_states(&world).await,
    ];
    let mut given: BTreeSet<i32> = BTreeSet::new();
    for status in refused.concat() {
        given.insert(reason_of(&status).into());
    }
    given.extend(
        ALONE
            .iter()
            .chain(&ELSEWHERE)
            .map(|reason| i32::from(*reason)),
    );
    let missing: Vec<ErrorReason> = every_reason()
        .into_iter()
        .filter(|reason| !given.contains(&i32::from(*reason)))
        .collect();
    assert_eq!(missing, []);
}

async fn of_credentials(world: &World) -> Vec<Status> {
    let body = || presenting("x").encode_to_vec();
    let call = async |wire: Wire| {
        let answer = wire
            .call("/tokenauthority.v1.TokenVerify/Verify", body())
            .await;
        answer.expect_err("refused")
    };
    let wire = || Wire::new(world.server.channel());
    let dora = world.member(ACME, "dora", &[DIRECTORY_ADMIN]).await;
    let conveyed = CreateUserTypeRequest {
        user_type: "mighty".into(),
        permissions: texts(&["tokens:admin"]),
        ..Default::default()
    };
    let conveyed = dora
        .clients
        .directory
        .clone()
        .create_user_type(conveyed)
        .await;
    let till = world.of_kind(UserKind::ApiOnly).await;
    let mut till = world.server.clients(&till).admin;
    vec![
        assert_refused(
            till.create_token(asking(ACME, "apionly")).await,
            ErrorReason::SelfServiceDenied,
        ),
        expect(call(wire()).await, ErrorReason::CredentialMissing),
        expect(
            call(wire().bearer("x")).await,
            ErrorReason::CredentialRefused,
        ),
        expect(
            call(wire().bearer(&dora.secret)).await,
            ErrorReason::PermissionDenied,
        ),
        assert_refused(conveyed, ErrorReason::ReservedPermission),
    ]
}

async fn of_requests(world: &World) -> Vec<Status> {
    let wire = Wire::new(world.server.channel()).bearer(&world.server.operator_secret());
    let malformed = wire
        .call("/tokenauthority.v1.TokenVerify/Verify", b"\xff".to_vec())
        .await;
    let method = wire
        .call("/tokenauthority.v1.TokenVerify/Forge", Vec::new())
        .await;
    let mut admin = world.operator.admin.clone();
    let mut verifier = world.operator.verify.clone();
    let named = CreateTokenRequest {
        request_id: "3f1c9a52-8a0e-4f0b-9d53-0a1b6c7d8e9f".into(),
        ..asking(ACME, "ann")
    };
    admin.create_token(named.clone()).await.unwrap();
    let reused = CreateTokenRequest {
        description: "another payload".into(),
        ..named
    };
    let batch = VerifyBatchRequest {
        requests: vec![VerifyRequest::default(); 1001],
    };
    vec![
        assert_refused(malformed, ErrorReason::MalformedRequest),
        assert_refused(method, ErrorReason::UnknownMethod),
        assert_refused(
            admin.create_token(reused).await,
            ErrorReason::RequestIdReused,
        ),
        assert_refused(
            verifier.verify_batch(batch).await,
            ErrorReason::LimitExceeded,
        ),
        assert_refused(
            verifier.verify(VerifyRequest::default()).await,
            ErrorReason::InvalidFields,
        ),
    ]
}

async fn of_states(world: &World) -> Vec<Status> {
    let mut admin = world.operator.admin.clone();
    let mut directory = world.operator.directory.clone();
    let (token, _) = world.token(asking(ACME, "ann")).await;
    let token_id = || token.token_id.clone();
    let unknown = GetTokenRequest {
        token_id: crate::token::UNKNOWN[4..26].into(),
    };
    let named = CreateUserTypeRequest {
        library: ACME.into(),
        user_type: "ann".into(),
        ..Default::default()
    };
    let used = DeleteUserTypeRequest {
        library: ACME.into(),
        user_type: "ann".into(),
        ..Default::default()
    };
    let outdated = UpdateTokenRequest {
        token_id: token_id(),
        display_name: Some("stale".into()),
        etag: "another".into(),
        ..Default::default()
    };
    let mut refused = vec![
        assert_refused(admin.get_token(unknown).await, ErrorReason::NotFound),
        assert_refused(
            directory.create_user_type(named).await,
            ErrorReason::NameTaken,
        ),
        assert_refused(directory.delete_user_type(used).await, ErrorReason::InUse),
        assert_refused(
            admin.update_token(outdated).await,
            ErrorReason::EtagMismatch,
        ),
    ];

    // The token lasts a year already, and from now on none may last more than a month.
    let library = |change: UpdateLibraryRequest| UpdateLibraryRequest {
        library: ACME.into(),
        ..change
    };
    let shorter = library(UpdateLibraryRequest {
        default_lifetime: Some("1mo".into()),
        max_lifetime: Some("1mo".into()),
        ..Default::default()
    });
    directory.update_library(shorter).await.unwrap();
    let extend = ExtendTokenRequest {
        token_id: token_id(),
        ..Default::default()
    };
    let answer = admin.extend_token(extend).await;
    refused.push(assert_refused(answer, ErrorReason::LifetimeAtMaximum));

    let reveal = RevealTokenRequest {
        token_id: token_id(),
        ..Default::default()
    };
    let answer = admin.reveal_token(reveal).await;
    refused.push(assert_refused(answer, ErrorReason::NotRevealable));

    let revoke = RevokeTokenRequest {
        token_id: token_id(),
        ..Default::default()
    };
    admin.revoke_token(revoke).await.unwrap();
    let resume = ResumeTokenRequest {
        token_id: token_id(),
        ..Default::default()
    };
    refused.push(assert_refused(
        admin.resume_token(resume).await,
        ErrorReason::TokenState,
    ));

    let disable = UpdateUserRequest {
        library: ACME.into(),
        user: "ann".into(),
        state: Some(UserState::Disabled.into()),
        ..Default::default()
    };
    directory.update_user(disable).await.unwrap();
    let answer = admin.create_token(asking(ACME, "ann")).await;
    refused.push(assert_refused(answer, ErrorReason::OwnerDisabled));
    let off = library(UpdateLibraryRequest {
        tokens_enabled: Some(false),
        ..Default::default()
    });
    directory.update_library(off).await.unwrap();
    let answer = admin.create_token(asking(ACME, "ann")).await;
    refused.push(assert_refused(answer, ErrorReason::TokensNotEnabled));
    refused
}

#[tokio::test]
async fn a_change_that_takes_too_long_is_told_as_one_that_may_have_happened() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let host = Host::new();
    let world = host
        .start(world.killed(), &["--request-deadline", "100ms"], 0)
        .await;
    host.stall_disk();
    // A change waits for the disk; a verdict waits for nothing.
    assert_eq!(world.verdict("x").await, Verdict::Malformed);
    let answer = world
        .operator
        .admin
        .clone()
        .create_token(asking(ACME, "ann"))
        .await;
    let status = assert_refused(answer, ErrorReason::DeadlineExceeded);
    assert!(status.message().contains("may or may not have been made"));
}

#[tokio::test]
async fn a_server_that_is_not_open_yet_lives_and_says_so_and_judges_nothing() {
    let data = tempfile::tempdir().unwrap();
    // A root key that does not come: the server waits for it, and so it stays closed for as long as this test likes.
    let pipe = data.path().join("root.key");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let mut key = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&pipe)
        .unwrap();
    let server = Server::start(data.path());
    let mut health = HealthClient::new(server.channel());
    let alive = health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(alive.into_inner().status(), ServingStatus::Serving);
    let clients = server.clients("anything");
    let answer = clients.verify.clone().verify(presenting("x")).await;
    assert_refused(answer, ErrorReason::NotReady);
    let answer = clients
        .admin
        .clone()
        .create_token(asking(ACME, "ann"))
        .await;
    assert_refused(answer, ErrorReason::NotReady);

    key.write_all("5a".repeat(32).as_bytes()).unwrap();
    drop(key);
    server.ready().await;
    let answer = clients.verify.clone().verify(presenting("x")).await;
    assert_refused(answer, ErrorReason::CredentialRefused);
}

#[tokio::test]
async fn a_disk_that_fails_is_told_and_is_no_success() {
    let host = Host::new();
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let world = host.start(world.killed(), &[], 0).await;
    let (_, secret) = world.token(asking(ACME, "ann")).await;
    host.fail_disk();
    let request = RevokeTokenRequest {
        token_id: secret[4..26].into(),
        ..Default::default()
    };
    let answer = world.operator.admin.clone().revoke_token(request).await;
    assert_refused(answer, ErrorReason::StoreUnavailable);
    let (server, _data) = world.parts();
    let (status, log) = server.wait();
    assert!(!status.success(), "{status}");
    assert!(log.contains("the server ends"), "{log}");
}

#[tokio::test]
async fn a_record_that_cant_be_read_is_told_and_is_never_valid() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let (_, damaged) = world.token(asking(ACME, "ann")).await;
    let (_, sound) = world.token(asking(ACME, "ann")).await;
    let world = crate::disk::damaged(world, &damaged).await;
    let answer = world
        .operator
        .verify
        .clone()
        .verify(presenting(&damaged))
        .await;
    assert_refused(answer, ErrorReason::RecordDamaged);
    let request = GetTokenRequest {
        token_id: damaged[4..26].into(),
    };
    let answer = world.operator.admin.clone().get_token(request).await;
    assert_refused(answer, ErrorReason::RecordDamaged);
    // As a credential it opens nothing, and all else works.
    let answer = world
        .server
        .clients(&damaged)
        .verify
        .verify(presenting(&sound))
        .await;
    assert_refused(answer, ErrorReason::RecordDamaged);
    assert_eq!(world.verdict(&sound).await, Verdict::Valid);
}

#[tokio::test]
async fn writers_at_one_record_lose_nothing_and_those_who_never_get_through_are_told() {
    /// Writers at once: enough that some lose every one of their tries.
    const WRITERS: usize = 200;
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let (token, _) = world.token(asking(ACME, "ann")).await;
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..WRITERS {
        let mut admin = world.operator.admin.clone();
        let request = UpdateTokenRequest {
            token_id: token.token_id.clone(),
            display_name: Some(format!("writer {number}")),
            ..Default::default()
        };
        writers.spawn(async move { admin.update_token(request).await });
    }
    let mut done = 0;
    let mut contended = 0;
    for answer in writers.join_all().await {
        match answer {
            Ok(_) => done += 1,
            Err(status) => {
                assert_eq!(reason_of(&status), ErrorReason::Contention);
                contended += 1;
            }
        }
    }
    assert!(
        done > 0 && contended > 0,
        "{done} done, {contended} told to try again"
    );
    // As many events as successes: none is lost, none is told of that did not happen.
    let request = ListAuditEventsRequest {
        library: ACME.into(),
        page_size: 1000,
        ..Default::default()
    };
    let mut admin = world.operator.admin.clone();
    let answer = admin.list_audit_events(request).await;
    let events = answer.unwrap().into_inner().events;
    let updates = events.iter().filter(|event| event.action == "token.update");
    assert_eq!(updates.count(), done);
}

#[track_caller]
fn expect(status: Status, reason: ErrorReason) -> Status {
    assert_eq!(reason_of(&status), reason, "{status:?}");
    status
}
