//! What happens between the planning of a command and its commit.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::commands::{create_token, create_user, create_user_type, update_library, update_user};
use super::lifecycle::{resume, revoke, suspend, update_token};
use super::samples::{assignments, granted, name};
use super::stage::Stage;
use crate::authority::error::Reason;
use crate::authority::issue::CreateToken;
use crate::authority::judge::Verdict;
use crate::authority::libraries::{DeleteLibrary, UpdateLibrary};
use crate::authority::permission::Reserved;
use crate::authority::transaction::Command;
use crate::authority::update::UpdateToken;
use crate::authority::user_types::{CreateUserType, DeleteUserType, UpdateUserType};
use crate::authority::users::{CreateUser, DeleteUser, UpdateUser};

/// Lets `root` do something just before the next commit.
fn meanwhile<C: Command + Send + 'static>(stage: &Arc<Stage>, command: C) {
    let other = stage.clone();
    stage.store.before_commit(async move {
        other.done("root", &command).await;
    });
}

fn delete_user(of: &str) -> DeleteUser {
    DeleteUser {
        library: name("acme"),
        user: name(of),
        etag: String::new(),
    }
}

fn delete_user_type(of: &str) -> DeleteUserType {
    DeleteUserType {
        library: name("acme"),
        user_type: name(of),
        etag: String::new(),
    }
}

/// `adam` makes a token while `root` does this: nothing must come of it.
async fn creation_meets(interruption: impl Command + Send + 'static) -> Reason {
    let stage = Arc::new(Stage::new().await);
    creation_meets_on(&stage, interruption).await
}

async fn creation_meets_on(
    stage: &Arc<Stage>,
    interruption: impl Command + Send + 'static,
) -> Reason {
    let tokens = stage.keys(crate::authority::keyspace::TOKENS).await.len();
    meanwhile(stage, interruption);
    let reason = stage.refusal("adam", &create_token("jane")).await;
    assert_eq!(
        stage.keys(crate::authority::keyspace::TOKENS).await.len(),
        tokens
    );
    assert_ne!(
        stage.log("acme").await.first().map(String::as_str),
        Some("token.create")
    );
    reason
}

#[tokio::test]
async fn a_caller_whose_token_was_just_revoked_commits_nothing() {
    let stage = Arc::new(Stage::new().await);
    let id = stage
        .authenticate("adam", Reserved::TokensAdmin)
        .await
        .unwrap()
        .token_id;
    assert_eq!(
        creation_meets_on(&stage, revoke(id)).await,
        Reason::CredentialRefused
    );
}

#[tokio::test]
async fn a_caller_whose_token_was_just_suspended_or_narrowed_commits_nothing() {
    let stage = Arc::new(Stage::new().await);
    let id = stage
        .authenticate("adam", Reserved::TokensAdmin)
        .await
        .unwrap()
        .token_id;
    assert_eq!(
        creation_meets_on(&stage, suspend(id)).await,
        Reason::CredentialRefused
    );
    stage.done("root", &resume(id)).await;
    let narrowed = UpdateToken {
        permissions: Some(granted(&["directory:admin"])),
        ..update_token(id)
    };
    assert_eq!(
        creation_meets_on(&stage, narrowed).await,
        Reason::PermissionDenied
    );
}

#[tokio::test]
async fn a_caller_who_was_just_disabled_demoted_or_deleted_commits_nothing() {
    let disabled = UpdateUser {
        disabled: Some(true),
        ..update_user("adam")
    };
    assert_eq!(creation_meets(disabled).await, Reason::CredentialRefused);
    let demoted = UpdateUser {
        assignments: Some(assignments(&["clerk"])),
        ..update_user("adam")
    };
    assert_eq!(creation_meets(demoted).await, Reason::PermissionDenied);
    assert_eq!(
        creation_meets(delete_user("adam")).await,
        Reason::CredentialRefused
    );
}

#[tokio::test]
async fn a_caller_whose_user_type_was_just_narrowed_commits_nothing() {
    let narrowed = UpdateUserType {
        library: name("acme"),
        user_type: name("admin"),
        permissions: Some(granted(&["directory:admin"])),
        etag: String::new(),
    };
    assert_eq!(creation_meets(narrowed).await, Reason::PermissionDenied);
}

#[tokio::test]
async fn a_caller_whose_library_was_just_disabled_commits_nothing() {
    let disabled = UpdateLibrary {
        disabled: Some(true),
        ..update_library("acme")
    };
    assert_eq!(creation_meets(disabled).await, Reason::CredentialRefused);
}

#[tokio::test]
async fn a_token_is_not_made_for_a_user_or_a_library_that_just_changed_against_it() {
    let disabled = UpdateUser {
        disabled: Some(true),
        ..update_user("jane")
    };
    assert_eq!(creation_meets(disabled).await, Reason::OwnerDisabled);
    assert_eq!(creation_meets(delete_user("jane")).await, Reason::NotFound);
    let switched_off = UpdateLibrary {
        tokens_enabled: Some(false),
        ..update_library("acme")
    };
    assert_eq!(creation_meets(switched_off).await, Reason::TokensNotEnabled);
}

#[tokio::test]
async fn a_revocation_in_between_is_not_undone_by_an_update_or_a_resumption() {
    let stage = Arc::new(Stage::new().await);
    let (id, secret) = stage.token().await;
    stage.done("adam", &suspend(id)).await;
    meanwhile(&stage, revoke(id));
    assert_eq!(stage.refusal("adam", &resume(id)).await, Reason::TokenState);
    assert_eq!(stage.verdict(&secret).await, Verdict::Revoked);
}

#[tokio::test]
async fn a_change_in_between_that_does_not_matter_is_planned_around() {
    let stage = Arc::new(Stage::new().await);
    meanwhile(
        &stage,
        UpdateUser {
            email: Some("j@example.com".to_owned()),
            ..update_user("jane")
        },
    );
    stage.done("adam", &create_token("jane")).await;
}

#[tokio::test]
async fn after_three_retries_it_gives_up_and_has_done_nothing() {
    let stage = Arc::new(Stage::new().await);
    let (id, _) = stage.token().await;
    for i in 0..4 {
        let email = Some(format!("{i}@example.com"));
        meanwhile(
            &stage,
            UpdateUser {
                email,
                ..update_user("jane")
            },
        );
    }
    let (log, commits) = (
        stage.log("acme").await.len(),
        stage.store.commits.load(Ordering::SeqCst),
    );
    assert_eq!(
        stage.refusal("adam", &create_token("jane")).await,
        Reason::Contention
    );
    assert_eq!(stage.store.commits.load(Ordering::SeqCst), commits + 4);
    assert_eq!(
        stage.log("acme").await.len(),
        log + 4,
        "the four others alone"
    );
    // What others did to the user is nothing to a change of the token's name.
    for i in 0..3 {
        let email = Some(format!("again-{i}@example.com"));
        meanwhile(
            &stage,
            UpdateUser {
                email,
                ..update_user("jane")
            },
        );
    }
    let named = UpdateToken {
        display_name: Some("b".to_owned()),
        ..update_token(id)
    };
    stage.done("adam", &named).await;
}

// === the directory ===

#[tokio::test]
async fn a_user_type_that_is_deleted_while_it_is_assigned_stays_or_is_not_assigned() {
    let stage = Arc::new(Stage::new().await);
    stage.done("root", &create_user_type("spare", &[])).await;
    let assign = UpdateUser {
        assignments: Some(assignments(&["clerk", "spare"])),
        ..update_user("jane")
    };
    meanwhile(&stage, delete_user_type("spare"));
    assert_eq!(stage.refusal("adam", &assign).await, Reason::InvalidFields);

    stage.done("root", &create_user_type("spare", &[])).await;
    meanwhile(&stage, assign);
    assert_eq!(
        stage.refusal("adam", &delete_user_type("spare")).await,
        Reason::InUse
    );
    let before = stage.log("acme").await.len();
    meanwhile(&stage, create_user("mary", &["clerk"]));
    stage.done("adam", &create_user("mark", &["clerk"])).await;
    assert_eq!(stage.log("acme").await.len(), before + 2);
}

#[tokio::test]
async fn a_user_type_that_just_got_a_reserved_permission_is_not_assigned_without_holding_it() {
    let stage = Arc::new(Stage::new().await);
    let widened = UpdateUserType {
        library: name("acme"),
        user_type: name("clerk"),
        permissions: Some(granted(&["tokens:admin"])),
        etag: String::new(),
    };
    meanwhile(&stage, widened);
    let create = create_user("mary", &["clerk"]);
    assert_eq!(
        stage.refusal("dora", &create).await,
        Reason::ReservedPermission
    );
}

#[tokio::test]
async fn a_user_of_a_library_that_was_just_deleted_is_not_changed() {
    let stage = Arc::new(Stage::new().await);
    stage
        .done(
            "root",
            &UpdateLibrary {
                disabled: Some(true),
                ..update_library("acme")
            },
        )
        .await;
    let gone = || DeleteLibrary {
        library: name("acme"),
        etag: String::new(),
    };
    meanwhile(&stage, gone());
    let update = UpdateUser {
        email: Some("j@example.com".to_owned()),
        ..update_user("jane")
    };
    assert_eq!(stage.refusal("root", &update).await, Reason::NotFound);
}

#[tokio::test]
async fn two_operators_who_disable_each_other_leave_one() {
    let stage = Arc::new(Stage::new().await);
    let system = |user: &str| UpdateUser {
        library: name("system"),
        disabled: Some(true),
        ..update_user(user)
    };
    let second = CreateUser {
        library: name("system"),
        ..create_user("second", &["operator"])
    };
    stage.done("root", &second).await;
    let token = CreateToken {
        library: name("system"),
        until: Some(crate::authority::moment::Until::parse("30d").unwrap()),
        permissions: granted(&["tokens:admin", "directory:admin"]),
        ..create_token("second")
    };
    let (_, secret) = stage.created("root", &token).await;
    stage.remember("second", &secret);
    let other = stage.clone();
    stage.store.before_commit(async move {
        other.done("second", &system("root")).await;
    });
    // `root` was disabled in between; had it not been, `second` would be the last.
    let outcome = stage.refusal("root", &system("second")).await;
    assert_eq!(outcome, Reason::CredentialRefused);
    assert_eq!(
        stage.refusal("second", &system("second")).await,
        Reason::InUse
    );
}

#[tokio::test]
async fn the_last_two_operators_are_not_disabled_at_once_by_somebody_who_is_none() {
    let stage = Arc::new(Stage::new().await);
    let in_system = |user: &str, user_type: &str| CreateUser {
        library: name("system"),
        ..create_user(user, &[user_type])
    };
    let clerk = CreateUserType {
        library: name("system"),
        ..create_user_type("clerk", &["directory:admin"])
    };
    stage.done("root", &clerk).await;
    stage.done("root", &in_system("second", "operator")).await;
    stage.done("root", &in_system("hr", "clerk")).await;
    let token = CreateToken {
        library: name("system"),
        permissions: granted(&["directory:admin"]),
        ..create_token("hr")
    };
    let (_, secret) = stage.created("root", &token).await;
    stage.remember("hr", &secret);
    let disable = |user: &str| UpdateUser {
        library: name("system"),
        disabled: Some(true),
        ..update_user(user)
    };
    let (other, first) = (stage.clone(), disable("root"));
    stage.store.before_commit(async move {
        other.done("hr", &first).await;
    });
    assert_eq!(stage.refusal("hr", &disable("second")).await, Reason::InUse);
}
