//! From what is typed to what is asked.

use std::any::Any;

use super::*;

/// The one request that a command line becomes.
pub(super) async fn asked<Q: Any>(line: &str) -> Q {
    let authority = Authority::default();
    let shell = Shell {
        stdin: "tka_presented\n",
        ..Shell::new(authority.serve().await)
    };
    let words: Vec<_> = line.split_whitespace().collect();
    shell.run(&words).await;
    authority.asked().pop().unwrap()
}

pub(super) fn text(text: &str) -> String {
    text.to_owned()
}

pub(super) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().copied().map(text).collect()
}

pub(super) fn at(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

pub(super) fn assignment(department: &str, user_type: &str) -> v1::Assignment {
    v1::Assignment {
        department: text(department),
        user_type: text(user_type),
    }
}

#[tokio::test]
async fn library_create() {
    let request: v1::CreateLibraryRequest = asked(
        "library create acme --display-name Acme --tenant-id t-1 --tokens-enabled --default-lifetime 6mo \
         --suggested-lifetime 9mo --max-lifetime 24mo --contact-api orders --contact-api bills \
         --allowed-cidr 10.0.0.0/8 --secret-display revealable --usage-instructions {user} --session-idle-timeout 30m \
         --max-tokens-per-user 5 --request-id r",
    )
    .await;
    let expected = v1::CreateLibraryRequest {
        library: text("acme"),
        display_name: text("Acme"),
        tenant_id: text("t-1"),
        tokens_enabled: true,
        default_lifetime: text("6mo"),
        suggested_lifetime: text("9mo"),
        max_lifetime: text("24mo"),
        contact_apis: texts(&["orders", "bills"]),
        allowed_cidrs: texts(&["10.0.0.0/8"]),
        secret_display: v1::SecretDisplay::Revealable.into(),
        usage_instructions: text("{user}"),
        session_idle_timeout: text("30m"),
        max_tokens_per_user: 5,
        request_id: text("r"),
    };
    assert_eq!(request, expected);
}

#[tokio::test]
async fn library_get_and_delete() {
    let request: v1::GetLibraryRequest = asked("library get").await;
    assert_eq!(request.library, "");
    let request: v1::GetLibraryRequest = asked("library get acme").await;
    assert_eq!(request.library, "acme");
    let request: v1::DeleteLibraryRequest =
        asked("library delete acme --etag e --request-id r").await;
    let expected = v1::DeleteLibraryRequest {
        library: text("acme"),
        etag: text("e"),
        request_id: text("r"),
    };
    assert_eq!(request, expected);
}

#[tokio::test]
async fn library_update_sends_what_was_given_and_nothing_else() {
    let request: v1::UpdateLibraryRequest = asked("library update acme --request-id r").await;
    let nothing = v1::UpdateLibraryRequest {
        library: text("acme"),
        request_id: text("r"),
        ..Default::default()
    };
    assert_eq!(request, nothing);

    let request: v1::UpdateLibraryRequest = asked(
        "library update acme --state disabled --tokens-enabled false --max-lifetime 1y --clear tenant-id \
         --max-tokens-per-user 0 --dry-run --clear allowed-cidrs --etag e --request-id r",
    )
    .await;
    let expected = v1::UpdateLibraryRequest {
        state: Some(v1::LibraryState::Disabled.into()),
        tokens_enabled: Some(false),
        max_lifetime: Some(text("1y")),
        max_tokens_per_user: Some(0),
        dry_run: true,
        clear: texts(&["tenant_id", "allowed_cidrs"]),
        etag: text("e"),
        ..nothing
    };
    assert_eq!(request, expected);
}

#[tokio::test]
async fn user_type_verbs() {
    let request: v1::CreateUserTypeRequest = asked(
        "user-type create clerk --library acme --permission a:b --permission c:* --request-id r",
    )
    .await;
    let expected = v1::CreateUserTypeRequest {
        library: text("acme"),
        user_type: text("clerk"),
        permissions: texts(&["a:b", "c:*"]),
        request_id: text("r"),
    };
    assert_eq!(request, expected);
    let request: v1::UpdateUserTypeRequest =
        asked("user-type update clerk --library acme --clear permissions --etag e --request-id r")
            .await;
    let expected = v1::UpdateUserTypeRequest {
        library: text("acme"),
        user_type: text("clerk"),
        permissions: vec![],
        clear: texts(&["permissions"]),
        etag: text("e"),
        request_id: text("r"),
    };
    assert_eq!(request, expected);
    let request: v1::GetUserTypeRequest = asked("user-type get clerk").await;
    assert_eq!(
        (request.library.as_str(), request.user_type.as_str()),
        ("", "clerk")
    );
    let request: v1::ListUserTypesRequest = asked("user-type list --library acme --limit 7").await;
    assert_eq!((request.library.as_str(), request.page_size), ("acme", 7));
    let request: v1::DeleteUserTypeRequest = asked("user-type delete clerk --library acme").await;
    assert_eq!(
        (request.library.as_str(), request.user_type.as_str()),
        ("acme", "clerk")
    );
}

#[tokio::test]
async fn user_create_and_update() {
    let request: v1::CreateUserRequest = asked(
        "user create eve --library acme --display-name Eve --email eve@x.org --kind contact --data-owner c-7 \
         --assign sales:clerk --assign reader --request-id r",
    )
    .await;
    let expected = v1::CreateUserRequest {
        library: text("acme"),
        user: text("eve"),
        display_name: text("Eve"),
        email: text("eve@x.org"),
        kind: v1::UserKind::Contact.into(),
        assignments: vec![assignment("sales", "clerk"), assignment("", "reader")],
        data_owner: text("c-7"),
        request_id: text("r"),
    };
    assert_eq!(request, expected);
    let request: v1::UpdateUserRequest =
        asked("user update eve --state disabled --clear email --clear assignments --etag e --request-id r").await;
    let expected = v1::UpdateUserRequest {
        user: text("eve"),
        state: Some(v1::UserState::Disabled.into()),
        clear: texts(&["email", "assignments"]),
        etag: text("e"),
        request_id: text("r"),
        ..Default::default()
    };
    assert_eq!(request, expected);
}

#[tokio::test]
async fn user_get_list_and_delete() {
    let request: v1::GetUserRequest = asked("user get eve --library acme").await;
    assert_eq!(
        (request.library.as_str(), request.user.as_str()),
        ("acme", "eve")
    );
    let request: v1::ListUsersRequest = asked("user list").await;
    assert_eq!((request.library.as_str(), request.page_size), ("", 1000));
    let request: v1::DeleteUserRequest = asked("user delete eve --library acme --etag e").await;
    assert_eq!((request.user.as_str(), request.etag.as_str()), ("eve", "e"));
}

#[test]
fn an_assignment_of_nothing_is_a_usage_error() {
    for wrong in ["", "sales:", ":clerk"] {
        let line = [
            "token-authority",
            "user",
            "create",
            "eve",
            "--assign",
            wrong,
        ];
        assert!(Cli::try_parse_from(line).is_err(), "{wrong:?}");
    }
}

#[tokio::test]
async fn audit_and_library_list() {
    let request: v1::ListAuditEventsRequest = asked("audit --library acme --limit 5").await;
    assert_eq!((request.library.as_str(), request.page_size), ("acme", 5));
    let request: v1::ListAuditEventsRequest = asked(
        "audit --library-uid 0f --token-id id --user jane --actor acme/tom --action token. \
         --since 2026-01-01T00:00:00Z --until 2026-02-01T00:00:00Z",
    )
    .await;
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let expected = v1::ListAuditEventsRequest {
        library_uid: text("0f"),
        page_size: 1000,
        token_id: text("id"),
        user: text("jane"),
        actor: text("acme/tom"),
        action: text("token."),
        since: at(1_767_225_600),
        until: at(1_769_904_000),
        ..v1::ListAuditEventsRequest::default()
    };
    assert_eq!(request, expected);
    let request: v1::ListLibrariesRequest = asked("library list").await;
    assert_eq!(request.page_size, 1000);
}

#[tokio::test]
async fn every_change_carries_an_id_of_its_own() {
    for line in ["token revoke id", "token resume id"] {
        let authority = Authority::default();
        let shell = Shell::new(authority.serve().await);
        let words: Vec<_> = line.split_whitespace().collect();
        shell.run(&words).await;
        shell.run(&words).await;
        let asked = std::mem::take(&mut authority.0.lock().unwrap().asked);
        let ids: Vec<_> = asked
            .into_iter()
            .map(
                |(request, _)| match request.downcast::<v1::RevokeTokenRequest>() {
                    Ok(revoke) => revoke.request_id,
                    Err(other) => {
                        other
                            .downcast::<v1::ResumeTokenRequest>()
                            .unwrap()
                            .request_id
                    }
                },
            )
            .collect();
        assert_eq!(ids[0].len(), 36);
        assert_ne!(ids[0], ids[1]);
    }
}
