//! Who sets whose password, and what is kept of it.

use ring::digest::{SHA256, digest};

use super::commands::{create_token, create_user, create_user_type};
use super::samples::{granted, name};
use super::sessions::{PASSWORD, change, logs_in, set, with_gate};
use crate::authority::directory::UserKind;
use crate::authority::error::{Error, Reason};
use crate::authority::issue::CreateToken;
use crate::authority::judge::Verdict;
use crate::authority::keyspace;
use crate::authority::password::Password;
use crate::authority::permission::Reserved;
use crate::authority::requests::RequestKey;
use crate::authority::sessions::SetPassword;
use crate::authority::transaction::Call;
use crate::authority::users::CreateUser;

const ANOTHER: &str = "another password";

#[tokio::test]
async fn a_new_password_takes_the_place_of_the_old_one_and_sessions_go_on() {
    let stage = with_gate().await;
    let (_, secret) = logs_in(&stage, "pat", PASSWORD).await.unwrap();
    set(&stage, "pat", "pat", ANOTHER).await.unwrap();
    let event = stage.newest_event("acme").await;
    assert_eq!(
        (event.action.as_str(), event.user.as_str()),
        ("user.set-password", "pat")
    );
    assert_eq!(
        (event.actor.as_str(), event.fields.join(",").as_str()),
        ("acme/pat", "password")
    );
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    let refused = logs_in(&stage, "pat", PASSWORD).await.unwrap_err();
    assert_eq!(refused.reason, Reason::LoginRefused);
    logs_in(&stage, "pat", ANOTHER).await.unwrap();
}

#[tokio::test]
async fn a_password_that_is_removed_logs_nobody_in() {
    let stage = with_gate().await;
    let (_, secret) = logs_in(&stage, "pat", PASSWORD).await.unwrap();
    change(&stage, "pat", "pat", None).await.unwrap();
    assert_eq!(stage.newest_event("acme").await.comment, "removed");
    let refused = logs_in(&stage, "pat", PASSWORD).await.unwrap_err();
    assert_eq!(refused.reason, Reason::LoginRefused);
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    // Again, there is nothing to remove, and nothing to tell.
    let before = stage.log("acme").await.len();
    change(&stage, "pat", "pat", None).await.unwrap();
    assert_eq!(stage.log("acme").await.len(), before);
}

#[tokio::test]
async fn the_passwords_of_others_are_set_by_administrators_of_users_alone() {
    let stage = with_gate().await;
    let told = async |by: &str, user: &str| {
        set(&stage, by, user, ANOTHER)
            .await
            .map_err(|error| error.reason)
    };
    assert_eq!(told("tom", "jane").await, Err(Reason::PermissionDenied));
    assert_eq!(told("tom", "nobody").await, Err(Reason::PermissionDenied));
    assert_eq!(
        set(&stage, "pat", "jane", ANOTHER).await,
        Err(Error::not_found("user"))
    );
    assert_eq!(
        set(&stage, "pat", "nobody", ANOTHER).await,
        Err(Error::not_found("user"))
    );
    assert_eq!(told("gate", "pat").await, Err(Reason::PermissionDenied));
    assert_eq!(told("dora", "nobody").await, Err(Reason::NotFound));
    assert_eq!(told("dora", "jane").await, Ok(()));
    logs_in(&stage, "jane", ANOTHER).await.unwrap();
}

#[tokio::test]
async fn nobody_sets_the_password_of_a_user_with_rights_that_they_do_not_hold() {
    let stage = with_gate().await;
    let acting = create_user_type("acting", &["tokens:act-as"]);
    stage.done("root", &acting).await;
    stage
        .done("root", &create_user("deputy", &["acting"]))
        .await;
    for (by, user) in [("dora", "pat"), ("dora", "adam"), ("adam", "deputy")] {
        let refused = set(&stage, by, user, ANOTHER).await.unwrap_err();
        assert_eq!(refused.reason, Reason::ReservedPermission, "{by} {user}");
    }
    // To take a password away conveys nothing.
    change(&stage, "dora", "pat", None).await.unwrap();
    for (by, user) in [("adam", "pat"), ("root", "adam"), ("root", "deputy")] {
        set(&stage, by, user, ANOTHER).await.unwrap();
    }
}

#[tokio::test]
async fn a_narrow_token_sets_no_password_since_a_login_would_widen_it() {
    let stage = with_gate().await;
    let narrow = CreateToken {
        permissions: granted(&["tokens:self", "orders:read"]),
        ..create_token("pat")
    };
    let secret = stage.created("root", &narrow).await.1;
    stage.remember("narrow", &secret);
    let refused = set(&stage, "narrow", "pat", ANOTHER).await.unwrap_err();
    assert_eq!(refused.reason, Reason::PermissionDenied);
    logs_in(&stage, "pat", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn systems_and_contacts_have_no_password() {
    let stage = with_gate().await;
    let contact = CreateUser {
        kind: UserKind::Contact,
        data_owner: "customer-7".to_owned(),
        ..create_user("eve", &["clerk"])
    };
    stage.done("root", &contact).await;
    for user in ["eve", "gate"] {
        let refused = set(&stage, "root", user, ANOTHER).await.unwrap_err();
        assert_eq!(refused.reason, Reason::SelfServiceDenied, "{user}");
    }
}

#[tokio::test]
async fn a_flood_of_new_passwords_leaves_the_threads_to_those_who_log_in() {
    let stage = with_gate().await;
    for _ in 0..4 {
        set(&stage, "pat", "pat", PASSWORD).await.unwrap();
    }
    let limited = set(&stage, "pat", "pat", PASSWORD).await.unwrap_err();
    assert_eq!(limited.reason, Reason::LimitExceeded);
    logs_in(&stage, "pat", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn nothing_that_is_stored_tells_a_password_or_a_plain_hash_of_what_held_it() {
    let stage = with_gate().await;
    let payload = digest(&SHA256, ANOTHER.as_bytes());
    let mut payload_hash = [0; 32];
    payload_hash.copy_from_slice(payload.as_ref());
    let call = Call {
        caller: stage
            .authenticate("pat", Reserved::TokensSelf)
            .await
            .unwrap(),
        call_id: "call-1".to_owned(),
        request: Some(RequestKey {
            id: [1; 16],
            payload_hash,
        }),
    };
    let asked = |password: &str| SetPassword {
        library: name("acme"),
        user: None,
        password: Some(Password::chosen(password.to_owned()).unwrap()),
    };
    let first = stage
        .authority
        .set_password(&call, asked(ANOTHER), stage.now())
        .await;
    first.unwrap();
    // A repeat is known by it all the same.
    let before = stage.log("acme").await.len();
    let again = stage
        .authority
        .set_password(&call, asked(ANOTHER), stage.now())
        .await;
    again.unwrap();
    assert_eq!(stage.log("acme").await.len(), before);

    let holds = |value: &[u8], part: &[u8]| value.windows(part.len()).any(|window| window == part);
    let mut requests = 0;
    for key in stage.keys(b"").await {
        let value = stage.store_value(&key).await;
        for part in [ANOTHER.as_bytes(), PASSWORD.as_bytes(), &payload_hash] {
            assert!(
                !holds(&value, part) && !holds(&key, part),
                "{}",
                key.escape_ascii()
            );
        }
        requests += usize::from(key.starts_with(keyspace::REQUESTS));
        let kept = key.starts_with(keyspace::PASSWORDS);
        assert_eq!(kept, holds(&value, b"$argon2id$v=19$m=19456,t=2,p=1$"));
    }
    assert_eq!(requests, 1);
    assert_eq!(stage.keys(keyspace::PASSWORDS).await.len(), 1);
}
