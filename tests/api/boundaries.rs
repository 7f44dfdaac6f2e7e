//! Between libraries, between what one holds and what one conveys, between the known and the unknown.

use prost::Message;
use token_authority::proto::v1::{
    CreateTokenRequest, DeleteLibraryRequest, DeleteUserRequest, ErrorReason, ExtendTokenRequest,
    GetLibraryRequest, GetTokenRequest, LibraryState, ListLibrariesRequest, ListUsersRequest,
    ResumeTokenRequest, RevokeTokenRequest, SuspendTokenRequest, UpdateLibraryRequest,
    UpdateTokenRequest, UpdateUserRequest, UserState, Verdict,
};
use tonic::Status;

use crate::refusal::{assert_refused, reason_of, told};
use crate::wire::Wire;
use crate::world::{ACME, ADMIN, DIRECTORY_ADMIN, RIVAL, World, asking, presenting, texts};

#[tokio::test]
async fn a_foreign_token_and_an_unknown_one_are_answered_byte_for_byte_the_same() {
    let world = World::new().await;
    let administrator = world.member(ACME, "alice", &[ADMIN]).await;
    world.person(RIVAL, "ann", &["orders:read"]).await;
    let (foreign, secret) = world.token(asking(RIVAL, "ann")).await;
    let unknown = crate::token::UNKNOWN[4..26].to_owned();
    let wire = Wire::new(world.server.channel()).bearer(&administrator.secret);
    let requests = |token_id: &str| -> Vec<(&str, Vec<u8>)> {
        let token_id = || token_id.to_owned();
        vec![
            (
                "GetToken",
                GetTokenRequest {
                    token_id: token_id(),
                }
                .encode_to_vec(),
            ),
            (
                "UpdateToken",
                UpdateTokenRequest {
                    token_id: token_id(),
                    display_name: Some("stolen".into()),
                    etag: "0".into(),
                    ..Default::default()
                }
                .encode_to_vec(),
            ),
            (
                "ExtendToken",
                ExtendTokenRequest {
                    token_id: token_id(),
                    ..Default::default()
                }
                .encode_to_vec(),
            ),
            (
                "SuspendToken",
                SuspendTokenRequest {
                    token_id: token_id(),
                    ..Default::default()
                }
                .encode_to_vec(),
            ),
            (
                "ResumeToken",
                ResumeTokenRequest {
                    token_id: token_id(),
                    ..Default::default()
                }
                .encode_to_vec(),
            ),
            (
                "RevokeToken",
                RevokeTokenRequest {
                    token_id: token_id(),
                    ..Default::default()
                }
                .encode_to_vec(),
            ),
        ]
    };
    for ((method, theirs), (_, nobodys)) in requests(&foreign.token_id)
        .into_iter()
        .zip(requests(&unknown))
    {
        let path = format!("/tokenauthority.v1.TokenAdmin/{method}");
        let theirs = wire.call(&path, theirs).await.expect_err("not its own");
        let nobodys = wire.call(&path, nobodys).await.expect_err("nobody's");
        assert_eq!(reason_of(&theirs), ErrorReason::NotFound);
        assert_eq!(as_sent(&theirs), as_sent(&nobodys), "{method}");
    }
    assert_eq!(world.verdict(&secret).await, Verdict::Valid);
}

#[tokio::test]
async fn a_foreign_library_and_an_unknown_one_are_denied_byte_for_byte_the_same() {
    let world = World::new().await;
    let administrator = world.member(ACME, "alice", &[ADMIN, DIRECTORY_ADMIN]).await;
    let wire = Wire::new(world.server.channel()).bearer(&administrator.secret);
    let call = async |path: &str, body: Vec<u8>| {
        let path = format!("/tokenauthority.v1.{path}");
        let status = wire.call(&path, body).await.expect_err("not its own");
        assert_eq!(reason_of(&status), ErrorReason::PermissionDenied);
        as_sent(&status)
    };
    let get = |name: &str| {
        let library = name.into();
        GetLibraryRequest { library }.encode_to_vec()
    };
    let list = |name: &str| {
        let library = name.into();
        let request = ListUsersRequest {
            library,
            ..Default::default()
        };
        request.encode_to_vec()
    };
    let create = |name: &str| asking(name, "root").encode_to_vec();
    // What is wrong with the rest of the request is not told before.
    let odd = |name: &str| asking(name, "NO NAME").encode_to_vec();
    let denied = call("TokenAdmin/CreateToken", create("nowhere")).await;
    for library in [RIVAL, "system", "nowhere", "NO NAME"] {
        for (path, body) in [
            ("Directory/GetLibrary", get(library)),
            ("Directory/ListUsers", list(library)),
            ("TokenAdmin/CreateToken", create(library)),
            ("TokenAdmin/CreateToken", odd(library)),
        ] {
            assert_eq!(call(path, body).await, denied, "{path} {library}");
        }
    }
    let mut directory = administrator.clients.directory.clone();
    let answer = directory
        .list_libraries(ListLibrariesRequest::default())
        .await;
    let listed = answer.unwrap().into_inner().libraries;
    let names: Vec<&str> = listed
        .iter()
        .map(|library| library.library.as_str())
        .collect();
    assert_eq!(names, [ACME]);
}

/// All that a caller sees of a refusal, but the id of the call and the time of day.
fn as_sent(status: &Status) -> (i32, String, Vec<u8>, Vec<String>) {
    let mut headers = status.metadata().clone().into_headers();
    assert!(headers.remove("ta-call-id").is_some());
    headers.remove("date");
    let mut headers: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    headers.sort();
    (
        i32::from(status.code()),
        status.message().to_owned(),
        status.details().to_vec(),
        headers,
    )
}

#[tokio::test]
async fn an_administrator_of_the_directory_changes_policy_but_not_what_operators_decide() {
    let world = World::new().await;
    let directory = world
        .member(ACME, "dora", &[DIRECTORY_ADMIN])
        .await
        .clients
        .directory;
    let update = |change: UpdateLibraryRequest| {
        let mut directory = directory.clone();
        async move { directory.update_library(change).await }
    };
    let policy = UpdateLibraryRequest {
        display_name: Some("Acme".into()),
        default_lifetime: Some("3mo".into()),
        allowed_cidrs: texts(&["127.0.0.0/8"]),
        ..Default::default()
    };
    let library = update(policy).await.unwrap().into_inner().library.unwrap();
    assert_eq!(library.library, ACME);
    for change in [
        UpdateLibraryRequest {
            tokens_enabled: Some(false),
            ..Default::default()
        },
        UpdateLibraryRequest {
            state: Some(LibraryState::Disabled.into()),
            ..Default::default()
        },
        UpdateLibraryRequest {
            tenant_id: Some("theirs".into()),
            ..Default::default()
        },
        UpdateLibraryRequest {
            clear: texts(&["tenant_id"]),
            ..Default::default()
        },
    ] {
        assert_refused(update(change).await, ErrorReason::PermissionDenied);
    }
}

#[tokio::test]
async fn a_credential_is_judged_as_any_token_is_with_the_authority_as_its_api() {
    let world = World::new().await;
    world.person(ACME, "alice", &[ADMIN]).await;
    let request = |apis: &[&str]| CreateTokenRequest {
        permissions: texts(&[ADMIN]),
        apis: texts(apis),
        ..asking(ACME, "alice")
    };
    let (_, shop) = world.token(request(&["shop"])).await;
    let answer = world
        .server
        .clients(&shop)
        .verify
        .verify(presenting(&shop))
        .await;
    let refused = assert_refused(answer, ErrorReason::CredentialRefused);
    assert_eq!(told(&refused, "verdict").as_deref(), Some("WRONG_API"));
    let (_, own) = world.token(request(&["shop", "token-authority"])).await;
    let answer = world
        .server
        .clients(&own)
        .verify
        .verify(presenting(&shop))
        .await;
    assert_eq!(answer.unwrap().into_inner().verdict(), Verdict::WrongApi);
}

#[tokio::test]
async fn the_last_operator_and_its_library_are_protected() {
    let world = World::new().await;
    let mut directory = world.operator.directory.clone();
    let root = |state: Option<UserState>, clear: &[&str]| UpdateUserRequest {
        library: "system".into(),
        user: "root".into(),
        state: state.map(Into::into),
        clear: texts(clear),
        ..Default::default()
    };
    let disabled = directory
        .update_user(root(Some(UserState::Disabled), &[]))
        .await;
    assert_refused(disabled, ErrorReason::InUse);
    let stripped = directory.update_user(root(None, &["assignments"])).await;
    assert_refused(stripped, ErrorReason::InUse);
    let delete = DeleteUserRequest {
        library: "system".into(),
        user: "root".into(),
        ..Default::default()
    };
    let deleted = directory.delete_user(delete.clone()).await;
    assert_refused(deleted, ErrorReason::InUse);
    let request = UpdateLibraryRequest {
        library: "system".into(),
        state: Some(LibraryState::Disabled.into()),
        ..Default::default()
    };
    assert_refused(directory.update_library(request).await, ErrorReason::InUse);
    let request = DeleteLibraryRequest {
        library: "system".into(),
        ..Default::default()
    };
    assert_refused(directory.delete_library(request).await, ErrorReason::InUse);

    // Once there is another operator, the first one may go.
    world.user("system", "olga", &["operator"]).await;
    directory.delete_user(delete).await.unwrap();
}

#[tokio::test]
async fn an_operator_who_has_lost_the_last_token_finds_a_new_one_after_a_restart() {
    let world = World::new().await;
    let lost = world.server.operator_secret();
    let request = RevokeTokenRequest {
        token_id: lost[4..26].into(),
        ..Default::default()
    };
    let mut admin = world.operator.admin.clone();
    admin.revoke_token(request.clone()).await.unwrap();
    assert_refused(
        admin.revoke_token(request).await,
        ErrorReason::CredentialRefused,
    );
    let world = world.killed_and_started().await;
    assert_ne!(world.server.operator_secret(), lost);
    assert_eq!(world.verdict(&lost).await, Verdict::Revoked);
}

#[tokio::test]
async fn an_operator_token_that_lives_is_not_made_again() {
    let world = World::new().await;
    let first = world.server.operator_secret();
    let world = world.killed_and_started().await;
    assert_eq!(world.server.operator_secret(), first);
    assert_eq!(world.verdict(&first).await, Verdict::Valid);
}
