//! Libraries, user types and users, from their making to their end.

use token_authority::proto::v1::{
    CreateLibraryRequest, CreateUserRequest, CreateUserTypeRequest, DeleteLibraryRequest,
    DeleteUserRequest, DeleteUserTypeRequest, ErrorReason, GetLibraryRequest, GetTokenRequest,
    GetUserRequest, GetUserTypeRequest, Library, LibraryState, ListLibrariesRequest,
    ListUserTypesRequest, ListUsersRequest, TokenState, UpdateLibraryRequest, UpdateUserRequest,
    UpdateUserTypeRequest, User, UserKind, UserState, Verdict, VerifyRequest,
};

use crate::refusal::{assert_refused, fields_of};
use crate::world::{ACME, RIVAL, World, asking, assignments, presenting, texts};

#[tokio::test]
async fn a_library_is_made_shown_changed_listed_and_deleted() {
    let world = World::new().await;
    let mut directory = world.operator.directory.clone();
    let request = CreateLibraryRequest {
        library: "north".into(),
        display_name: "Northern branch".into(),
        tenant_id: "customer-9".into(),
        default_lifetime: "30d".into(),
        suggested_lifetime: "60d".into(),
        max_lifetime: "90d".into(),
        contact_apis: texts(&["portal", "files"]),
        allowed_cidrs: texts(&["10.0.0.0/8"]),
        ..Default::default()
    };
    let made = directory.create_library(request.clone()).await.unwrap();
    let made = made.into_inner().library.unwrap();
    assert_eq!(made.display_name, "Northern branch");
    assert_eq!(made.tenant_id, "customer-9");
    assert_eq!(made.state(), LibraryState::Active);
    assert_eq!(made.tokens_enabled, Some(false));
    let lifetimes = [
        &made.default_lifetime,
        &made.suggested_lifetime,
        &made.max_lifetime,
    ];
    assert_eq!(lifetimes, ["30d", "60d", "90d"]);
    assert_eq!(made.contact_apis, ["files", "portal"]);
    assert_eq!(made.allowed_cidrs, ["10.0.0.0/8"]);
    assert!(!made.uid.is_empty() && !made.etag.is_empty() && made.create_time.is_some());
    assert_refused(
        directory.create_library(request).await,
        ErrorReason::NameTaken,
    );
    assert_eq!(library(&world, "north").await, made);

    let request = UpdateLibraryRequest {
        library: "north".into(),
        tokens_enabled: Some(true),
        max_lifetime: Some("1y".into()),
        clear: texts(&["tenant_id", "allowed_cidrs"]),
        etag: made.etag.clone(),
        ..Default::default()
    };
    let changed = directory.update_library(request.clone()).await.unwrap();
    let changed = changed.into_inner().library.unwrap();
    assert_eq!(changed.tokens_enabled, Some(true));
    assert_eq!(changed.max_lifetime, "1y");
    assert_eq!(changed.default_lifetime, "30d");
    assert_eq!(changed.display_name, "Northern branch");
    assert!(changed.tenant_id.is_empty() && changed.allowed_cidrs.is_empty());
    assert_ne!(changed.etag, made.etag);
    // The etag is the one of before.
    assert_refused(
        directory.update_library(request).await,
        ErrorReason::EtagMismatch,
    );

    let listed = directory.list_libraries(ListLibrariesRequest::default());
    let listed = listed.await.unwrap().into_inner().libraries;
    let names: Vec<&str> = listed.iter().map(|l| l.library.as_str()).collect();
    assert_eq!(names, [ACME, "north", RIVAL, "system"]);

    let delete = DeleteLibraryRequest {
        library: "north".into(),
        ..Default::default()
    };
    let active = directory.delete_library(delete.clone()).await;
    assert_refused(active, ErrorReason::InUse);
    disable_library(&world, "north").await;
    directory.delete_library(delete.clone()).await.unwrap();
    let gone = directory.get_library(GetLibraryRequest {
        library: "north".into(),
    });
    assert_refused(gone.await, ErrorReason::NotFound);
    assert_refused(
        directory.delete_library(delete).await,
        ErrorReason::NotFound,
    );
}

#[tokio::test]
async fn a_user_type_is_made_shown_changed_listed_and_deleted() {
    let world = World::new().await;
    let mut directory = world.operator.directory.clone();
    let request = CreateUserTypeRequest {
        library: ACME.into(),
        user_type: "clerk".into(),
        permissions: texts(&["orders:*", "*:list", "tokens:verify"]),
        ..Default::default()
    };
    let made = directory.create_user_type(request.clone()).await.unwrap();
    let made = made.into_inner().user_type.unwrap();
    assert_eq!(made.permissions, ["tokens:verify", "*:list", "orders:*"]);
    let taken = directory.create_user_type(request).await;
    assert_refused(taken, ErrorReason::NameTaken);
    let get = GetUserTypeRequest {
        library: ACME.into(),
        user_type: "clerk".into(),
    };
    let got = directory.get_user_type(get.clone()).await.unwrap();
    assert_eq!(got.into_inner().user_type.unwrap(), made);

    let request = UpdateUserTypeRequest {
        library: ACME.into(),
        user_type: "clerk".into(),
        permissions: texts(&["orders:read"]),
        etag: made.etag.clone(),
        ..Default::default()
    };
    let changed = directory.update_user_type(request.clone()).await.unwrap();
    let changed = changed.into_inner().user_type.unwrap();
    assert_eq!(changed.permissions, ["orders:read"]);
    let stale = directory.update_user_type(request).await;
    assert_refused(stale, ErrorReason::EtagMismatch);

    world.user_type(ACME, "auditor", &["*:read"]).await;
    let listed = directory.list_user_types(ListUserTypesRequest {
        library: ACME.into(),
        ..Default::default()
    });
    let listed = listed.await.unwrap().into_inner().user_types;
    let names: Vec<&str> = listed.iter().map(|t| t.user_type.as_str()).collect();
    assert_eq!(names, ["auditor", "clerk"]);

    world.user(ACME, "ann", &["clerk"]).await;
    let delete = DeleteUserTypeRequest {
        library: ACME.into(),
        user_type: "clerk".into(),
        ..Default::default()
    };
    let used = directory.delete_user_type(delete.clone()).await;
    assert_refused(used, ErrorReason::InUse);
    let request = UpdateUserRequest {
        library: ACME.into(),
        user: "ann".into(),
        clear: texts(&["assignments"]),
        ..Default::default()
    };
    directory.update_user(request).await.unwrap();
    directory.delete_user_type(delete).await.unwrap();
    let gone = directory.get_user_type(get).await;
    assert_refused(gone, ErrorReason::NotFound);
}

#[tokio::test]
async fn a_user_is_made_shown_changed_listed_and_deleted() {
    let world = World::new().await;
    let mut directory = world.operator.directory.clone();
    world.user_type(ACME, "clerk", &["orders:read"]).await;
    let request = CreateUserRequest {
        library: ACME.into(),
        user: "ann".into(),
        display_name: "Ann Example".into(),
        email: "ann@example.com".into(),
        kind: UserKind::ApiOnly.into(),
        assignments: assignments(&["sales:clerk", "clerk"]),
        ..Default::default()
    };
    let made = directory.create_user(request.clone()).await.unwrap();
    let made = made.into_inner().user.unwrap();
    assert_eq!(made.display_name, "Ann Example");
    assert_eq!(made.email, "ann@example.com");
    assert_eq!(made.kind(), UserKind::ApiOnly);
    assert_eq!(made.state(), UserState::Active);
    assert_eq!(made.assignments, assignments(&["clerk", "sales:clerk"]));
    assert!(!made.uid.is_empty());
    let taken = directory.create_user(request.clone()).await;
    assert_refused(taken, ErrorReason::NameTaken);
    let unknown = directory.create_user(CreateUserRequest {
        user: "bob".into(),
        assignments: assignments(&["clerk", "chief"]),
        ..request
    });
    let refused = assert_refused(unknown.await, ErrorReason::InvalidFields);
    assert_eq!(fields_of(&refused).len(), 1, "{refused:?}");
    assert_eq!(user(&world, "ann").await, made);

    let request = UpdateUserRequest {
        library: ACME.into(),
        user: "ann".into(),
        email: Some("ann@example.org".into()),
        assignments: assignments(&["clerk"]),
        clear: texts(&["display_name"]),
        ..Default::default()
    };
    let changed = directory.update_user(request).await.unwrap();
    let changed = changed.into_inner().user.unwrap();
    assert_eq!(changed.email, "ann@example.org");
    assert_eq!(changed.assignments, assignments(&["clerk"]));
    assert_eq!(changed.display_name, "");
    assert_eq!(changed.kind(), UserKind::ApiOnly);
    assert_eq!(changed.uid, made.uid);

    world.user(ACME, "bob", &[]).await;
    let listed = directory.list_users(ListUsersRequest {
        library: ACME.into(),
        ..Default::default()
    });
    let listed = listed.await.unwrap().into_inner().users;
    let names: Vec<&str> = listed.iter().map(|u| u.user.as_str()).collect();
    assert_eq!(names, ["ann", "bob"]);

    delete_user(&world, "ann").await;
    let gone = directory.get_user(GetUserRequest {
        library: ACME.into(),
        user: "ann".into(),
    });
    assert_refused(gone.await, ErrorReason::NotFound);
}

#[tokio::test]
async fn a_user_type_that_is_narrowed_narrows_every_token_at_once() {
    let world = World::new().await;
    world
        .person(ACME, "ann", &["orders:read", "orders:write"])
        .await;
    let (_, secret) = world.token(asking(ACME, "ann")).await;
    let write = VerifyRequest {
        permissions: texts(&["orders:write"]),
        ..presenting(&secret)
    };
    assert_eq!(world.verify(write.clone()).await.verdict(), Verdict::Valid);
    let request = UpdateUserTypeRequest {
        library: ACME.into(),
        user_type: "ann".into(),
        permissions: texts(&["orders:read"]),
        ..Default::default()
    };
    let mut directory = world.operator.directory.clone();
    directory.update_user_type(request).await.unwrap();
    let narrowed = world.verify(write).await;
    assert_eq!(narrowed.verdict(), Verdict::MissingPermission);
    let left = world.verify(presenting(&secret)).await;
    assert_eq!(left.permissions, ["orders:read"]);
}

#[tokio::test]
async fn a_disabled_user_or_library_refuses_its_tokens_until_it_is_active_again() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let (_, secret) = world.token(asking(ACME, "ann")).await;
    let mut directory = world.operator.directory.clone();
    for (state, verdict) in [
        (UserState::Disabled, Verdict::UserDisabled),
        (UserState::Active, Verdict::Valid),
    ] {
        let request = UpdateUserRequest {
            library: ACME.into(),
            user: "ann".into(),
            state: Some(state.into()),
            ..Default::default()
        };
        directory.update_user(request).await.unwrap();
        assert_eq!(world.verdict(&secret).await, verdict);
    }
    for (state, verdict) in [
        (LibraryState::Disabled, Verdict::LibraryDisabled),
        (LibraryState::Active, Verdict::Valid),
    ] {
        let request = UpdateLibraryRequest {
            library: ACME.into(),
            state: Some(state.into()),
            ..Default::default()
        };
        directory.update_library(request).await.unwrap();
        assert_eq!(world.verdict(&secret).await, verdict);
    }
}

#[tokio::test]
async fn tokens_of_a_deleted_user_stay_dead_under_its_name_used_again() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let (token, secret) = world.token(asking(ACME, "ann")).await;
    let before = user(&world, "ann").await;
    delete_user(&world, "ann").await;
    assert_eq!(world.verdict(&secret).await, Verdict::UserDisabled);
    world.user(ACME, "ann", &["ann"]).await;
    assert_ne!(user(&world, "ann").await.uid, before.uid);
    assert_eq!(world.verdict(&secret).await, Verdict::UserDisabled);
    assert_eq!(
        state_of(&world, &token.token_id).await,
        TokenState::OwnerDeleted
    );
}

#[tokio::test]
async fn tokens_of_a_deleted_library_stay_dead_under_its_name_used_again() {
    let world = World::new().await;
    world.person(RIVAL, "ann", &["orders:read"]).await;
    let (token, secret) = world.token(asking(RIVAL, "ann")).await;
    disable_library(&world, RIVAL).await;
    let request = DeleteLibraryRequest {
        library: RIVAL.into(),
        ..Default::default()
    };
    let mut directory = world.operator.directory.clone();
    directory.delete_library(request).await.unwrap();
    assert_eq!(world.verdict(&secret).await, Verdict::LibraryDisabled);
    world.library(RIVAL).await;
    world.person(RIVAL, "ann", &["orders:read"]).await;
    assert_eq!(world.verdict(&secret).await, Verdict::LibraryDisabled);
    assert_eq!(
        state_of(&world, &token.token_id).await,
        TokenState::OwnerDeleted
    );
}

async fn library(world: &World, name: &str) -> Library {
    let request = GetLibraryRequest {
        library: name.into(),
    };
    let answer = world.operator.directory.clone().get_library(request).await;
    answer.unwrap().into_inner().library.unwrap()
}

async fn user(world: &World, name: &str) -> User {
    let request = GetUserRequest {
        library: ACME.into(),
        user: name.into(),
    };
    let answer = world.operator.directory.clone().get_user(request).await;
    answer.unwrap().into_inner().user.unwrap()
}

async fn state_of(world: &World, token_id: &str) -> TokenState {
    let request = GetTokenRequest {
        token_id: token_id.into(),
    };
    let answer = world.operator.admin.clone().get_token(request).await;
    answer.unwrap().into_inner().token.unwrap().state()
}

async fn disable_library(world: &World, name: &str) {
    let request = UpdateLibraryRequest {
        library: name.into(),
        state: Some(LibraryState::Disabled.into()),
        ..Default::default()
    };
    let mut directory = world.operator.directory.clone();
    directory.update_library(request).await.unwrap();
}

async fn delete_user(world: &World, name: &str) {
    let request = DeleteUserRequest {
        library: ACME.into(),
        user: name.into(),
        ..Default::default()
    };
    let mut directory = world.operator.directory.clone();
    directory.delete_user(request).await.unwrap();
}
