//! Logging in, as a login page and the people behind it see it.

use std::time::{Duration, Instant};

use token_authority::proto::v1::{
    CreateTokenRequest, ErrorReason, GetTokenRequest, ListTokensRequest, OpenSessionRequest,
    SetPasswordRequest, Token, TokenKind, UpdateUserRequest, UserState, Verdict,
};
use tonic_types::StatusExt as _;

use crate::refusal::{assert_refused, fields_of, reason_of};
use crate::world::{ACME, RIVAL, SELF, VERIFY, World, presenting, texts};

const PASSWORD: &str = "correct horse battery staple";

/// A login of a user of [`ACME`].
pub(crate) fn login(user: &str, password: &str) -> OpenSessionRequest {
    OpenSessionRequest {
        library: ACME.into(),
        user: user.into(),
        password: password.into(),
        device_name: "phone".into(),
        ..Default::default()
    }
}

/// Guesses at the password of a user until that is limited, and tells how it was.
async fn guess(world: &World, user: &str) -> Duration {
    let mut admin = world.operator.admin.clone();
    for _ in 0..5 {
        let guessed = admin.open_session(login(user, "a wrong guess")).await;
        assert_refused(guessed, ErrorReason::LoginRefused);
    }
    let limited = admin.open_session(login(user, PASSWORD)).await;
    let status = assert_refused(limited, ErrorReason::LimitExceeded);
    let retry = status.get_details_retry_info().expect("RetryInfo");
    retry.retry_delay.expect("a delay")
}

#[tokio::test]
async fn a_person_sets_a_password_logs_in_and_serves_itself_with_the_session() {
    let world = World::new().await;
    let gate = world.member(ACME, "gate", &[VERIFY]).await;
    world.person(ACME, "ann", &[SELF, "orders:*"]).await;
    // Before it has one, an administrator sets it; the two ways to say nothing of the user are the person's own.
    world.password(ACME, "ann", "a first password").await;
    let mut page = gate.clients.admin.clone();
    let opened = page.open_session(login("ann", "a first password")).await;
    let opened = opened.unwrap().into_inner();
    let mut ann = world.server.clients(&opened.secret);
    let own = SetPasswordRequest {
        password: PASSWORD.into(),
        ..Default::default()
    };
    ann.admin.set_password(own).await.unwrap();
    let old = page.open_session(login("ann", "a first password")).await;
    assert_refused(old, ErrorReason::LoginRefused);

    let opened = page.open_session(login("ann", PASSWORD)).await;
    let opened = opened.unwrap().into_inner();
    let session = opened.token.unwrap();
    assert_eq!(session.kind(), TokenKind::Session);
    assert_eq!(
        (session.user.as_str(), session.device_name.as_str()),
        ("ann", "phone")
    );
    assert_eq!(session.issued_by, "acme/ann");
    let found = crate::world::verify(&gate.clients, presenting(&opened.secret)).await;
    assert_eq!(
        (found.verdict(), found.kind()),
        (Verdict::Valid, TokenKind::Session)
    );
    assert_eq!(
        found.permissions,
        ["tokens:self", "tokens:self-rotate", "orders:*"]
    );

    // The list of who is logged in, and one of them in full.
    let sessions = ListTokensRequest {
        kind: TokenKind::Session.into(),
        ..Default::default()
    };
    ann = world.server.clients(&opened.secret);
    let listed = ann
        .admin
        .list_tokens(sessions.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.tokens.len(), 2);
    let get = GetTokenRequest {
        token_id: session.token_id.clone(),
    };
    let shown = ann.admin.get_token(get).await.unwrap().into_inner();
    let token = shown.token.unwrap();
    assert!(token.last_use.is_some(), "it was used since");
    let unused = Token {
        last_use: None,
        ..token
    };
    assert_eq!(unused, session);
    assert_eq!(shown.user.unwrap().user, "ann");
    let narrow = CreateTokenRequest {
        display_name: "narrow".into(),
        permissions: texts(&[SELF, "orders:read"]),
        ..Default::default()
    };
    let made = ann.admin.create_token(narrow).await.unwrap().into_inner();
    let listed = ann.admin.list_tokens(sessions).await.unwrap().into_inner();
    assert_eq!(
        listed.tokens.len(),
        2,
        "tokens of the other kind are not listed"
    );
    // A login has more than this token: setting the password would widen it.
    let own = SetPasswordRequest {
        password: "a third password".into(),
        ..Default::default()
    };
    let mut narrow = world.server.clients(&made.secret).admin;
    assert_refused(
        narrow.set_password(own).await,
        ErrorReason::PermissionDenied,
    );

    // All of it is as durable as any token.
    let world = world.killed_and_started().await;
    assert_eq!(world.verdict(&opened.secret).await, Verdict::Valid);
    let mut admin = world.operator.admin.clone();
    admin.open_session(login("ann", PASSWORD)).await.unwrap();
}

#[tokio::test]
async fn a_login_that_fails_says_nothing_of_why_in_its_words_nor_in_its_time() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:*"]).await;
    world.user(ACME, "ben", &["ann"]).await;
    world.password(ACME, "ann", PASSWORD).await;
    world.password(ACME, "ben", PASSWORD).await;
    let disable = UpdateUserRequest {
        library: ACME.into(),
        user: "ben".into(),
        state: Some(UserState::Disabled.into()),
        ..Default::default()
    };
    let mut directory = world.operator.directory.clone();
    directory.update_user(disable).await.unwrap();
    let mut admin = world.operator.admin.clone();
    let mut told = Vec::new();
    for (user, password) in [("ann", "wrong"), ("nobody", PASSWORD), ("ben", PASSWORD)] {
        let mut fastest = Duration::MAX;
        for _ in 0..5 {
            let started = Instant::now();
            let answer = admin.open_session(login(user, password)).await;
            fastest = fastest.min(started.elapsed());
            let status = assert_refused(answer, ErrorReason::LoginRefused);
            told.push((status.message().to_owned(), status.details().to_vec()));
        }
        // Without its hash, an answer takes a hundredth of this.
        assert!(fastest > Duration::from_millis(5), "{user}: {fastest:?}");
    }
    assert!(told.iter().all(|one| *one == told[0]));
}

#[tokio::test]
async fn guesses_are_limited_per_user_and_verify_and_other_users_do_not_notice() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:*"]).await;
    world.user(ACME, "ben", &["ann"]).await;
    world.password(ACME, "ann", PASSWORD).await;
    world.password(ACME, "ben", PASSWORD).await;
    for user in ["ann", "nobody"] {
        let wait = guess(&world, user).await;
        assert!((20..=30).contains(&wait.as_secs()), "{wait:?}");
    }
    let mut admin = world.operator.admin.clone();
    admin.open_session(login("ben", PASSWORD)).await.unwrap();
}

#[tokio::test]
async fn more_logins_at_once_than_can_wait_are_told_to_come_again_while_verify_goes_on() {
    /// More than the queue takes, and than all the threads of any machine that tests run on.
    const LOGINS: usize = 200;
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:*"]).await;
    world.password(ACME, "ann", PASSWORD).await;
    let began = Instant::now();
    let mut logins = tokio::task::JoinSet::new();
    for number in 0..LOGINS {
        let mut admin = world.operator.admin.clone();
        let address = format!("198.51.{}.{}", number / 200, number % 200);
        logins.spawn(async move {
            let request = OpenSessionRequest {
                client_ip: address,
                ..login(&format!("nobody-{number}"), PASSWORD)
            };
            admin.open_session(request).await
        });
    }
    let mut fastest = Duration::MAX;
    for _ in 0..20 {
        let started = Instant::now();
        assert_eq!(world.verdict("nonsense").await, Verdict::Malformed);
        fastest = fastest.min(started.elapsed());
    }
    let (mut refused, mut turned_away) = (0, 0);
    for answer in logins.join_all().await {
        match reason_of(&answer.expect_err("nobody logs in")) {
            ErrorReason::LoginRefused => refused += 1,
            ErrorReason::LimitExceeded => turned_away += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(refused >= 32 && turned_away > 0, "{refused}, {turned_away}");
    let whole = began.elapsed();
    assert!(fastest * 8 < whole, "{fastest:?} of {whole:?}");
    crate::report(&format!(
        "{LOGINS} logins at once: {refused} were checked, {turned_away} turned away, in {whole:?}; a Verify beside them took {fastest:?}"
    ));
}

#[tokio::test]
async fn what_is_no_login_and_no_password_is_told_field_by_field() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:*"]).await;
    let mut admin = world.operator.admin.clone();
    let bad = OpenSessionRequest {
        user: "Ann".into(),
        password: String::new(),
        device_name: "x".repeat(129),
        client_ip: "10.0.0.1:80".into(),
        ..login("", "")
    };
    let status = assert_refused(admin.open_session(bad).await, ErrorReason::InvalidFields);
    assert_eq!(
        fields_of(&status),
        ["password", "user", "device_name", "client_ip"]
    );
    let set = |password: &str, remove| SetPasswordRequest {
        library: ACME.into(),
        user: "ann".into(),
        password: password.into(),
        remove,
        ..Default::default()
    };
    for (password, remove) in [
        ("1234567", false),
        (&"x".repeat(257), false),
        ("", false),
        (PASSWORD, true),
    ] {
        let answer = admin.set_password(set(password, remove)).await;
        let status = assert_refused(answer, ErrorReason::InvalidFields);
        assert_eq!(fields_of(&status), ["password"]);
    }
    admin.set_password(set("ÄÖÜßäöü ", false)).await.unwrap();
    admin.open_session(login("ann", "ÄÖÜßäöü ")).await.unwrap();
    admin.set_password(set("", true)).await.unwrap();
    let removed = admin.open_session(login("ann", "ÄÖÜßäöü ")).await;
    assert_refused(removed, ErrorReason::LoginRefused);
    // The user is one of this library, and of no other that has one of the same name.
    world.person(RIVAL, "ann", &["orders:*"]).await;
    world.password(RIVAL, "ann", PASSWORD).await;
    let other = admin.open_session(login("ann", PASSWORD)).await;
    assert_refused(other, ErrorReason::LoginRefused);
}
