//! Whom a command calls, as whom, and what it does when there is no answer.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use tonic::transport::{Identity, ServerTlsConfig};
use tonic_types::{ErrorDetails, StatusExt};

use super::*;

const REVOKE: &[&str] = &["token", "revoke", "id"];

fn unavailable(retry_delay: Duration) -> Status {
    let mut details = ErrorDetails::with_error_info("NOT_READY", "tokenauthority.v1", []);
    details.set_retry_info(Some(retry_delay));
    Status::with_error_details(tonic::Code::Unavailable, "still loading", details)
}

fn credential_file(mode: u32) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "tka_of_the_file").unwrap();
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(mode))
        .unwrap();
    file
}

fn credentials(authority: &Authority) -> Vec<String> {
    authority
        .0
        .lock()
        .unwrap()
        .asked
        .iter()
        .map(|(_, credential)| credential.clone())
        .collect()
}

#[tokio::test]
async fn the_credential_comes_from_the_environment_or_a_file_and_the_option_outranks_both() {
    let authority = Authority::default();
    let mut shell = Shell::new(authority.serve().await);
    let file = credential_file(0o600);
    let path = file.path().to_str().unwrap();
    shell.run(&["library", "get"]).await;
    shell
        .run(&["library", "get", "--credential-file", path])
        .await;
    shell.environment = vec![("TOKEN_AUTHORITY_CREDENTIAL_FILE", path.into())];
    assert_eq!(shell.run(&["library", "get"]).await.stderr, "");
    let of_file = "Bearer tka_of_the_file";
    assert_eq!(
        credentials(&authority),
        [&format!("Bearer {CREDENTIAL}"), of_file, of_file]
    );
}

#[tokio::test]
async fn a_credential_that_others_can_read_is_warned_of() {
    let authority = Authority::default();
    let shell = Shell::new(authority.serve().await);
    let file = credential_file(0o640);
    let ended = shell
        .run(&[
            "library",
            "get",
            "--credential-file",
            file.path().to_str().unwrap(),
        ])
        .await;
    assert_eq!(ended.exit, Exit::Success);
    assert!(
        ended
            .stderr
            .starts_with("warning: others can read your credential"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn without_a_usable_credential_nothing_is_sent_and_the_way_to_one_is_told() {
    let authority = Authority::default();
    let mut shell = Shell::new(authority.serve().await);
    for environment in [
        vec![],
        vec![("TOKEN_AUTHORITY_TOKEN", "".into())],
        vec![("TOKEN_AUTHORITY_TOKEN", "two words".into())],
        vec![("TOKEN_AUTHORITY_CREDENTIAL_FILE", "/dev/null".into())],
        vec![("TOKEN_AUTHORITY_CREDENTIAL_FILE", "/nowhere".into())],
        vec![
            ("TOKEN_AUTHORITY_CREDENTIAL_FILE", "/nowhere".into()),
            ("TOKEN_AUTHORITY_TOKEN", CREDENTIAL.into()),
        ],
    ] {
        shell.environment = environment;
        let ended = shell.run(&["library", "get"]).await;
        assert_eq!(ended.exit, Exit::Usage, "{:?}", shell.environment);
        assert!(ended.stderr.contains("\nhint: "), "{}", ended.stderr);
        assert!(
            !ended.stderr.contains("two words") && !ended.stderr.contains(CREDENTIAL),
            "{}",
            ended.stderr
        );
    }
    assert!(
        shell
            .run(&["library", "get"])
            .await
            .stderr
            .contains("both set")
    );
    shell.environment.clear();
    assert!(
        shell
            .run(&["library", "get"])
            .await
            .stderr
            .contains("<data_dir>/operator.token")
    );
    assert!(credentials(&authority).is_empty());
}

#[tokio::test]
async fn a_credential_never_leaves_the_machine_unencrypted_unasked() {
    let shell = Shell::new("http://192.0.2.1:50051".to_owned());
    let ended = shell.run(&["library", "get"]).await;
    assert_eq!(ended.exit, Exit::Usage);
    assert!(
        ended.stderr.contains("--insecure-plaintext"),
        "{}",
        ended.stderr
    );
    // With it, it is tried: nobody answers at this address, which is reserved for documentation.
    let ended = shell
        .run(&[
            "library",
            "get",
            "--insecure-plaintext",
            "--timeout",
            "50ms",
        ])
        .await;
    assert_eq!(ended.exit, Exit::Unreachable);
}

#[tokio::test]
async fn an_encrypted_server_needs_something_that_vouches_for_it() {
    let shell = Shell::new("https://127.0.0.1:1".to_owned());
    let ended = shell.run(&["library", "get"]).await;
    assert_eq!(ended.exit, Exit::Usage);
    assert!(
        ended.stderr.contains("TOKEN_AUTHORITY_CA_FILE"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn an_encrypted_server_is_believed_only_with_a_certificate_that_was_given() {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let identity = Identity::from_pem(pair.cert.pem(), pair.signing_key.serialize_pem());
    let tls = ServerTlsConfig::new().identity(identity);
    let authority = Authority::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shell = Shell::new(format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    ));
    let services = Server::builder()
        .tls_config(tls)
        .unwrap()
        .add_service(DirectoryServer::new(authority.clone()));
    tokio::spawn(services.serve_with_incoming(TcpIncoming::from(listener)));

    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    for (pem, exit) in [
        (pair.cert.pem(), Exit::Success),
        (stranger.cert.pem(), Exit::Unreachable),
        ("no certificate".to_owned(), Exit::Usage),
    ] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(pem.as_bytes()).unwrap();
        let ended = shell
            .run(&["library", "get", "--ca-file", file.path().to_str().unwrap()])
            .await;
        assert_eq!(ended.exit, exit, "{}", ended.stderr);
    }
    assert_eq!(authority.asked::<v1::GetLibraryRequest>().len(), 1);
}

#[tokio::test]
async fn what_is_no_url_is_a_usage_error_that_does_not_repeat_it() {
    for url in [
        "127.0.0.1:50051",
        "localhost",
        "ftp://x",
        "http://user:pass@127.0.0.1:1",
        "http://127.0.0.1/path",
        "",
    ] {
        let shell = Shell::new("http://127.0.0.1:1".to_owned());
        let ended = shell.run(&["library", "get", "--server", url]).await;
        assert_eq!(ended.exit, Exit::Usage, "{url}");
        assert!(!ended.stderr.contains("pass"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn options_may_stand_before_or_behind_the_command_and_the_nearest_counts() {
    let authority = Authority::default();
    let server = authority.serve().await;
    let shell = Shell::new("http://127.0.0.1:1".to_owned());
    let (here, nowhere) = (
        ["--server", server.as_str()],
        ["--server", "http://127.0.0.1:1"],
    );
    let get = ["library", "get"];
    for line in [
        [here.as_slice(), &get].concat(),
        [get.as_slice(), &here].concat(),
        [&get[..1], &here, &get[1..]].concat(),
        [nowhere.as_slice(), &get, &here].concat(),
    ] {
        assert_eq!(shell.run(&line).await.exit, Exit::Success, "{line:?}");
    }
    assert_eq!(shell.run(&get).await.exit, Exit::Unreachable);
}

#[tokio::test]
async fn a_server_that_is_down_is_reported_at_once_and_nothing_has_happened() {
    let ended = Shell::new("http://127.0.0.1:1".to_owned())
        .run(REVOKE)
        .await;
    assert_eq!(ended.exit, Exit::Unreachable);
    assert!(
        ended
            .stderr
            .starts_with("error: can't reach http://127.0.0.1:1/: "),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("Connection refused") && !ended.stderr.contains("may not have"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_change_is_repeated_under_the_same_id_until_it_is_answered() {
    let soon = Duration::from_millis(1);
    let authority = Authority::default()
        .then_fail(unavailable(soon))
        .then_fail(unavailable(soon));
    let ended = Shell::new(authority.serve().await).run(REVOKE).await;
    assert_eq!(ended.exit, Exit::Success);
    let asked: Vec<v1::RevokeTokenRequest> = authority.asked();
    assert_eq!(asked.len(), 3);
    assert!(
        asked
            .iter()
            .all(|request| *request == asked[0] && request.request_id.len() == 36)
    );
}

#[tokio::test]
async fn a_change_that_is_never_answered_may_have_happened_and_can_be_repeated() {
    let authority = (0..5).fold(Authority::default(), |authority, _| {
        authority.then_fail(Status::unknown("broken"))
    });
    let ended = Shell::new(authority.serve().await)
        .run(&[REVOKE, &["--timeout", "5s"]].concat())
        .await;
    assert_eq!(ended.exit, Exit::Unreachable);
    let asked: Vec<v1::RevokeTokenRequest> = authority.asked();
    assert_eq!(asked.len(), 5);
    let repeat = format!("--request-id {}", asked[0].request_id);
    assert!(
        ended.stderr.contains("may or may not have been made") && ended.stderr.contains(&repeat),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn no_repeat_is_made_that_could_not_be_answered_in_time() {
    let authority = Authority::default().then_fail(unavailable(Duration::from_mins(1)));
    let started = Instant::now();
    let ended = Shell::new(authority.serve().await)
        .run(&["token", "get", "id"])
        .await;
    assert_eq!(ended.exit, Exit::Unreachable);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(
        ended.stderr.contains("retry after: 60s"),
        "{}",
        ended.stderr
    );
    assert_eq!(authority.asked::<v1::GetTokenRequest>().len(), 1);
}

#[tokio::test]
async fn what_the_authority_has_refused_is_not_repeated() {
    let details = ErrorDetails::with_error_info("TOKEN_STATE", "tokenauthority.v1", []);
    let refused =
        Status::with_error_details(tonic::Code::FailedPrecondition, "it is revoked", details);
    let authority = Authority::default().then_fail(refused);
    let ended = Shell::new(authority.serve().await)
        .run(&["token", "resume", "id"])
        .await;
    assert_eq!(ended.exit, Exit::Failed);
    assert_eq!(
        ended.stderr,
        "error: it is revoked\nreason: TOKEN_STATE\n\
         hint: `token get ID` shows the state it is in; `token resume ID` ends a suspension, `token create` makes another token\n"
    );
    assert_eq!(authority.asked::<v1::ResumeTokenRequest>().len(), 1);
}

#[tokio::test]
async fn a_silent_server_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shell = Shell::new(format!("http://{}", listener.local_addr().unwrap()));
    let started = Instant::now();
    let ended = shell.run(&[REVOKE, &["--timeout", "200ms"]].concat()).await;
    assert_eq!(ended.exit, Exit::Unreachable);
    assert!(
        ended.stderr.contains("no answer within 200ms"),
        "{}",
        ended.stderr
    );
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_timeout_is_a_positive_duration() {
    for wrong in ["0s", "-1s", "soon", ""] {
        assert!(
            Cli::try_parse_from(["token-authority", "audit", "--timeout", wrong]).is_err(),
            "{wrong:?}"
        );
    }
}
