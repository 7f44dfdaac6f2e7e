//! Libraries, user types and users: what may end, and what stays dead.

use super::commands::{
    create_library, create_token, create_user, create_user_type, update_library, update_user,
};
use super::samples::{assignments, granted, name};
use super::stage::Stage;
use crate::authority::directory::UserKind;
use crate::authority::error::Reason;
use crate::authority::issue::CreateToken;
use crate::authority::judge::Verdict;
use crate::authority::libraries::{DeleteLibrary, UpdateLibrary};
use crate::authority::user_types::{DeleteUserType, UpdateUserType};
use crate::authority::users::{CreateUser, DeleteUser, UpdateUser};

fn delete_library(of: &str) -> DeleteLibrary {
    DeleteLibrary {
        library: name(of),
        etag: String::new(),
    }
}

pub(super) fn delete_user(library: &str, of: &str) -> DeleteUser {
    DeleteUser {
        library: name(library),
        user: name(of),
        etag: String::new(),
    }
}

fn system_user(of: &str) -> UpdateUser {
    UpdateUser {
        library: name("system"),
        ..update_user(of)
    }
}

#[tokio::test]
async fn a_user_made_again_under_the_same_name_does_not_revive_old_tokens() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    stage.done("adam", &delete_user("acme", "jane")).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::UserDisabled);
    stage.done("adam", &create_user("jane", &["clerk"])).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::UserDisabled);
    let (_, new) = stage.token().await;
    assert_eq!(stage.verdict(&new).await, Verdict::Valid);
    let extend = super::lifecycle::extend(id, super::lifecycle::a_year());
    assert_eq!(stage.refusal("adam", &extend).await, Reason::OwnerDisabled);
    let stage = stage.reopened().await;
    assert_eq!(stage.verdict(&secret).await, Verdict::UserDisabled);
    assert_eq!(stage.verdict(&new).await, Verdict::Valid);
}

#[tokio::test]
async fn a_library_made_again_under_the_same_name_does_not_revive_old_tokens_or_users() {
    let stage = Stage::new().await;
    let (_, secret) = stage.token().await;
    stage
        .done(
            "root",
            &UpdateLibrary {
                disabled: Some(true),
                ..update_library("acme")
            },
        )
        .await;
    stage.done("root", &delete_library("acme")).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::LibraryDisabled);
    stage.done("root", &create_library("acme")).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::LibraryDisabled);
    assert_eq!(
        stage.refusal("root", &create_token("jane")).await,
        Reason::NotFound
    );
    stage
        .done("root", &create_user_type("clerk", &["orders:*"]))
        .await;
    stage.done("root", &create_user("jane", &["clerk"])).await;
    let (_, new) = stage.created("root", &create_token("jane")).await;
    let stage = stage.reopened().await;
    assert_eq!(stage.verdict(&secret).await, Verdict::LibraryDisabled);
    assert_eq!(stage.verdict(&new).await, Verdict::Valid);
}

#[tokio::test]
async fn an_active_library_and_system_cant_be_deleted() {
    let stage = Stage::new().await;
    assert_eq!(
        stage.refusal("root", &delete_library("acme")).await,
        Reason::InUse
    );
    assert_eq!(
        stage.refusal("root", &delete_library("system")).await,
        Reason::InUse
    );
    let disable = UpdateLibrary {
        disabled: Some(true),
        ..update_library("system")
    };
    assert_eq!(stage.refusal("root", &disable).await, Reason::InUse);
    assert_eq!(
        stage.refusal("root", &create_library("system")).await,
        Reason::NameTaken
    );
    assert_eq!(
        stage.refusal("root", &create_library("acme")).await,
        Reason::NameTaken
    );
}

#[tokio::test]
async fn a_user_type_in_use_cant_be_deleted() {
    let stage = Stage::new().await;
    let delete = DeleteUserType {
        library: name("acme"),
        user_type: name("clerk"),
        etag: String::new(),
    };
    assert_eq!(stage.refusal("adam", &delete).await, Reason::InUse);
    stage
        .done(
            "adam",
            &UpdateUser {
                assignments: Some(Vec::new()),
                ..update_user("jane")
            },
        )
        .await;
    stage.done("adam", &delete).await;
    let assign = UpdateUser {
        assignments: Some(assignments(&["clerk"])),
        ..update_user("jane")
    };
    assert_eq!(stage.refusal("adam", &assign).await, Reason::InvalidFields);
}

#[tokio::test]
async fn the_last_operator_cant_be_deleted_disabled_or_demoted() {
    let stage = Stage::new().await;
    assert_eq!(
        stage.refusal("root", &delete_user("system", "root")).await,
        Reason::InUse
    );
    for update in [
        UpdateUser {
            disabled: Some(true),
            ..system_user("root")
        },
        UpdateUser {
            assignments: Some(Vec::new()),
            ..system_user("root")
        },
    ] {
        assert_eq!(stage.refusal("root", &update).await, Reason::InUse);
    }
    let second = |user: &str, types: &[&str]| CreateUser {
        library: name("system"),
        ..create_user(user, types)
    };
    stage.done("root", &second("idle", &[])).await;
    assert_eq!(
        stage.refusal("root", &delete_user("system", "root")).await,
        Reason::InUse
    );
    stage.done("root", &second("second", &["operator"])).await;
    stage.done("root", &delete_user("system", "idle")).await;
    stage
        .done(
            "root",
            &UpdateUser {
                disabled: Some(true),
                ..system_user("second")
            },
        )
        .await;
    assert_eq!(
        stage.refusal("root", &delete_user("system", "root")).await,
        Reason::InUse
    );
    stage
        .done(
            "root",
            &UpdateUser {
                disabled: Some(false),
                ..system_user("second")
            },
        )
        .await;
    stage.done("root", &delete_user("system", "root")).await;
}

#[tokio::test]
async fn the_user_type_of_the_last_operator_cant_be_taken_from_it_by_narrowing() {
    let stage = Stage::new().await;
    let narrowed = UpdateUserType {
        library: name("system"),
        user_type: name("operator"),
        permissions: Some(granted(&["tokens:verify"])),
        etag: String::new(),
    };
    assert_eq!(stage.refusal("root", &narrowed).await, Reason::InUse);
    let widened = UpdateUserType {
        permissions: Some(granted(&["tokens:admin", "directory:admin"])),
        ..narrowed
    };
    stage.done("root", &widened).await;
}

#[tokio::test]
async fn a_contact_names_its_customer_and_nobody_else_does() {
    let stage = Stage::new().await;
    let create = |user: &str, kind: UserKind, owner: &str| CreateUser {
        kind,
        data_owner: owner.to_owned(),
        ..create_user(user, &[])
    };
    assert_eq!(
        stage
            .refusal("adam", &create("a", UserKind::Contact, ""))
            .await,
        Reason::InvalidFields
    );
    assert_eq!(
        stage
            .refusal("adam", &create("a", UserKind::Standard, "x"))
            .await,
        Reason::InvalidFields
    );
    assert_eq!(
        stage
            .refusal("adam", &create("a", UserKind::ApiOnly, "x"))
            .await,
        Reason::InvalidFields
    );
    stage
        .done("adam", &create("a", UserKind::Contact, "x"))
        .await;
    let cleared = UpdateUser {
        data_owner: Some(String::new()),
        ..update_user("a")
    };
    assert_eq!(stage.refusal("adam", &cleared).await, Reason::InvalidFields);
}

#[tokio::test]
async fn every_token_of_a_user_follows_its_user_type_at_once() {
    let stage = Stage::new().await;
    let (_, secret) = stage.token().await;
    let pinned = CreateToken {
        pin: Some(super::samples::assignment("clerk")),
        ..create_token("jane")
    };
    let (_, pinned) = stage.created("adam", &pinned).await;
    let moved = UpdateUser {
        assignments: Some(assignments(&["north/clerk"])),
        ..update_user("jane")
    };
    stage.done("adam", &moved).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    assert_eq!(stage.verdict(&pinned).await, Verdict::AssignmentRemoved);
    let again = CreateToken {
        pin: Some(super::samples::assignment("clerk")),
        ..create_token("jane")
    };
    assert_eq!(stage.refusal("adam", &again).await, Reason::InvalidFields);
}
