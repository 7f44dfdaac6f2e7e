//! People log in.

use super::commands::{create_token, create_user, create_user_type, update_library, update_user};
use super::lifecycle::revoke;
use super::own_tokens::with_pat;
use super::samples::{at, granted, name, named};
use super::stage::{MINUTE, Stage};
use crate::authority::cidr::Address;
use crate::authority::directory::UserKind;
use crate::authority::error::{Error, Reason};
use crate::authority::issue::CreateToken;
use crate::authority::judge::Verdict;
use crate::authority::keyspace::{self, Stored};
use crate::authority::libraries::UpdateLibrary;
use crate::authority::list::TokenFilter;
use crate::authority::moment::Moment;
use crate::authority::page::PageRequest;
use crate::authority::password::{KeptPassword, Password, SlowHash};
use crate::authority::permission::Reserved;
use crate::authority::requests::RequestKey;
use crate::authority::sessions::{OpenSession, SetPassword};
use crate::authority::token::{AccessRight, Token, TokenKind};
use crate::authority::transaction::Call;
use crate::authority::users::{CreateUser, DeleteUser, UpdateUser};
use crate::store::{Change, Store as _};

pub(super) const PASSWORD: &str = "correct horse battery staple";

/// With `pat`, a person with a password, and `gate`, the backend that people log in to.
pub(super) async fn with_gate() -> Stage {
    let stage = with_pat().await;
    let gate = create_user_type("gate", &["tokens:verify"]);
    stage.done("root", &gate).await;
    let gate = CreateUser {
        kind: UserKind::ApiOnly,
        ..create_user("gate", &["gate"])
    };
    stage.done("root", &gate).await;
    let own = CreateToken {
        permissions: granted(&["tokens:verify"]),
        ..create_token("gate")
    };
    let secret = stage.created("root", &own).await.1;
    stage.remember("gate", &secret);
    set(&stage, "pat", "pat", PASSWORD).await.unwrap();
    stage
}

async fn call(stage: &Stage, user: &str, right: Reserved) -> Result<Call, Error> {
    Ok(Call {
        caller: stage.authenticate(user, right).await?,
        call_id: "call-1".to_owned(),
        request: None,
    })
}

/// Sets the password of a user of `acme`, by whichever right the caller has.
pub(super) async fn set(stage: &Stage, by: &str, user: &str, password: &str) -> Result<(), Error> {
    change(stage, by, user, Some(password)).await
}

pub(super) async fn change(
    stage: &Stage,
    by: &str,
    user: &str,
    password: Option<&str>,
) -> Result<(), Error> {
    let call = match call(stage, by, Reserved::TokensSelf).await {
        Ok(call) => call,
        Err(_) => call(stage, by, Reserved::DirectoryAdmin).await?,
    };
    let asked = SetPassword {
        library: name("acme"),
        user: Some(name(user)),
        password: password.map(|text| Password::chosen(text.to_owned()).unwrap()),
    };
    stage
        .authority
        .set_password(&call, asked, stage.now())
        .await
}

fn login(user: &str, password: &str) -> OpenSession {
    OpenSession {
        library: name("acme"),
        user: name(user),
        password: Password::presented(password.to_owned()).unwrap(),
        device_name: "a phone".to_owned(),
        client_ip: None,
    }
}

async fn open(stage: &Stage, asked: OpenSession) -> Result<(Token, String), Error> {
    let call = call(stage, "gate", Reserved::TokensVerify).await?;
    let done = stage
        .authority
        .open_session(&call, asked, stage.now())
        .await?;
    let secret = done.secret.unwrap().expose().to_owned();
    Ok((done.answer.unwrap().value, secret))
}

pub(super) async fn logs_in(
    stage: &Stage,
    user: &str,
    password: &str,
) -> Result<(Token, String), Error> {
    open(stage, login(user, password)).await
}

async fn listed(stage: &Stage, kind: Option<TokenKind>) -> Vec<TokenKind> {
    let caller = stage.authenticate("adam", Reserved::TokensSelf).await;
    let filter = TokenFilter {
        user: Some(name("pat")),
        kind,
        ..TokenFilter::of(named("acme"))
    };
    let page = PageRequest::default();
    let listed = stage
        .authority
        .list_tokens(&caller.unwrap(), &filter, &page, stage.time())
        .await;
    let tokens = listed.unwrap().items.into_iter();
    tokens.map(|token| token.value.kind).collect()
}

#[tokio::test]
async fn whoever_knows_the_password_gets_a_session_of_its_user() {
    let stage = with_gate().await;
    let (session, secret) = logs_in(&stage, "pat", PASSWORD).await.unwrap();
    assert_eq!(session.kind, TokenKind::Session);
    assert_eq!(
        (session.user.as_str(), session.issued_by.as_str()),
        ("pat", "acme/pat")
    );
    assert_eq!(
        (session.device_name.as_str(), session.display_name.as_str()),
        ("a phone", "a phone")
    );
    // As long as the library's default_lifetime.
    assert_eq!(session.expire_time, at("2027-03-01T12:00:00Z"));
    assert_eq!(session.grant.access_right, AccessRight::Full);
    assert_eq!(session.grant.permissions, granted(&["tokens:self"]));
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    let event = stage.newest_event("acme").await;
    assert_eq!(event.action, "session.open");
    assert_eq!(
        (event.actor.as_str(), event.user.as_str()),
        ("acme/gate", "pat")
    );
    assert_eq!(event.token_id, session.id.to_string());
    // It is what the store says after a start, too.
    let stage = stage.reopened().await;
    assert_eq!(
        listed(&stage, Some(TokenKind::Session)).await,
        [TokenKind::Session]
    );
    assert_eq!(listed(&stage, Some(TokenKind::Api)).await, [TokenKind::Api]);
    assert_eq!(listed(&stage, None).await.len(), 2);
    stage.done("adam", &revoke(session.id)).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Revoked);
}

#[tokio::test]
async fn whoever_can_not_log_in_is_told_the_same_whatever_the_reason() {
    let stage = with_gate().await;
    stage.done("root", &create_user("quin", &["person"])).await;
    set(&stage, "root", "quin", PASSWORD).await.unwrap();
    let disabled = UpdateUser {
        disabled: Some(true),
        ..update_user("quin")
    };
    stage.done("root", &disabled).await;
    let wrong = logs_in(&stage, "pat", "incorrect horse").await.unwrap_err();
    assert_eq!(wrong.reason, Reason::LoginRefused);
    for (user, password) in [
        ("nobody", PASSWORD),
        ("quin", PASSWORD),
        ("jane", PASSWORD),
        ("gate", PASSWORD),
        ("pat", "short"),
    ] {
        assert_eq!(
            logs_in(&stage, user, password).await.unwrap_err(),
            wrong,
            "{user}"
        );
    }
    // A right password of a disabled user is a guess like any other.
    for _ in 0..4 {
        assert_eq!(logs_in(&stage, "quin", PASSWORD).await.unwrap_err(), wrong);
    }
    let limited = logs_in(&stage, "quin", PASSWORD).await.unwrap_err();
    assert_eq!(limited.reason, Reason::LimitExceeded);
}

#[tokio::test]
async fn a_session_serves_its_user_and_conveys_nothing_else() {
    let stage = with_gate().await;
    let (_, secret) = logs_in(&stage, "pat", PASSWORD).await.unwrap();
    stage.remember("session", &secret);
    let mine = CreateToken {
        user: None,
        ..create_token("pat")
    };
    let (made, _) = stage.created("session", &mine).await;
    assert_eq!(
        (made.kind, made.issued_by.as_str()),
        (TokenKind::Api, "acme/pat")
    );
    assert_eq!(
        stage.refusal("session", &create_token("jane")).await,
        Reason::NotFound
    );
    set(&stage, "session", "pat", "another password")
        .await
        .unwrap();

    // An administrator's session serves the administrator as a person.
    set(&stage, "root", "adam", PASSWORD).await.unwrap();
    let (session, secret) = logs_in(&stage, "adam", PASSWORD).await.unwrap();
    assert_eq!(session.grant.permissions, granted(&["tokens:self"]));
    stage.remember("session", &secret);
    assert!(
        stage
            .authenticate("session", Reserved::TokensSelf)
            .await
            .is_ok()
    );
    for right in [
        Reserved::TokensAdmin,
        Reserved::TokensVerify,
        Reserved::DirectoryRead,
    ] {
        let refused = stage.authenticate("session", right).await.unwrap_err();
        assert_eq!(refused.reason, Reason::PermissionDenied);
    }
    // Whose user types give nothing of the kind gets nothing of the kind.
    set(&stage, "root", "jane", PASSWORD).await.unwrap();
    let (session, secret) = logs_in(&stage, "jane", PASSWORD).await.unwrap();
    assert_eq!(session.grant.permissions, granted(&[]));
    stage.remember("session", &secret);
    assert!(
        stage
            .authenticate("session", Reserved::TokensSelf)
            .await
            .is_err()
    );
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
}

#[tokio::test]
async fn a_user_made_again_under_the_same_name_has_no_password() {
    let stage = with_gate().await;
    let (_, secret) = logs_in(&stage, "pat", PASSWORD).await.unwrap();
    let delete = DeleteUser {
        library: name("acme"),
        user: name("pat"),
        etag: String::new(),
    };
    stage.done("root", &delete).await;
    assert_eq!(stage.keys(keyspace::PASSWORDS).await, Vec::<Vec<u8>>::new());
    assert_eq!(stage.verdict(&secret).await, Verdict::UserDisabled);
    stage.done("root", &create_user("pat", &["person"])).await;
    let refused = logs_in(&stage, "pat", PASSWORD).await.unwrap_err();
    assert_eq!(refused.reason, Reason::LoginRefused);
    assert_eq!(stage.verdict(&secret).await, Verdict::UserDisabled);
}

#[tokio::test]
async fn a_library_that_does_not_allow_tokens_opens_no_session() {
    let stage = with_gate().await;
    let off = UpdateLibrary {
        tokens_enabled: Some(false),
        ..update_library("acme")
    };
    stage.done("root", &off).await;
    // Known password or not: the library is judged first.
    for password in [PASSWORD, "incorrect horse"] {
        let refused = logs_in(&stage, "pat", password).await.unwrap_err();
        assert_eq!(refused.reason, Reason::TokensNotEnabled);
    }
}

#[tokio::test]
async fn a_password_that_is_changed_while_it_is_checked_opens_nothing() {
    let stage = with_gate().await;
    let key = stage.keys(keyspace::PASSWORDS).await.remove(0);
    let (library_uid, user_uid) = keyspace::password_owner(&key).unwrap();
    let another = KeptPassword {
        library_uid,
        user_uid,
        hash: SlowHash::of_nobody().unwrap(),
        key_version: 1,
        set_time: Moment(0),
        set_revision: None,
    };
    assert_eq!(another.key(), key);
    let store = stage.store.clone();
    stage.store.before_commit(async move {
        let change = Change::Put(key, keyspace::encode(&another));
        store.inner.commit(Vec::new(), vec![change]).await.unwrap();
    });
    let refused = logs_in(&stage, "pat", PASSWORD).await.unwrap_err();
    assert_eq!(refused.reason, Reason::LoginRefused);
    assert!(!stage.log("acme").await.contains(&"session.open".to_owned()));
}

#[tokio::test]
async fn a_login_that_is_repeated_gets_the_same_session_and_only_with_the_password() {
    let stage = with_gate().await;
    let mut call = call(&stage, "gate", Reserved::TokensVerify).await.unwrap();
    call.request = Some(RequestKey {
        id: [1; 16],
        payload_hash: [1; 32],
    });
    let mut secrets = Vec::new();
    for _ in 0..2 {
        let asked = login("pat", PASSWORD);
        let done = stage
            .authority
            .open_session(&call, asked, stage.now())
            .await;
        secrets.push(done.unwrap().secret.unwrap().expose().to_owned());
    }
    assert_eq!(secrets[0], secrets[1]);
    let wrong = login("pat", "incorrect horse");
    let refused = stage
        .authority
        .open_session(&call, wrong, stage.now())
        .await;
    assert_eq!(refused.unwrap_err().reason, Reason::LoginRefused);
}

#[tokio::test]
async fn a_flood_of_guesses_at_one_user_is_stopped_and_others_log_in() {
    let stage = with_gate().await;
    stage.done("root", &create_user("quin", &["person"])).await;
    set(&stage, "root", "quin", PASSWORD).await.unwrap();
    // Users that there are not are counted the same.
    for user in ["pat", "nobody"] {
        for _ in 0..5 {
            let refused = logs_in(&stage, user, "a wrong guess").await.unwrap_err();
            assert_eq!(refused.reason, Reason::LoginRefused);
        }
        for password in ["a wrong guess", PASSWORD] {
            let limited = logs_in(&stage, user, password).await.unwrap_err();
            assert_eq!(limited.reason, Reason::LimitExceeded);
            assert_eq!(limited.retry_after.unwrap().as_secs(), 30);
        }
    }
    for _ in 0..10 {
        logs_in(&stage, "quin", PASSWORD).await.unwrap();
    }
    stage.later(MINUTE / 2);
    logs_in(&stage, "pat", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_flood_of_guesses_from_one_address_is_stopped_and_other_addresses_log_in() {
    let stage = with_gate().await;
    let from = |address: &str, user: &str, password: &str| OpenSession {
        client_ip: Some(Address::parse(address).unwrap()),
        ..login(user, password)
    };
    for number in 0..60 {
        let guess = from("198.51.100.1", &format!("nobody-{number}"), "a wrong guess");
        assert_eq!(
            open(&stage, guess).await.unwrap_err().reason,
            Reason::LoginRefused
        );
    }
    let limited = open(&stage, from("198.51.100.1", "pat", PASSWORD))
        .await
        .unwrap_err();
    assert_eq!(limited.reason, Reason::LimitExceeded);
    open(&stage, from("198.51.100.2", "pat", PASSWORD))
        .await
        .unwrap();
    stage.later(1000);
    open(&stage, from("198.51.100.1", "pat", PASSWORD))
        .await
        .unwrap();
}
