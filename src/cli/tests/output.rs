//! From what is answered to what is written.

use super::*;

const SECRET: &str = "tka_0123456789abcdefABCDEF_secret";

fn token() -> v1::Token {
    v1::Token {
        token_id: "0123456789abcdefABCDEF".to_owned(),
        kind: v1::TokenKind::Api.into(),
        library: "acme".to_owned(),
        user: "till".to_owned(),
        display_name: "till 7".to_owned(),
        state: v1::TokenState::Active.into(),
        expire_time: Some(prost_types::Timestamp {
            seconds: 1_814_313_600,
            nanos: 0,
        }),
        access_right: v1::AccessRight::Custom.into(),
        permissions: vec!["orders:read".to_owned(), "orders:write".to_owned()],
        ..Default::default()
    }
}

fn created() -> v1::CreateTokenResponse {
    let warnings = vec!["the lifetime is longer than 12mo".to_owned()];
    v1::CreateTokenResponse {
        token: Some(token()),
        secret: SECRET.to_owned(),
        warnings,
        usage: String::new(),
    }
}

const CREATE: &[&str] = &[
    "token",
    "create",
    "--user",
    "till",
    "--display-name",
    "till 7",
];

#[tokio::test]
async fn a_created_secret_stands_alone_on_standard_output() {
    let authority = Authority::default().then(created());
    let ended = Shell::new(authority.serve().await).run(CREATE).await;
    assert_eq!(
        (ended.exit, ended.stdout),
        (Exit::Success, format!("{SECRET}\n"))
    );
    assert!(!ended.stderr.contains(SECRET));
    let facts = "\
token-id      0123456789abcdefABCDEF
kind          api
library       acme
user          till
display-name  till 7
state         active
expires       2027-06-30T00:00:00Z (in 166 d)
access-right  custom
permission    orders:read, orders:write
warning: the lifetime is longer than 12mo
";
    assert_eq!(ended.stderr, facts);
}

#[tokio::test]
async fn for_scripts_the_whole_answer_is_one_json_document_on_standard_output() {
    let authority = Authority::default().then(created());
    let ended = Shell::new(authority.serve().await)
        .run(&[CREATE, &["-o", "json"]].concat())
        .await;
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(json["secret"], SECRET);
    assert_eq!(json["token"]["tokenId"], "0123456789abcdefABCDEF");
    assert_eq!(json["token"]["state"], "TOKEN_STATE_ACTIVE");
    assert_eq!(json["token"]["expireTime"], "2027-06-30T00:00:00Z");
    assert_eq!(json["token"]["apis"], serde_json::json!([]));
    assert_eq!(json["warnings"][0], "the lifetime is longer than 12mo");
    assert_eq!(ended.stderr, "");
}

#[tokio::test]
async fn a_secret_that_nobody_read_is_not_a_success() {
    for format in ["table", "json"] {
        let authority = Authority::default().then(created());
        let line = [CREATE, &["-o", format, "--request-id", "1234"]].concat();
        let (exit, stderr) = Shell::new(authority.serve().await)
            .run_to(&line, &mut Gone)
            .await;
        assert_eq!(exit, Exit::Failed);
        assert!(
            stderr.contains("token 0123456789abcdefABCDEF was made"),
            "{stderr}"
        );
        assert!(
            stderr.contains("--request-id 1234") && !stderr.contains(SECRET),
            "{stderr}"
        );
    }
}

#[tokio::test]
async fn a_reader_that_has_gone_is_no_error_elsewhere() {
    let refused = v1::VerifyResponse {
        verdict: v1::Verdict::Expired.into(),
        ..Default::default()
    };
    let authority = Authority::default()
        .then(v1::GetTokenResponse {
            token: Some(token()),
            ..Default::default()
        })
        .then(refused);
    let shell = Shell {
        stdin: "tka_x",
        ..Shell::new(authority.serve().await)
    };
    assert_eq!(
        shell.run_to(&["token", "get", "id"], &mut Gone).await,
        (Exit::Success, String::new())
    );
    // The verdict still counts.
    assert_eq!(
        shell.run_to(&["verify"], &mut Gone).await,
        (Exit::Refused, String::new())
    );
}

#[tokio::test]
async fn a_list_is_a_table_with_a_cell_for_each_heading() {
    let plain = v1::Token {
        token_id: "b".to_owned(),
        state: 6,
        expire_time: None,
        ..Default::default()
    };
    let first = v1::ListTokensResponse {
        tokens: vec![token()],
        next_page_token: "more".to_owned(),
    };
    let second = v1::ListTokensResponse {
        tokens: vec![plain],
        next_page_token: String::new(),
    };
    let authority = Authority::default().then(first).then(second);
    let ended = Shell::new(authority.serve().await)
        .run(&["token", "list"])
        .await;
    let table = "\
TOKEN-ID                KIND  USER  NAME    STATE          EXPIRES   LAST-USED
0123456789abcdefABCDEF  api   till  till 7  active         in 166 d  -
b                       -     -     -       owner-deleted  -         -
";
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), (table, ""));
    let pages: Vec<v1::ListTokensRequest> = authority.asked();
    assert_eq!(
        pages
            .iter()
            .map(|page| page.page_token.as_str())
            .collect::<Vec<_>>(),
        ["", "more"]
    );
}

/// A list with one token in it, as these options want it.
async fn listed(options: &[&str], colours: bool) -> Ended {
    let page = v1::ListTokensResponse {
        tokens: vec![token()],
        next_page_token: String::new(),
    };
    let shell = Shell {
        colours,
        ..Shell::new(Authority::default().then(page).serve().await)
    };
    shell.run(&[&["token", "list"], options].concat()).await
}

#[tokio::test]
async fn a_wide_table_has_more_columns_and_tells_times_to_the_second() {
    let wide = listed(&["-o", "wide"], false).await.stdout;
    let (heading, row) = wide.split_once('\n').unwrap();
    let columns: Vec<&str> = heading.split_whitespace().collect();
    for column in [
        "EXPIRES",
        "PERMISSION",
        "ALLOWED-CIDR",
        "ISSUED-BY",
        "CREATED",
    ] {
        assert!(columns.contains(&column), "{heading}");
    }
    assert!(row.contains("2027-06-30T00:00:00Z"), "{row}");
    assert!(row.contains("orders:read, orders:write"), "{row}");
}

#[tokio::test]
async fn yaml_is_the_same_message_as_json() {
    let yaml = listed(&["-o", "yaml"], false).await.stdout;
    for line in [
        "tokens:",
        "tokenId: 0123456789abcdefABCDEF",
        "state: TOKEN_STATE_ACTIVE",
        "expireTime: \"2027-06-30T00:00:00Z\"",
        "apis: []",
        "nextPageToken: \"\"",
    ] {
        let told = yaml
            .lines()
            .any(|told| told.trim_start_matches([' ', '-']).starts_with(line));
        assert!(told, "{line}: {yaml}");
    }
}

#[tokio::test]
async fn colours_are_where_they_are_wanted_and_change_no_column() {
    const GREEN: &str = "\u{1b}[32mactive\u{1b}[0m";
    let plain = listed(&[], false).await.stdout;
    assert!(!plain.contains('\u{1b}'), "{plain}");
    let coloured = listed(&[], true).await.stdout;
    assert!(coloured.contains(GREEN), "{coloured}");
    let bare: String = coloured
        .replace("\u{1b}[32m", "")
        .replace("\u{1b}[1m", "")
        .replace("\u{1b}[0m", "");
    assert_eq!(bare, plain);
    assert_eq!(listed(&["--color", "never"], true).await.stdout, plain);
    assert_eq!(listed(&["--color", "always"], false).await.stdout, coloured);
    for form in ["json", "yaml", "name"] {
        let told = listed(&["-o", form, "--color", "always"], true)
            .await
            .stdout;
        assert!(!told.contains('\u{1b}'), "{told}");
    }
}

#[tokio::test]
async fn a_table_fits_the_terminal() {
    let library = v1::Library {
        library: "acme".to_owned(),
        display_name: "a long name ".repeat(20),
        ..Default::default()
    };
    let page = v1::ListLibrariesResponse {
        libraries: vec![library],
        next_page_token: String::new(),
    };
    let authority = Authority::default().then(page);
    let shell = Shell {
        width: Some(80),
        ..Shell::new(authority.serve().await)
    };
    let ended = shell.run(&["library", "list"]).await;
    assert!(ended.stdout.lines().count() > 2, "{}", ended.stdout);
    assert!(
        ended.stdout.lines().all(|line| line.len() <= 80),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn a_list_that_was_cut_says_so_aside() {
    let page = v1::ListTokensResponse {
        tokens: vec![token()],
        next_page_token: "more".to_owned(),
    };
    let authority = Authority::default().then(page);
    let ended = Shell::new(authority.serve().await)
        .run(&["token", "list", "--limit", "1"])
        .await;
    assert_eq!(ended.stdout.lines().count(), 2);
    assert!(
        ended.stderr.starts_with("note: there are more"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_refused_token_is_told_from_a_good_one_and_from_a_failed_call() {
    let valid = v1::VerifyResponse {
        verdict: v1::Verdict::Valid.into(),
        message: "good".to_owned(),
        assignments: vec![v1::Assignment {
            department: "sales".to_owned(),
            user_type: "clerk".to_owned(),
        }],
        ..Default::default()
    };
    let revoked = v1::VerifyResponse {
        verdict: v1::Verdict::Revoked.into(),
        message: "it was revoked".to_owned(),
        ..Default::default()
    };
    let authority = Authority::default()
        .then(valid)
        .then(revoked)
        .then_fail(Status::permission_denied("no"));
    let shell = Shell {
        stdin: "tka_presented\n",
        ..Shell::new(authority.serve().await)
    };
    let good = shell.run(&["verify"]).await;
    assert_eq!(
        (good.exit, good.stdout.as_str()),
        (
            Exit::Success,
            "verdict  valid\nmessage  good\nassign   sales:clerk\n"
        )
    );
    let bad = shell.run(&["verify"]).await;
    assert_eq!(
        (bad.exit, bad.stdout.as_str()),
        (Exit::Refused, "verdict  revoked\nmessage  it was revoked\n")
    );
    let failed = shell.run(&["verify"]).await;
    assert_eq!((failed.exit, failed.stdout.as_str()), (Exit::Failed, ""));
    assert_eq!(failed.stderr, "error: no\n");
}

#[tokio::test]
async fn an_ended_token_says_when_and_by_whom() {
    let at = Some(prost_types::Timestamp {
        seconds: 1_800_000_000,
        nanos: 0,
    });
    let (by, reason) = (
        "acme/ann".to_owned(),
        v1::RevocationReason::Compromised.into(),
    );
    let revocation = v1::Revocation {
        time: at,
        reason,
        revoked_by: by,
        comment: "in a log".to_owned(),
    };
    let token = v1::Token {
        revocation: Some(revocation),
        ..token()
    };
    let authority = Authority::default().then(v1::GetTokenResponse {
        token: Some(token),
        ..Default::default()
    });
    let ended = Shell::new(authority.serve().await)
        .run(&["token", "get", "id"])
        .await;
    let line = "revoked       2027-01-15T08:00:00Z by acme/ann: compromised, in a log\n";
    assert!(ended.stdout.contains(line), "{}", ended.stdout);
}

#[tokio::test]
async fn what_is_deleted_is_named() {
    let authority = Authority::default();
    let shell = Shell::new(authority.serve().await);
    assert_eq!(
        shell.run(&["user", "delete", "ann"]).await.stdout,
        "user ann is deleted\n"
    );
    assert_eq!(
        shell
            .run(&["-o", "json", "user", "delete", "ann"])
            .await
            .stdout,
        "{}\n"
    );
}

#[tokio::test]
async fn an_expiry_that_was_held_back_is_warned_of() {
    let held = v1::ExtendTokenResponse {
        token: Some(token()),
        clamped: Some(true),
        warnings: vec![],
    };
    let told = v1::ExtendTokenResponse {
        warnings: vec!["it lasts long".to_owned()],
        ..held.clone()
    };
    let authority = Authority::default().then(held).then(told);
    let shell = Shell::new(authority.serve().await);
    let extend = ["token", "extend", "id"];
    assert!(
        shell
            .run(&extend)
            .await
            .stderr
            .starts_with("warning: the expiry is the latest")
    );
    // Whatever else there is to be told.
    let told = shell.run(&extend).await.stderr;
    assert!(told.starts_with("warning: it lasts long\nwarning: the expiry is"));
}
