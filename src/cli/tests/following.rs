//! `audit --follow` against an authority that breaks off.

use tonic::Code;
use tonic_types::{ErrorDetails, StatusExt as _};

use super::*;

fn told(revision: &str, actions: &[&str]) -> v1::WatchEventsResponse {
    let event = |action: &&str| v1::AuditEvent {
        time: Some(prost_types::Timestamp {
            seconds: 1_800_000_000,
            nanos: 0,
        }),
        action: (*action).to_owned(),
        actor: "acme/jane".to_owned(),
        token_id: "id".to_owned(),
        comment: "two\nlines".to_owned(),
        ..Default::default()
    };
    v1::WatchEventsResponse {
        events: actions.iter().map(event).collect(),
        revision: revision.to_owned(),
    }
}

fn denied() -> Status {
    let details = ErrorDetails::with_error_info("PERMISSION_DENIED", "tokenauthority.v1", []);
    Status::with_error_details(Code::PermissionDenied, "no more", details)
}

/// Broken off twice, once while it stops and once by the connection; then the right is gone.
fn broken_off() -> Authority {
    let first: Vec<Told> = vec![
        Ok(told("r1", &[])),
        Ok(told("r2", &["token.create", "token.revoke"])),
        Err(Status::unavailable("it stops")),
    ];
    let last: Vec<Told> = vec![
        Ok(told("r2", &[])),
        Ok(told("r3", &["token.expired"])),
        Err(denied()),
    ];
    Authority::default()
        .then(first)
        .then::<Vec<Told>>(vec![Ok(told("r2", &[]))])
        .then(last)
}

#[tokio::test]
async fn a_follower_goes_on_from_the_last_revision_and_ends_with_its_right() {
    let authority = broken_off();
    let shell = Shell::new(authority.serve().await);
    let ended = shell
        .run(&["audit", "--follow", "--after", "r0", "--library", "acme"])
        .await;
    assert_eq!(ended.exit, Exit::Failed);
    let line = |action: &str| {
        format!("2027-01-15T08:00:00Z  acme/jane  {action}  token id  two\u{fffd}lines\n")
    };
    let lines = ["token.create", "token.revoke", "token.expired"].map(line);
    assert_eq!(ended.stdout, lines.concat());
    let stderr = &ended.stderr;
    assert!(
        stderr.contains("note: watching what comes after r1"),
        "{stderr}"
    );
    assert!(stderr.contains("trying again: it stops"), "{stderr}");
    assert!(stderr.contains("reason: PERMISSION_DENIED"), "{stderr}");
    let asked = authority.asked::<v1::WatchEventsRequest>();
    let after: Vec<_> = asked.iter().map(|q| q.after_revision.as_str()).collect();
    assert_eq!(after, ["r0", "r2", "r2"]);
    assert!(asked.iter().all(|q| q.library == "acme"));
}

#[tokio::test]
async fn followed_json_is_a_response_a_line() {
    let shell = Shell::new(broken_off().serve().await);
    let ended = shell.run(&["audit", "--follow", "-o", "json"]).await;
    let lines: Vec<serde_json::Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let revisions: Vec<_> = lines.iter().map(|line| &line["revision"]).collect();
    assert_eq!(revisions, ["r2", "r3"]);
    assert_eq!(lines[0]["events"][1]["action"], "token.revoke");
}

#[tokio::test]
async fn a_follower_ends_when_nobody_reads() {
    let shell = Shell::new(broken_off().serve().await);
    let (exit, _) = shell.run_to(&["audit", "--follow"], &mut Gone).await;
    assert_eq!(exit, Exit::Success);
}

#[test]
fn what_has_no_end_takes_no_end() {
    for more in [
        &["--follow", "--limit", "3"][..],
        &["--follow", "--until", "2027-01-01T00:00:00Z"],
        &["--follow", "--since", "2027-01-01T00:00:00Z"],
        &["--after", "0"],
    ] {
        let line = [&["token-authority", "audit"], more].concat();
        assert!(Cli::try_parse_from(&line).is_err(), "{line:?}");
    }
}
