//! What is kept beyond a process: keys, the mark of time, the way back in; and what is damaged.

use std::sync::Arc;

use super::commands::{create_token, create_user, create_user_type, update_user};
use super::lifecycle::revoke;
use super::samples::{at, granted, name, networks};
use super::stage::{DAY, Stage, at_time, open};
use super::staged::new_store;
use crate::authority::StartError;
use crate::authority::directory::{Library, SYSTEM, User, UserKind};
use crate::authority::error::Reason;
use crate::authority::issue::CreateToken;
use crate::authority::judge::Verdict;
use crate::authority::keys::RootKey;
use crate::authority::keyspace;
use crate::authority::moment::{Moment, Now};
use crate::authority::permission::Reserved;
use crate::authority::secret::{Secret, SecretString};
use crate::authority::user_types::CreateUserType;
use crate::authority::users::{CreateUser, UpdateUser};
use crate::store::{Revision, Store};

// === the root key ===

#[tokio::test]
async fn a_wrong_root_key_is_refused_and_nothing_is_written() {
    let stage = Stage::new().await;
    let before = stage.store.head().await.unwrap();
    let other = RootKey::mint().unwrap().1.to_string();
    let refused = open(&stage.store, &other).await.unwrap_err();
    assert!(matches!(refused, StartError::WrongRootKey), "{refused}");
    assert_eq!(stage.store.head().await.unwrap(), before);
    let stage = stage.reopened().await;
    assert_eq!(stage.verdict(&stage.secret("adam")).await, Verdict::Valid);
}

#[tokio::test]
async fn what_is_stored_holds_no_secret_in_the_clear() {
    let stage = Stage::new().await;
    let done = stage
        .request("adam", 1, 1, &create_token("jane"))
        .await
        .unwrap();
    let text = done.secret.unwrap().expose().to_owned();
    let secret = Secret::parse(&text).unwrap();
    for record in stage.store.scan(Vec::new(), None, 10_000).await.unwrap() {
        let holds = |what: &[u8]| {
            record
                .value
                .windows(what.len())
                .any(|window| window == what)
        };
        assert!(
            !holds(secret.bytes.as_ref()) && !holds(&text.as_bytes()[27..70]),
            "{record:?}"
        );
    }
}

// === time ===

#[tokio::test]
async fn the_mark_of_time_survives_a_restart() {
    let stage = Stage::new().await;
    stage.later(5000);
    let late = stage.time();
    stage.token().await;
    assert_eq!(open(&stage.store, stage.root()).await.unwrap().mark, late);
}

#[tokio::test]
async fn the_mark_is_kept_by_the_sweep_too_and_not_while_the_clock_is_not_trusted() {
    let stage = Stage::bare().await;
    stage.later(DAY);
    let frozen = Now {
        mark: None,
        ..stage.now()
    };
    stage.authority.sweep(frozen).await.unwrap();
    assert_eq!(
        open(&stage.store, stage.root()).await.unwrap().mark,
        at(super::stage::START)
    );
    let stage = stage.reopened().await;
    stage.authority.sweep(stage.now()).await.unwrap();
    assert_eq!(
        open(&stage.store, stage.root()).await.unwrap().mark,
        stage.time()
    );
}

#[tokio::test]
async fn the_mark_of_a_commit_that_lost_its_race_is_written_by_the_next() {
    let stage = Arc::new(Stage::new().await);
    stage.later(5000);
    let late = stage.time();
    let other = stage.clone();
    stage.store.before_commit(async move {
        // By somebody whose clock says what it said before, so that no mark is kept by this one.
        let call = other.call::<UpdateUser>("root").await;
        let update = UpdateUser {
            email: Some("j@example.com".to_owned()),
            ..update_user("jane")
        };
        let earlier = at_time(at(super::stage::START));
        other
            .authority
            .perform(&call, &update, earlier)
            .await
            .unwrap();
    });
    stage.done("adam", &create_token("jane")).await;
    assert_eq!(open(&stage.store, stage.root()).await.unwrap().mark, late);
}

#[tokio::test]
async fn while_the_clock_is_not_trusted_nothing_is_swept() {
    let stage = Stage::new().await;
    stage
        .request("adam", 1, 1, &create_token("jane"))
        .await
        .unwrap();
    stage.later(9 * DAY);
    stage
        .authority
        .sweep(Now {
            mark: None,
            ..stage.now()
        })
        .await
        .unwrap();
    assert_eq!(stage.keys(keyspace::REQUESTS).await.len(), 1);
    assert_eq!(stage.keys(keyspace::SEALING_KEYS).await.len(), 1);
}

#[tokio::test]
async fn the_sweep_removes_what_is_out_of_date_and_nothing_else() {
    let stage = Stage::new().await;
    for id in 0..5 {
        stage
            .request("adam", id, 1, &create_token("jane"))
            .await
            .unwrap();
    }
    let kept = async || {
        let mut keys = stage.keys(b"").await;
        keys.retain(|key| {
            !key.starts_with(keyspace::REQUESTS) && !key.starts_with(keyspace::SEALING_KEYS)
        });
        keys
    };
    let before = kept().await;
    stage.later(2 * DAY);
    stage
        .request(
            "adam",
            9,
            1,
            &super::lifecycle::suspend(stage.token().await.0),
        )
        .await
        .unwrap();
    let added = kept().await.len();
    stage.authority.sweep(stage.now()).await.unwrap();
    assert_eq!(stage.keys(keyspace::REQUESTS).await.len(), 1);
    assert!(stage.keys(keyspace::SEALING_KEYS).await.is_empty());
    let after = kept().await;
    assert_eq!(after.len(), added);
    assert!(before.iter().all(|key| after.contains(key)));
}

// === the way back in ===

#[tokio::test]
async fn a_live_operator_token_is_not_joined_by_another() {
    let stage = Stage::bare().await;
    assert!(!stage.ensure_operator().await.unwrap());
    let stage = stage.reopened().await;
    assert!(!stage.ensure_operator().await.unwrap());
}

#[tokio::test]
async fn after_the_last_operator_token_ended_a_start_makes_a_new_one() {
    let stage = Stage::new().await;
    let old = stage.secret("root");
    let id = stage
        .authenticate("root", Reserved::TokensAdmin)
        .await
        .unwrap()
        .token_id;
    stage.done("root", &revoke(id)).await;
    assert!(stage.ensure_operator().await.unwrap());
    assert_ne!(stage.secret("root"), old);
    assert_eq!(stage.verdict(&old).await, Verdict::Revoked);
    stage.done("root", &create_token("jane")).await;
    assert_eq!(stage.log("system").await[0], "token.bootstrap");
    stage.later(91 * DAY);
    assert!(stage.ensure_operator().await.unwrap(), "it had expired");
    stage.done("root", &create_token("jane")).await;
}

#[tokio::test]
async fn a_token_that_is_no_operators_does_not_stand_in_the_way_of_a_new_one() {
    let stage = Stage::new().await;
    let gateway = CreateUserType {
        library: name(SYSTEM),
        ..create_user_type("gateway", &["tokens:verify"])
    };
    stage.done("root", &gateway).await;
    let user = CreateUser {
        library: name(SYSTEM),
        ..create_user("gateway", &["gateway"])
    };
    stage.done("root", &user).await;
    let restricted = CreateToken {
        library: name(SYSTEM),
        permissions: granted(&["tokens:verify"]),
        allowed_cidrs: networks(&["10.0.0.0/8"]),
        ..create_token("gateway")
    };
    stage.done("root", &restricted).await;
    end_of_operator(&stage).await;
    assert!(stage.ensure_operator().await.unwrap());
}

#[tokio::test]
async fn an_operator_token_that_works_from_somewhere_is_live_and_from_nowhere_is_not() {
    let stage = Stage::new().await;
    let restricted = |network| CreateToken {
        library: name(SYSTEM),
        permissions: granted(&["tokens:admin", "directory:admin"]),
        allowed_cidrs: networks(&[network]),
        ..create_token("root")
    };
    let (near, _) = stage.created("root", &restricted("10.1.0.0/16")).await;
    end_of_operator(&stage).await;
    assert!(!stage.ensure_operator().await.unwrap());
    // A library that allows other networks alone leaves it nowhere to be used from.
    let system = Library {
        allowed_cidrs: networks(&["192.0.2.0/24"]),
        ..stage.stored(keyspace::library(SYSTEM)).await.unwrap()
    };
    stage
        .overwrite(keyspace::library(SYSTEM), &keyspace::encode(&system))
        .await;
    assert!(stage.ensure_operator().await.unwrap());
    stage.done("root", &revoke(near.id)).await;
}

#[tokio::test]
async fn the_new_operator_can_call_whatever_became_of_its_user() {
    let stage = Stage::new().await;
    let uid = stage
        .stored::<Library>(keyspace::library(SYSTEM))
        .await
        .unwrap()
        .uid;
    let place = keyspace::user(uid, &name("root"));
    let contact = User {
        kind: UserKind::Contact,
        data_owner: "somebody".to_owned(),
        disabled: true,
        ..stage.stored(place.clone()).await.unwrap()
    };
    stage.overwrite(place, &keyspace::encode(&contact)).await;
    assert!(stage.ensure_operator().await.unwrap());
    stage.done("root", &create_token("jane")).await;
}

#[tokio::test]
async fn no_contact_is_made_in_the_library_of_the_operators() {
    let stage = Stage::new().await;
    let contact = CreateUser {
        library: name(SYSTEM),
        kind: UserKind::Contact,
        data_owner: "somebody".to_owned(),
        ..create_user("ghost", &["operator"])
    };
    assert_eq!(stage.refusal("root", &contact).await, Reason::InvalidFields);
}

/// Ends the one token that an operator has.
async fn end_of_operator(stage: &Stage) {
    let operator = stage.authenticate("root", Reserved::TokensAdmin).await;
    stage
        .done("root", &revoke(operator.unwrap().token_id))
        .await;
}

#[tokio::test]
async fn a_bootstrap_token_serves_once() {
    let store = new_store();
    let root = RootKey::mint().unwrap().1.to_string();
    let authority = open(&store, &root).await.unwrap().authority;
    authority.load_tokens().await.unwrap();
    let given = Secret::mint().unwrap();
    let text = given.to_secret_string().expose().to_owned();
    let now = at_time(at(super::stage::START));
    let never: fn(&SecretString) -> std::io::Result<()> =
        |_: &SecretString| panic!("there is nothing to keep");
    assert!(
        authority
            .ensure_operator(Some(given), never, now)
            .await
            .unwrap()
    );
    let again = || Some(Secret::parse(&text).unwrap());
    assert!(
        !authority
            .ensure_operator(again(), never, now)
            .await
            .unwrap()
    );
    let later = at_time(Moment(now.time.0 + 91 * DAY));
    let before = store.head().await.unwrap();
    let refused = authority
        .ensure_operator(again(), never, later)
        .await
        .unwrap_err();
    assert!(matches!(refused, StartError::UsedToken));
    assert_eq!(store.head().await.unwrap(), before);
}

#[tokio::test]
async fn a_token_that_could_not_be_kept_is_not_made() {
    let store = new_store();
    let root = RootKey::mint().unwrap().1.to_string();
    let authority = open(&store, &root).await.unwrap().authority;
    authority.load_tokens().await.unwrap();
    let full = |_: &SecretString| Err(std::io::Error::other("no room"));
    let now = at_time(at(super::stage::START));
    let refused = authority
        .ensure_operator(None, full, now)
        .await
        .unwrap_err();
    assert!(matches!(refused, StartError::TokenFile(_)));
    assert_eq!(store.head().await.unwrap(), Revision(1), "the keys alone");
}
