//! The requests that token commands and verify send.

use super::requests::*;
use super::*;

#[tokio::test]
async fn token_create() {
    let request: v1::CreateTokenRequest = asked(
        "token create --library acme --user till --display-name n --description d --expires 2027-06-30T02:00:00+02:00 \
         --not-before 1970-01-01T00:00:01.5Z --suspended --department sales --user-type clerk \
         --access-right read-only --permission a:b --permission c:d --api x --allowed-cidr 10.0.0.0/8 --request-id r",
    )
    .await;
    let expected = v1::CreateTokenRequest {
        library: text("acme"),
        user: text("till"),
        display_name: text("n"),
        description: text("d"),
        expire_time: Some(at(1_814_313_600)),
        lifetime: String::new(),
        not_before: Some(prost_types::Timestamp {
            seconds: 1,
            nanos: 500_000_000,
        }),
        suspended: true,
        department: text("sales"),
        user_type: text("clerk"),
        access_right: v1::AccessRight::ReadOnly.into(),
        permissions: texts(&["a:b", "c:d"]),
        apis: texts(&["x"]),
        allowed_cidrs: texts(&["10.0.0.0/8"]),
        request_id: text("r"),
    };
    assert_eq!(request, expected);
    // The server alone knows what a lifetime is.
    let request: v1::CreateTokenRequest =
        asked("token create --user u --description d --lifetime 2027-06-30").await;
    assert_eq!(
        (request.lifetime.as_str(), request.expire_time),
        ("2027-06-30", None)
    );
}

#[test]
fn a_token_command_that_contradicts_itself_is_a_usage_error() {
    for wrong in [
        "create --user u --display-name n --lifetime 1y --expires 2027-06-30T00:00:00Z",
        "create --user u",
        "create --user u --display-name n --department sales",
        "create --user u --display-name n --expires tomorrow",
        "extend id --extend-by 1y --expires 2027-06-30T00:00:00Z",
        "revoke id --reason bored",
        "update id --clear user",
    ] {
        let line = ["token-authority", "token"]
            .into_iter()
            .chain(wrong.split_whitespace());
        let error = Cli::try_parse_from(line).expect_err(wrong);
        assert_eq!(error.exit_code(), Exit::Usage as i32, "{wrong}");
    }
}

#[tokio::test]
async fn token_get_and_list() {
    let request: v1::GetTokenRequest = asked("token get id").await;
    assert_eq!(request.token_id, "id");
    let request: v1::ListTokensRequest =
        asked("token list --library acme --user till --show-revoked --limit 3").await;
    let expected = v1::ListTokensRequest {
        library: text("acme"),
        user: text("till"),
        show_revoked: true,
        page_size: 3,
        ..v1::ListTokensRequest::default()
    };
    assert_eq!(request, expected);
    let request: v1::ListTokensRequest = asked("token list --library-uid 0f").await;
    assert_eq!(request.library_uid, "0f");
}

#[tokio::test]
async fn token_list_sends_every_filter() {
    let request: v1::ListTokensRequest = asked(
        "token list --state expired --state owner-deleted --department north --user-type clerk \
         --created-after 2026-01-01T00:00:00Z --created-before 2026-02-01T00:00:00Z \
         --expires-after 2027-01-01T00:00:00Z --expires-before 2027-02-01T00:00:00Z \
         --issued-by acme/jane --name till --permission orders:read --restricted false \
         --longer-than-policy --imported weak --sort expires --limit 3 --used-after 2026-01-01T00:00:00Z \
         --used-before 2026-02-01T00:00:00Z",
    )
    .await;
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let expected = v1::ListTokensRequest {
        page_size: 3,
        states: vec![
            v1::TokenState::Expired.into(),
            v1::TokenState::OwnerDeleted.into(),
        ],
        department: text("north"),
        user_type: text("clerk"),
        created_after: at(1_767_225_600),
        created_before: at(1_769_904_000),
        expires_after: at(1_798_761_600),
        expires_before: at(1_801_440_000),
        issued_by: text("acme/jane"),
        name_contains: text("till"),
        permission: text("orders:read"),
        restricted_by_ip: Some(false),
        longer_than_policy: true,
        used_after: at(1_767_225_600),
        used_before: at(1_769_904_000),
        imported: v1::ImportStrength::Weak.into(),
        sort: v1::TokenSort::Expires.into(),
        ..v1::ListTokensRequest::default()
    };
    assert_eq!(request, expected);
    let request: v1::ListTokensRequest =
        asked("token list --expires-within 30d --restricted true").await;
    let expected = v1::ListTokensRequest {
        page_size: 1000,
        expires_within: text("30d"),
        restricted_by_ip: Some(true),
        ..v1::ListTokensRequest::default()
    };
    assert_eq!(request, expected);
}

#[test]
fn filters_that_contradict_each_other_are_no_command() {
    for wrong in [
        "list --state active --show-revoked",
        "list --unused-for 90d --used-after 2027-01-01T00:00:00Z",
        "list --unused-for soon",
        "list --unused-for -90d",
        "list --expires-within 30d --expires-after 2027-01-01T00:00:00Z",
        "list --expires-within 30d --expires-before 2027-01-01T00:00:00Z",
        "list --restricted",
        "list --restricted perhaps",
        "list --state asleep",
        "list --sort name",
        "list --created-after yesterday",
    ] {
        let line = ["token-authority", "token"]
            .into_iter()
            .chain(wrong.split_whitespace());
        let error = Cli::try_parse_from(line).expect_err(wrong);
        assert_eq!(error.exit_code(), Exit::Usage as i32, "{wrong}");
    }
}

#[tokio::test]
async fn token_update_sends_what_was_given_and_nothing_else() {
    let request: v1::UpdateTokenRequest = asked("token update id --request-id r").await;
    let nothing = v1::UpdateTokenRequest {
        token_id: text("id"),
        request_id: text("r"),
        ..Default::default()
    };
    assert_eq!(request, nothing);
    let request: v1::UpdateTokenRequest = asked(
        "token update id --display-name n --expires 2027-06-30T00:00:00Z --access-right custom --permission a:b \
         --clear user-type --clear apis --etag e --request-id r",
    )
    .await;
    let expected = v1::UpdateTokenRequest {
        display_name: Some(text("n")),
        expire_time: Some(at(1_814_313_600)),
        access_right: Some(v1::AccessRight::Custom.into()),
        permissions: texts(&["a:b"]),
        clear: texts(&["user_type", "apis"]),
        etag: text("e"),
        ..nothing
    };
    assert_eq!(request, expected);
}

#[tokio::test]
async fn token_extend_suspend_and_resume() {
    let request: v1::ExtendTokenRequest =
        asked("token extend id --extend-by 90d --etag e --request-id r").await;
    let expected = v1::ExtendTokenRequest {
        token_id: text("id"),
        extend_by: text("90d"),
        expire_time: None,
        etag: text("e"),
        request_id: text("r"),
    };
    assert_eq!(request, expected);
    let request: v1::ExtendTokenRequest =
        asked("token extend id --expires 2027-06-30T00:00:00Z").await;
    assert_eq!(
        (request.extend_by.as_str(), request.expire_time),
        ("", Some(at(1_814_313_600)))
    );
    let request: v1::SuspendTokenRequest =
        asked("token suspend id --reason leave --etag e --request-id r").await;
    let expected = v1::SuspendTokenRequest {
        token_id: text("id"),
        reason: text("leave"),
        etag: text("e"),
        request_id: text("r"),
    };
    assert_eq!(request, expected);
    let request: v1::ResumeTokenRequest = asked("token resume id --etag e --request-id r").await;
    let expected = v1::ResumeTokenRequest {
        token_id: text("id"),
        etag: text("e"),
        request_id: text("r"),
    };
    assert_eq!(request, expected);
}

#[tokio::test]
async fn token_revoke() {
    let request: v1::RevokeTokenRequest =
        asked("token revoke id --reason no-longer-needed --comment done --request-id r").await;
    let expected = v1::RevokeTokenRequest {
        token_id: text("id"),
        reason: v1::RevocationReason::NoLongerNeeded.into(),
        comment: text("done"),
        request_id: text("r"),
    };
    assert_eq!(request, expected);
}

#[tokio::test]
async fn token_list_of_one_kind() {
    let request: v1::ListTokensRequest = asked("token list --kind session").await;
    assert_eq!(request.kind(), v1::TokenKind::Session);
    let request: v1::ListTokensRequest = asked("token list").await;
    assert_eq!(request.kind(), v1::TokenKind::Unspecified);
}

#[tokio::test]
async fn session_open_takes_the_password_from_standard_input() {
    let request: v1::OpenSessionRequest =
        asked("session open --library acme --user ann --device phone --client-ip 192.0.2.7 --request-id r").await;
    let expected = v1::OpenSessionRequest {
        library: text("acme"),
        user: text("ann"),
        password: text("tka_presented"),
        device_name: text("phone"),
        client_ip: text("192.0.2.7"),
        request_id: text("r"),
    };
    assert_eq!(request, expected);
    let argument = [
        "token-authority",
        "session",
        "open",
        "--user",
        "ann",
        "a-password",
    ];
    assert!(Cli::try_parse_from(argument).is_err());
}

#[tokio::test]
async fn user_set_password_takes_it_from_standard_input_or_removes_it() {
    let request: v1::SetPasswordRequest =
        asked("user set-password ann --library acme --request-id r").await;
    let expected = v1::SetPasswordRequest {
        library: text("acme"),
        user: text("ann"),
        password: text("tka_presented"),
        remove: false,
        request_id: text("r"),
    };
    assert_eq!(request, expected);
    let request: v1::SetPasswordRequest = asked("user set-password --remove --request-id r").await;
    let expected = v1::SetPasswordRequest {
        remove: true,
        request_id: text("r"),
        ..v1::SetPasswordRequest::default()
    };
    assert_eq!(request, expected);
}

#[tokio::test]
async fn verify_takes_the_token_from_standard_input() {
    let request: v1::VerifyRequest = asked(
        "verify --library acme --permission a:b --permission c:d --department sales --api x --data-owner c-7 \
         --client-ip 192.0.2.7 --filter data-owner --filter department",
    )
    .await;
    let expected = v1::VerifyRequest {
        token: text("tka_presented"),
        library: text("acme"),
        permissions: texts(&["a:b", "c:d"]),
        department: text("sales"),
        api: text("x"),
        data_owner: text("c-7"),
        client_ip: text("192.0.2.7"),
        filters: vec![v1::Filter::DataOwner.into(), v1::Filter::Department.into()],
    };
    assert_eq!(request, expected);
    assert!(Cli::try_parse_from(["token-authority", "verify", "tka_presented"]).is_err());
}

#[tokio::test]
async fn token_rotate_sends_what_was_given() {
    let request: v1::RotateTokenRequest =
        asked("token rotate id --overlap 2h --lifetime 90d --etag e --request-id r").await;
    let expected = v1::RotateTokenRequest {
        token_id: text("id"),
        overlap: text("2h"),
        lifetime: text("90d"),
        expire_time: None,
        etag: text("e"),
        request_id: text("r"),
    };
    assert_eq!(request, expected);
}

#[tokio::test]
async fn token_revoke_of_several_and_of_all() {
    let request: v1::RevokeTokensRequest =
        asked("token revoke one two --reason compromised --request-id r").await;
    let expected = v1::RevokeTokensRequest {
        token_ids: vec![text("one"), text("two")],
        all: None,
        reason: v1::RevocationReason::Compromised.into(),
        comment: String::new(),
        request_id: text("r"),
    };
    assert_eq!(request, expected);
    let request: v1::RevokeTokensRequest =
        asked("token revoke-all --library acme --user jane --sessions-only").await;
    let all = request.all.unwrap();
    assert_eq!((all.library.as_str(), all.user.as_str()), ("acme", "jane"));
    assert!(all.sessions_only && request.token_ids.is_empty());
    let request: v1::RevokeTokensRequest =
        asked("token revoke-all --whole-library --yes --created-before 2026-11-20T00:00:00Z").await;
    let all = request.all.unwrap();
    assert_eq!(all.created_before.unwrap().seconds, 1_795_132_800);
    assert!(all.user.is_empty());
}
