//! The audit log, and etags.

use super::commands::{create_token, create_user, create_user_type, update_library, update_user};
use super::lifecycle::{a_year, extend, resume, revoke, suspend, update_token};
use super::rotation::rotate;
use super::samples::{name, named};
use super::sessions::{PASSWORD, logs_in, with_gate};
use super::stage::Stage;
use crate::authority::Caller;
use crate::authority::directory::SecretDisplay;
use crate::authority::error::Reason;
use crate::authority::judge::Verdict;
use crate::authority::libraries::UpdateLibrary;
use crate::authority::list::EventFilter;
use crate::authority::page::PageRequest;
use crate::authority::permission::Reserved;
use crate::authority::reveal::RevealToken;
use crate::authority::token::RevocationReason;
use crate::authority::update::UpdateToken;
use crate::authority::users::UpdateUser;
use crate::authority::watermark::RevokeAll;

async fn caller(stage: &Stage, user: &str) -> Caller {
    stage
        .authenticate(user, Reserved::TokensAdmin)
        .await
        .unwrap()
}

#[tokio::test]
async fn every_change_leaves_exactly_one_event_and_what_changes_nothing_leaves_none() {
    let stage = Stage::new().await;
    let (id, _) = stage.token().await;
    let mut events = stage.log("acme").await.len();
    macro_rules! leaves {
        ($count:literal, $command:expr) => {
            let command = $command;
            let _ = stage.perform("adam", &command).await;
            let log = stage.log("acme").await;
            assert_eq!(log.len(), events + $count, "{command:?}");
            events = log.len();
        };
    }
    leaves!(1, create_token("jane"));
    leaves!(0, create_token("nobody"));
    leaves!(1, suspend(id));
    leaves!(0, suspend(id));
    leaves!(1, resume(id));
    leaves!(0, resume(id));
    leaves!(1, extend(id, a_year()));
    leaves!(0, extend(id, a_year()));
    leaves!(0, update_token(id));
    leaves!(
        0,
        UpdateToken {
            display_name: Some("a token".to_owned()),
            ..update_token(id)
        }
    );
    leaves!(
        1,
        UpdateToken {
            display_name: Some("other".to_owned()),
            ..update_token(id)
        }
    );
    leaves!(1, revoke(id));
    leaves!(0, revoke(id));
    leaves!(1, create_user("mary", &["clerk"]));
    leaves!(0, create_user("mary", &["clerk"]));
    leaves!(0, update_user("mary"));
    leaves!(
        0,
        UpdateUser {
            assignments: Some(super::samples::assignments(&["clerk"])),
            ..update_user("mary")
        }
    );
    leaves!(
        1,
        UpdateUser {
            email: Some("m@example.com".to_owned()),
            ..update_user("mary")
        }
    );
    leaves!(1, create_user_type("made", &[]));
    leaves!(0, update_library("acme"));
    leaves!(
        1,
        UpdateLibrary {
            display_name: Some("Acme".to_owned()),
            ..update_library("acme")
        }
    );
    assert!(events > 0);
}

#[tokio::test]
async fn an_event_tells_who_did_what_to_whom() {
    let stage = Stage::new().await;
    let (id, _) = stage.token().await;
    stage.done("tom", &revoke(id)).await;
    let caller = caller(&stage, "adam").await;
    let first = PageRequest {
        size: 1,
        token: String::new(),
    };
    let page = stage
        .authority
        .list_audit_events(
            &caller,
            &EventFilter::of(named("acme")),
            &first,
            stage.time(),
        )
        .await
        .unwrap();
    let event = &page.items[0].value;
    let tom = stage
        .authenticate("tom", Reserved::TokensAdmin)
        .await
        .unwrap()
        .token_id
        .to_string();
    assert_eq!(
        (
            event.action.as_str(),
            event.actor.as_str(),
            event.user.as_str()
        ),
        ("token.revoke", "acme/tom", "jane")
    );
    assert_eq!(
        (&event.actor_token_id, event.token_id.as_str()),
        (&tom, id.to_string().as_str())
    );
    assert_eq!(
        (
            event.comment.as_str(),
            event.call_id.as_str(),
            event.library.as_str()
        ),
        ("leaked", "call-1", "acme")
    );
    assert_eq!(event.time, stage.time());
}

#[tokio::test]
async fn etags_are_those_of_the_last_change_and_stale_ones_change_nothing() {
    let stage = Stage::new().await;
    let done = stage.done("adam", &create_token("jane")).await;
    let secret = done.secret.unwrap().expose().to_owned();
    let token = done.answer.unwrap();
    let etag = stage.authority.revision_text(token.revision);
    let renamed = |text: &str| UpdateToken {
        display_name: Some(text.to_owned()),
        etag: etag.clone(),
        ..update_token(token.value.id)
    };
    stage.done("adam", &renamed("a token")).await;
    stage.done("adam", &renamed("first")).await;
    assert_eq!(
        stage.refusal("adam", &renamed("second")).await,
        Reason::EtagMismatch
    );
    let nonsense = UpdateToken {
        etag: "x".to_owned(),
        ..update_token(token.value.id)
    };
    assert_eq!(stage.refusal("adam", &nonsense).await, Reason::EtagMismatch);
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
}

#[tokio::test]
async fn whatever_happens_to_a_token_is_one_event_that_names_it_and_its_user() {
    let stage = with_gate().await;
    let revealable = UpdateLibrary {
        secret_display: Some(SecretDisplay::Revealable),
        ..update_library("acme")
    };
    stage.done("adam", &revealable).await;
    let (id, _) = stage.token().await;
    let (other, _) = stage.token().await;
    let mut known = stage.log("acme").await.len();
    macro_rules! leaves {
        ($action:literal, $user:literal, $id:expr) => {
            let event = stage.newest_event("acme").await;
            assert_eq!(stage.log("acme").await.len(), known + 1, $action);
            known += 1;
            let told = (event.action.as_str(), event.user.as_str(), event.token_id);
            assert_eq!(told, ($action, $user, $id));
        };
    }
    let created = stage.token().await.0;
    leaves!("token.create", "jane", created.to_string());
    stage.done("adam", &extend(id, a_year())).await;
    leaves!("token.extend", "jane", id.to_string());
    stage.done("adam", &suspend(id)).await;
    leaves!("token.suspend", "jane", id.to_string());
    stage.done("adam", &resume(id)).await;
    leaves!("token.resume", "jane", id.to_string());
    stage.done("adam", &RevealToken { id }).await;
    leaves!("token.reveal", "jane", id.to_string());
    stage.done("adam", &rotate(id)).await;
    leaves!("token.rotate", "jane", id.to_string());
    stage.done("adam", &revoke(other)).await;
    leaves!("token.revoke", "jane", other.to_string());
    let (session, _) = logs_in(&stage, "pat", PASSWORD).await.unwrap();
    leaves!("session.open", "pat", session.id.to_string());
    // However many they are: what it revokes is said by whose they are.
    let all = RevokeAll {
        library: name("acme"),
        user: Some(name("pat")),
        sessions_only: true,
        created_before: None,
        reason: RevocationReason::OwnerLeft,
        comment: String::new(),
    };
    stage.done("adam", &all).await;
    leaves!("token.revoke-all", "pat", String::new());
    assert_eq!(stage.log("acme").await.len(), known);
}
