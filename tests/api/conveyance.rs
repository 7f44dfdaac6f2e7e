//! What one may hand on of what one holds.

use token_authority::proto::v1::{
    CreateTokenRequest, CreateUserRequest, CreateUserTypeRequest, ErrorReason, UpdateTokenRequest,
    UpdateUserRequest, UpdateUserTypeRequest,
};
use tonic::Status;

use crate::harness::Clients;
use crate::refusal::{assert_refused, reason_of};
use crate::world::{
    ACME, ADMIN, DIRECTORY_ADMIN, VERIFY, World, asking, assignments, presenting, texts,
};

const RESERVED: [&str; 7] = [
    "tokens:self",
    "tokens:self-rotate",
    "tokens:admin",
    "tokens:verify",
    "tokens:act-as",
    "directory:read",
    "directory:admin",
];

#[tokio::test]
async fn nobody_conveys_a_reserved_permission_that_they_dont_hold() {
    let world = World::new().await;
    for (name, held, includes) in [
        (
            "tokens",
            ADMIN,
            &["tokens:self", "tokens:self-rotate", ADMIN, VERIFY][..],
        ),
        (
            "directory",
            DIRECTORY_ADMIN,
            &["directory:read", DIRECTORY_ADMIN],
        ),
    ] {
        // Either may make what is needed to convey; each conveys what it holds.
        let both = world.member(ACME, name, &[held]).await.clients;
        for reserved in RESERVED {
            let allowed = includes.contains(&reserved);
            let unique = format!("{name}-{}", reserved.replace(':', "-"));
            world
                .user_type(ACME, &format!("{unique}-operators"), &[reserved])
                .await;
            world.person(ACME, &unique, &[reserved]).await;
            for answer in conveyed(&both, held, reserved, &unique).await {
                match answer {
                    Ok(()) => assert!(allowed, "{held} conveyed {reserved}"),
                    Err(status) => {
                        assert!(!allowed, "{held} may convey {reserved}: {status:?}");
                        assert_eq!(reason_of(&status), ErrorReason::ReservedPermission);
                        assert!(status.message().contains(reserved));
                    }
                }
            }
        }
    }
}

/// Every way to convey a permission that this right opens.
async fn conveyed(
    clients: &Clients,
    right: &str,
    reserved: &str,
    unique: &str,
) -> Vec<Result<(), Status>> {
    let mut ways = Vec::new();
    if right == ADMIN {
        let mut admin = clients.admin.clone();
        let plain = CreateTokenRequest {
            user: unique.into(),
            display_name: "plain".into(),
            ..Default::default()
        };
        let listed = CreateTokenRequest {
            permissions: texts(&[reserved]),
            ..plain.clone()
        };
        ways.push(admin.create_token(listed).await.map(drop));
        let token = admin.create_token(plain).await.unwrap().into_inner().token;
        let widened = UpdateTokenRequest {
            token_id: token.unwrap().token_id,
            permissions: texts(&[reserved]),
            ..Default::default()
        };
        ways.push(admin.update_token(widened).await.map(drop));
        return ways;
    }
    let mut directory = clients.directory.clone();
    let made = CreateUserTypeRequest {
        user_type: format!("{unique}-made"),
        permissions: texts(&[reserved]),
        ..Default::default()
    };
    ways.push(directory.create_user_type(made).await.map(drop));
    let empty = CreateUserTypeRequest {
        user_type: format!("{unique}-empty"),
        ..Default::default()
    };
    directory.create_user_type(empty).await.unwrap();
    let widened = UpdateUserTypeRequest {
        user_type: format!("{unique}-empty"),
        permissions: texts(&[reserved]),
        ..Default::default()
    };
    ways.push(directory.update_user_type(widened).await.map(drop));
    // What an operator has made, assigned to somebody new, and to somebody who is there.
    let assigned = assignments(&[&format!("sales:{unique}-operators")]);
    let user = CreateUserRequest {
        user: format!("{unique}-made"),
        assignments: assigned.clone(),
        ..Default::default()
    };
    ways.push(directory.create_user(user).await.map(drop));
    let user = CreateUserRequest {
        user: format!("{unique}-plain"),
        ..Default::default()
    };
    directory.create_user(user).await.unwrap();
    let user = UpdateUserRequest {
        user: format!("{unique}-plain"),
        assignments: assigned,
        ..Default::default()
    };
    ways.push(directory.update_user(user).await.map(drop));
    ways
}

#[tokio::test]
async fn no_wildcard_opens_the_authority_itself() {
    let world = World::new().await;
    world
        .person(ACME, "mighty", &["*:*", "*:admin", "*:verify"])
        .await;
    let (_, secret) = world.token(asking(ACME, "mighty")).await;
    let mighty = world.server.clients(&secret);
    let answer = mighty.verify.clone().verify(presenting(&secret)).await;
    assert_refused(answer, ErrorReason::PermissionDenied);
    let answer = mighty
        .admin
        .clone()
        .create_token(asking("", "mighty"))
        .await;
    assert_refused(answer, ErrorReason::PermissionDenied);
    for pattern in [
        "tokens:*",
        "directory:*",
        "tokens:everything",
        "tokens:",
        "*",
    ] {
        let request = CreateUserTypeRequest {
            library: ACME.into(),
            user_type: "odd".into(),
            permissions: texts(&[pattern]),
            ..Default::default()
        };
        let answer = world
            .operator
            .directory
            .clone()
            .create_user_type(request)
            .await;
        assert_refused(answer, ErrorReason::InvalidFields);
    }
}

#[tokio::test]
async fn a_token_holds_a_reserved_permission_only_if_it_lists_it() {
    let world = World::new().await;
    world.person(ACME, "alice", &[ADMIN, "orders:read"]).await;
    let (_, full) = world.token(asking(ACME, "alice")).await;
    let answer = world
        .server
        .clients(&full)
        .verify
        .verify(presenting(&full))
        .await;
    assert_refused(answer, ErrorReason::PermissionDenied);
    assert_eq!(
        world.verify(presenting(&full)).await.permissions,
        ["orders:read"]
    );
}
