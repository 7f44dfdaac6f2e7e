//! Nobody conveys more than they hold, and what one may not see is as if it were not.

use super::commands::{
    create_library, create_token, create_user, create_user_type, update_library, update_user,
};
use super::lifecycle::update_token;
use super::samples::{assignment, assignments, granted, name};
use super::stage::Stage;
use crate::authority::error::Reason;
use crate::authority::issue::CreateToken;
use crate::authority::libraries::UpdateLibrary;
use crate::authority::permission::Reserved;
use crate::authority::token::AccessRight;
use crate::authority::update::UpdateToken;
use crate::authority::user_types::UpdateUserType;
use crate::authority::users::UpdateUser;

fn listing(permissions: &[&str]) -> CreateToken {
    CreateToken {
        permissions: granted(permissions),
        ..create_token("adam")
    }
}

fn update_user_type(of: &str, permissions: &[&str]) -> UpdateUserType {
    UpdateUserType {
        library: name("acme"),
        user_type: name(of),
        permissions: Some(granted(permissions)),
        etag: String::new(),
    }
}

// === conveying ===

#[tokio::test]
async fn no_grant_conveys_a_reserved_permission_that_its_maker_does_not_hold() {
    let stage = Stage::new().await;
    for reserved in ["directory:admin", "directory:read", "tokens:act-as"] {
        assert_eq!(
            stage.refusal("tom", &listing(&[reserved])).await,
            Reason::ReservedPermission,
            "{reserved}"
        );
    }
    let held = [
        "tokens:self",
        "tokens:self-rotate",
        "tokens:admin",
        "tokens:verify",
    ];
    stage.done("tom", &listing(&held)).await;
    let (id, _) = stage.token().await;
    let update = UpdateToken {
        permissions: Some(granted(&["directory:read"])),
        ..update_token(id)
    };
    assert_eq!(
        stage.refusal("tom", &update).await,
        Reason::ReservedPermission
    );
}

#[tokio::test]
async fn whoever_makes_a_token_that_may_do_nothing_is_told_what_to_list() {
    let stage = Stage::new().await;
    let told = async |create: CreateToken| stage.done("root", &create).await.warnings;
    let warnings = told(create_token("tom")).await;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("tokens:admin"), "{warnings:?}");
    // Whoever lists it knows, and a clerk's token is good for orders.
    assert!(told(listing(&["tokens:admin"])).await.is_empty());
    assert!(told(create_token("jane")).await.is_empty());
}

#[tokio::test]
async fn what_the_callers_own_grant_leaves_out_is_not_held() {
    let stage = Stage::new().await;
    let narrow = CreateToken {
        permissions: granted(&["tokens:admin"]),
        ..create_token("adam")
    };
    let (_, secret) = stage.created("adam", &narrow).await;
    stage.remember("adam", &secret);
    assert_eq!(
        stage.refusal("adam", &listing(&["directory:read"])).await,
        Reason::ReservedPermission
    );
}

#[tokio::test]
async fn no_access_right_makes_a_listed_reserved_permission_work_that_its_changer_does_not_hold() {
    let stage = Stage::new().await;
    let reading = CreateToken {
        access_right: Some(AccessRight::ReadOnly),
        ..listing(&["directory:admin"])
    };
    let (token, _) = stage.created("root", &reading).await;
    for right in [AccessRight::Full, AccessRight::Custom] {
        let widen = UpdateToken {
            access_right: Some(right),
            ..update_token(token.id)
        };
        assert_eq!(
            stage.refusal("tom", &widen).await,
            Reason::ReservedPermission,
            "{right:?}"
        );
    }
    let widen = UpdateToken {
        access_right: Some(AccessRight::Full),
        ..update_token(token.id)
    };
    stage.done("adam", &widen).await;
}

#[tokio::test]
async fn no_other_pin_makes_a_listed_reserved_permission_work_that_its_changer_does_not_hold() {
    let stage = Stage::new().await;
    let both = UpdateUser {
        assignments: Some(assignments(&["admin", "clerk"])),
        ..update_user("jane")
    };
    stage.done("root", &both).await;
    let pinned = CreateToken {
        pin: Some(assignment("clerk")),
        permissions: granted(&["directory:admin"]),
        ..create_token("jane")
    };
    let (token, _) = stage.created("root", &pinned).await;
    for pin in [None, Some(assignment("admin"))] {
        let moved = UpdateToken {
            pin: Some(pin.clone()),
            ..update_token(token.id)
        };
        assert_eq!(
            stage.refusal("tom", &moved).await,
            Reason::ReservedPermission,
            "{pin:?}"
        );
    }
    // To pin what was not pinned takes away.
    let unpinned = UpdateToken {
        pin: Some(None),
        ..update_token(token.id)
    };
    stage.done("root", &unpinned).await;
    let pinned = UpdateToken {
        pin: Some(Some(assignment("clerk"))),
        ..update_token(token.id)
    };
    stage.done("tom", &pinned).await;
}

#[tokio::test]
async fn taking_away_conveys_nothing() {
    let stage = Stage::new().await;
    let (token, _) = stage
        .created("root", &listing(&["directory:admin", "tokens:verify"]))
        .await;
    for less in [
        &["directory:read", "tokens:verify"][..],
        &["directory:read"],
        &[],
    ] {
        let update = UpdateToken {
            permissions: Some(granted(less)),
            ..update_token(token.id)
        };
        stage.done("tom", &update).await;
    }
}

#[tokio::test]
async fn no_user_type_conveys_a_reserved_permission_that_its_maker_does_not_hold() {
    let stage = Stage::new().await;
    for reserved in [
        "tokens:admin",
        "tokens:verify",
        "tokens:self",
        "tokens:act-as",
    ] {
        let create = create_user_type("made", &[reserved]);
        assert_eq!(
            stage.refusal("dora", &create).await,
            Reason::ReservedPermission,
            "{reserved}"
        );
        let update = update_user_type("clerk", &["orders:*", reserved]);
        assert_eq!(
            stage.refusal("dora", &update).await,
            Reason::ReservedPermission,
            "{reserved}"
        );
    }
    stage
        .done(
            "dora",
            &create_user_type("made", &["*:*", "directory:read"]),
        )
        .await;
    // What is there already is not conveyed once more, and less may be left.
    stage
        .done(
            "dora",
            &update_user_type("token-admin", &["tokens:admin", "orders:read"]),
        )
        .await;
    stage
        .done("dora", &update_user_type("token-admin", &["tokens:verify"]))
        .await;
}

#[tokio::test]
async fn no_assignment_conveys_a_reserved_permission_that_its_maker_does_not_hold() {
    let stage = Stage::new().await;
    for user_type in ["token-admin", "north/token-admin", "admin"] {
        let create = create_user("mary", &[user_type]);
        assert_eq!(
            stage.refusal("dora", &create).await,
            Reason::ReservedPermission,
            "{user_type}"
        );
        let update = UpdateUser {
            assignments: Some(assignments(&["clerk", user_type])),
            ..update_user("jane")
        };
        assert_eq!(
            stage.refusal("dora", &update).await,
            Reason::ReservedPermission,
            "{user_type}"
        );
    }
    stage
        .done("dora", &create_user("mary", &["clerk", "directory-admin"]))
        .await;
}

#[tokio::test]
async fn operators_alone_convey_acting_for_others() {
    let stage = Stage::new().await;
    stage
        .done(
            "root",
            &create_user_type(
                "portal",
                &["tokens:act-as", "tokens:admin", "directory:admin"],
            ),
        )
        .await;
    stage
        .done("root", &create_user("backend", &["portal"]))
        .await;
    let create = CreateToken {
        permissions: granted(&["tokens:act-as", "tokens:admin", "directory:admin"]),
        ..create_token("backend")
    };
    let (_, secret) = stage.created("root", &create).await;
    stage.remember("backend", &secret);
    assert!(
        stage
            .authenticate("backend", Reserved::TokensActAs)
            .await
            .is_ok()
    );
    assert_eq!(
        stage.refusal("backend", &create).await,
        Reason::ReservedPermission
    );
    assert_eq!(
        stage
            .refusal("backend", &create_user_type("other", &["tokens:act-as"]))
            .await,
        Reason::ReservedPermission
    );
    assert_eq!(
        stage
            .refusal("backend", &create_user("other", &["portal"]))
            .await,
        Reason::ReservedPermission
    );
}

#[tokio::test]
async fn an_ordinary_permission_that_the_user_lacks_is_a_warning_and_gives_nothing() {
    let stage = Stage::new().await;
    let create = CreateToken {
        permissions: granted(&["users:read"]),
        ..create_token("jane")
    };
    let done = stage.done("adam", &create).await;
    assert!(
        done.warnings.iter().any(|w| w.contains("users:read")),
        "{:?}",
        done.warnings
    );
}

#[tokio::test]
async fn operators_alone_create_and_switch_libraries() {
    let stage = Stage::new().await;
    assert_eq!(
        stage.refusal("adam", &create_library("globex")).await,
        Reason::PermissionDenied
    );
    for update in [
        UpdateLibrary {
            tenant_id: Some("t".to_owned()),
            ..update_library("acme")
        },
        UpdateLibrary {
            disabled: Some(false),
            ..update_library("acme")
        },
        UpdateLibrary {
            tokens_enabled: Some(true),
            ..update_library("acme")
        },
    ] {
        assert_eq!(
            stage.refusal("adam", &update).await,
            Reason::PermissionDenied
        );
    }
    stage
        .done(
            "adam",
            &UpdateLibrary {
                display_name: Some("Acme".to_owned()),
                ..update_library("acme")
            },
        )
        .await;
}

#[tokio::test]
async fn a_right_must_be_in_the_user_type_and_in_the_grant() {
    let stage = Stage::new().await;
    assert!(
        stage
            .authenticate("tom", Reserved::TokensAdmin)
            .await
            .is_ok()
    );
    let refused = stage
        .authenticate("tom", Reserved::DirectoryRead)
        .await
        .unwrap_err();
    assert_eq!(refused.reason, Reason::PermissionDenied);
    let (_, secret) = stage.created("root", &create_token("adam")).await;
    stage.remember("adam", &secret);
    let refused = stage
        .authenticate("adam", Reserved::TokensAdmin)
        .await
        .unwrap_err();
    assert_eq!(
        refused.reason,
        Reason::PermissionDenied,
        "FULL lists no reserved permission"
    );
}
