//! `token import`: what is sent, what is shown, and how it ends.

use std::collections::HashMap;

use tonic_types::{ErrorDetails, StatusExt, pb};

use super::*;

const ITEMS: &str = concat!(
    r#"{"user": "till", "display_name": "till-7", "plaintext": "SECRET-of-7"}"#,
    "\n",
    r#"{"user": "till", "display_name": "till-8", "plaintext": "SECRET-of-8"}"#,
    "\n",
);

fn imported(token_id: &str, strength: v1::ImportStrength) -> v1::ImportTokensResult {
    v1::ImportTokensResult {
        token: Some(v1::Token {
            token_id: token_id.to_owned(),
            ..Default::default()
        }),
        strength: strength.into(),
        ..Default::default()
    }
}

fn refused(reason: &str, metadata: &[(&str, &str)]) -> v1::ImportTokensResult {
    let pairs = metadata.iter();
    let metadata: HashMap<String, String> = pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let details = ErrorDetails::with_error_info(reason, "tokenauthority.v1", metadata);
    let status = Status::with_error_details(tonic::Code::AlreadyExists, "refused so", details);
    v1::ImportTokensResult {
        error: Some(<pb::Status as prost::Message>::decode(status.details()).unwrap()),
        ..Default::default()
    }
}

async fn run(
    line: &[&str],
    answers: Vec<Vec<v1::ImportTokensResult>>,
) -> (Ended, Vec<v1::ImportTokensRequest>) {
    let authority = answers
        .into_iter()
        .fold(Authority::default(), |authority, results| {
            authority.then(v1::ImportTokensResponse { results })
        });
    let shell = Shell {
        stdin: ITEMS,
        ..Shell::new(authority.serve().await)
    };
    let ended = shell.run(line).await;
    assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("SECRET"));
    (ended, authority.asked())
}

#[tokio::test]
async fn token_import() {
    let line = [
        "token",
        "import",
        "--library",
        "acme",
        "--separator",
        ".",
        "--declared-entropy-bits",
        "128",
        "--dry-run",
    ];
    let strong = || imported("", v1::ImportStrength::Strong);
    let (ended, asked) = run(&line, vec![vec![strong(), strong()]]).await;
    assert_eq!(ended.exit, Exit::Success, "{}", ended.stderr);
    let [request] = asked.as_slice() else {
        panic!()
    };
    assert_eq!(request.items.len(), 2);
    assert_eq!(request.items[1].plaintext, "SECRET-of-8");
    let told = (
        request.library.as_str(),
        request.separator.as_str(),
        request.declared_entropy_bits,
        request.dry_run,
    );
    assert_eq!(told, ("acme", ".", 128, true));
    assert!(!request.request_id.is_empty());
    assert!(
        ended.stdout.contains("would be imported"),
        "{}",
        ended.stdout
    );
    let (_, asked) = run(
        &["token", "import", "--prefix-length", "8"],
        vec![vec![strong(), strong()]],
    )
    .await;
    assert_eq!((asked[0].prefix_length, asked[0].dry_run), (8, false));
}

#[tokio::test]
async fn an_import_tells_what_became_of_each_line_and_what_is_weak() {
    let line = ["token", "import"];
    let weak = imported("id-of-7", v1::ImportStrength::Weak);
    let there = refused(
        "ALREADY_IMPORTED",
        &[("token_id", "id-of-8"), ("same", "true")],
    );
    let (ended, _) = run(&line, vec![vec![weak.clone(), there]]).await;
    // What is certainly there already is as it was to be.
    assert_eq!(ended.exit, Exit::Success);
    for word in ["id-of-7", "weak", "id-of-8", "there already"] {
        assert!(ended.stdout.contains(word), "{word}: {}", ended.stdout);
    }
    assert!(
        ended
            .stderr
            .contains("1 imported, 1 of them weak; 1 there already; 0 failed"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("token rotate"));
    let other = refused(
        "ALREADY_IMPORTED",
        &[("token_id", "id-of-8"), ("same", "false")],
    );
    let (ended, _) = run(&line, vec![vec![weak, other]]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(
        ended.stdout.contains("refused so") && ended.stderr.contains("1 of 2 could not be done")
    );
}

#[tokio::test]
async fn what_the_server_did_not_reach_is_sent_again() {
    let strong = |id| imported(id, v1::ImportStrength::Strong);
    let answers = vec![
        vec![strong("id-of-7"), refused("LIMIT_EXCEEDED", &[])],
        vec![strong("id-of-8")],
    ];
    let (ended, asked) = run(&["token", "import"], answers).await;
    assert_eq!(ended.exit, Exit::Success, "{}", ended.stderr);
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].items.len(), 1);
    assert_eq!(asked[1].items[0].display_name, "till-8");
    assert!(ended.stdout.contains("id-of-8"));
}

#[tokio::test]
async fn a_file_that_is_none_is_a_usage_error_and_nothing_is_sent() {
    for line in [
        &["token", "import", "--file", "/nowhere/tokens.jsonl"][..],
        &["token", "import", "--format", "csv"],
    ] {
        let (ended, asked) = run(line, Vec::new()).await;
        assert_eq!(
            (ended.exit, asked.len()),
            (Exit::Usage, 0),
            "{}",
            ended.stderr
        );
    }
}
