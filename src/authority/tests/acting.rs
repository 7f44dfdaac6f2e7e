//! A backend works in a user's name, with that user's rights and no others.

use super::commands::{create_token, create_user, create_user_type, update_user};
use super::own_tokens::with_pat;
use super::samples::granted;
use super::stage::Stage;
use crate::authority::directory::UserKind;
use crate::authority::error::Reason;
use crate::authority::issue::CreateToken;
use crate::authority::permission::Reserved;
use crate::authority::requests::RequestKey;
use crate::authority::transaction::Call;
use crate::authority::users::{CreateUser, UpdateUser};

/// With `portal`, a backend that acts for people.
async fn with_portal() -> Stage {
    let stage = with_pat().await;
    let acting = create_user_type("portal", &["tokens:act-as", "tokens:admin"]);
    stage.done("root", &acting).await;
    let portal = CreateUser {
        kind: UserKind::ApiOnly,
        ..create_user("portal", &["portal"])
    };
    stage.done("root", &portal).await;
    let own = CreateToken {
        permissions: granted(&["tokens:act-as"]),
        ..create_token("portal")
    };
    let secret = stage.created("root", &own).await.1;
    stage.remember("portal", &secret);
    stage
}

async fn call(stage: &Stage, acting_for: &str) -> Result<Call, Reason> {
    let caller = stage.authenticate_for("portal", Reserved::TokensSelf, Some(acting_for));
    Ok(Call {
        caller: caller.await.map_err(|error| error.reason)?,
        call_id: "call-1".to_owned(),
        request: None,
    })
}

#[tokio::test]
async fn it_has_the_users_rights_and_the_log_names_both() {
    let stage = with_portal().await;
    let call = call(&stage, "pat").await.unwrap();
    let asked = CreateToken {
        user: None,
        ..create_token("pat")
    };
    let made = stage.authority.perform(&call, &asked, stage.now()).await;
    let token = made.unwrap().answer.unwrap().value;
    assert_eq!(
        (token.user.as_str(), token.issued_by.as_str()),
        ("pat", "acme/pat")
    );
    let by = stage
        .authority
        .authorise(&call.caller, stage.time())
        .unwrap();
    assert!(!by.administers() && !by.held.contains(Reserved::TokensActAs));
    let event = stage.newest_event("acme").await;
    assert_eq!(
        (event.actor.as_str(), event.acting_for.as_str()),
        ("acme/portal", "acme/pat")
    );
    // The tokens of others, its own among them, are out of reach.
    let other = stage
        .authority
        .perform(&call, &create_token("portal"), stage.now())
        .await;
    assert_eq!(other.unwrap_err().reason, Reason::NotFound);
}

#[tokio::test]
async fn it_acts_for_active_people_of_its_own_library_alone() {
    let stage = with_portal().await;
    let system = CreateUser {
        kind: UserKind::ApiOnly,
        ..create_user("till", &["person"])
    };
    stage.done("root", &system).await;
    for user in ["till", "portal", "root", "nobody"] {
        assert_eq!(
            call(&stage, user).await.unwrap_err(),
            Reason::PermissionDenied,
            "{user}"
        );
    }
    // Jane has no right to serve herself.
    assert_eq!(
        call(&stage, "jane").await.unwrap_err(),
        Reason::PermissionDenied
    );
    let disabled = UpdateUser {
        disabled: Some(true),
        ..update_user("pat")
    };
    let before = call(&stage, "pat").await.unwrap();
    stage.done("root", &disabled).await;
    assert_eq!(
        call(&stage, "pat").await.unwrap_err(),
        Reason::PermissionDenied
    );
    let late = stage.authority.authorise(&before.caller, stage.time());
    assert_eq!(late.unwrap_err().reason, Reason::PermissionDenied);
}

#[tokio::test]
async fn nobody_acts_for_others_without_the_right() {
    let stage = with_portal().await;
    for user in ["adam", "root", "pat"] {
        let acting = stage.authenticate_for(user, Reserved::TokensSelf, Some("pat"));
        // Operators hold every right, and act for users of their own library.
        let refused = acting.await.unwrap_err();
        assert_eq!(refused.reason, Reason::PermissionDenied, "{user}");
    }
}

#[tokio::test]
async fn its_commits_name_what_the_users_rights_were_read_from() {
    let stage = with_portal().await;
    let call = call(&stage, "pat").await.unwrap();
    let by = stage
        .authority
        .authorise(&call.caller, stage.time())
        .unwrap();
    // Token, library, the backend's user and type, and the user and type that it acts for.
    assert_eq!(by.basis.len(), 6, "{:?}", by.basis);
}

#[tokio::test]
async fn a_request_id_belongs_to_the_user_that_it_was_used_for() {
    let stage = with_portal().await;
    stage.done("root", &create_user("quin", &["person"])).await;
    let mut made = Vec::new();
    for user in ["pat", "quin", "pat"] {
        let mut call = call(&stage, user).await.unwrap();
        call.request = Some(RequestKey {
            id: [1; 16],
            payload_hash: [1; 32],
        });
        let asked = CreateToken {
            user: None,
            ..create_token("pat")
        };
        let done = stage
            .authority
            .perform(&call, &asked, stage.now())
            .await
            .unwrap();
        made.push(done.answer.unwrap().value);
    }
    assert_eq!(made[0].id, made[2].id);
    assert_ne!(made[0].id, made[1].id);
    assert_eq!(made[1].user.as_str(), "quin");
}
