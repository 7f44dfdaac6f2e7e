//! Ports of their own: for verifying, for administrators, for probes; and the probe that is a command.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use token_authority::proto::v1::{ErrorReason, ListLibrariesRequest, VerifyRequest};
use tokio_stream::StreamExt as _;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

use crate::harness::{Clients, Server};
use crate::refusal::assert_refused;
use crate::tls::certificates::Owner;
use crate::tls::{PATIENCE, Secured};

const VERIFY: &str = "--verify-listen=127.0.0.1:0";
const ADMIN: &str = "--admin-listen=127.0.0.1:0";
const HEALTH: &str = "--health-listen=127.0.0.1:0";

fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.timeout(PATIENCE).connect_lazy()
}

fn question() -> VerifyRequest {
    VerifyRequest {
        token: "x".into(),
        ..Default::default()
    }
}

async fn health(address: SocketAddr, service: &str) -> ServingStatus {
    let service = service.to_owned();
    let mut client = HealthClient::new(channel(address));
    let answer = client.check(HealthCheckRequest { service }).await;
    answer.unwrap().into_inner().status()
}

async fn reflects(address: SocketAddr) -> Result<(), tonic::Status> {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(channel(address));
    let answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await?;
    answers
        .into_inner()
        .next()
        .await
        .expect("an answer")
        .map(drop)
}

#[tokio::test]
async fn each_service_is_served_at_its_own_port_and_asked_elsewhere_says_where() {
    for (args, listening) in [
        (&[][..], &["all"][..]),
        (&[VERIFY], &["admin", "verify"]),
        (&[ADMIN], &["verify", "admin"]),
        (&[VERIFY, ADMIN], &["verify", "admin"]),
        (&[VERIFY, ADMIN, HEALTH], &["verify", "admin", "health"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_with(folder.path(), args, &[]);
        server.ready().await;
        let log = server.log();
        let lines = log.matches("\"message\":\"listening\"").count();
        assert_eq!(lines, listening.len(), "{args:?}: {log}");
        for serves in listening {
            let address = server.address_of(serves);
            let mut at = Clients::new(channel(address), &server.operator_secret());
            let verified = at.verify.verify(question()).await;
            let listed = at
                .directory
                .list_libraries(ListLibrariesRequest::default())
                .await;
            let mut elsewhere = Vec::new();
            match *serves {
                "all" => drop((verified.unwrap(), listed.unwrap())),
                "verify" => {
                    verified.unwrap();
                    elsewhere.push((
                        assert_refused(listed, ErrorReason::UnknownMethod),
                        "admin_listen",
                    ));
                }
                "admin" => {
                    listed.unwrap();
                    elsewhere.push((
                        assert_refused(verified, ErrorReason::UnknownMethod),
                        "verify_listen",
                    ));
                }
                _ => {
                    elsewhere.push((
                        assert_refused(verified, ErrorReason::UnknownMethod),
                        "health_listen",
                    ));
                    elsewhere.push((
                        assert_refused(listed, ErrorReason::UnknownMethod),
                        "health_listen",
                    ));
                }
            }
            for (refusal, setting) in elsewhere {
                assert!(refusal.message().contains(setting), "{refusal}");
            }
            assert_eq!(health(address, "").await, ServingStatus::Serving);
            assert_eq!(
                health(address, "tokenauthority.v1.TokenAdmin").await,
                ServingStatus::Serving
            );
            assert_eq!(
                reflects(address).await.is_ok(),
                *serves != "health",
                "{serves}"
            );
        }
    }
}

#[tokio::test]
async fn probes_are_answered_in_plaintext_while_all_other_connections_are_taken() {
    let secured = Secured::mutual("required", &[HEALTH, "--max-connections=2"]);
    let client = secured.clients.issue(Owner::called("client")).identity();
    let endpoint = secured.endpoint(Some(client));
    let mut held = Vec::new();
    for _ in 0..2 {
        let channel = endpoint.connect().await.unwrap();
        // Until it is answered, the place may not be taken.
        HealthClient::new(channel.clone())
            .check(HealthCheckRequest::default())
            .await
            .unwrap();
        held.push(channel);
    }
    let waiting = tokio::time::timeout(Duration::from_millis(500), endpoint.connect()).await;
    assert!(waiting.is_err(), "the cap holds nobody back");
    let probes = secured.server.address_of("health");
    for _ in 0..20 {
        assert_eq!(health(probes, "").await, ServingStatus::Serving);
    }
    held.clear();
    let free = tokio::time::timeout(PATIENCE, endpoint.connect()).await;
    free.expect("a place that is free again").unwrap();
}

#[tokio::test]
async fn ports_share_the_connections_that_there_are_and_none_waits_at_the_cost_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let args = [VERIFY, ADMIN, "--max-connections=1"];
    let server = Server::start_with(folder.path(), &args, &[]);
    for serves in ["admin", "verify", "verify", "admin"].repeat(3) {
        assert_eq!(
            health(server.address_of(serves), "").await,
            ServingStatus::Serving
        );
    }
}

/// Runs the probe with these environment variables.
fn probe(args: &[&str], envs: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_token-authority"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TOKEN_AUTHORITY_")) {
        command.env_remove(name);
    }
    command
        .arg("healthcheck")
        .args(args)
        .envs(envs.iter().copied());
    command.stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn assert_told(output: &Output, code: i32, word: &str) {
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.contains(word), "{told}");
}

#[tokio::test]
async fn the_probe_that_is_a_command_tells_by_its_exit_code_and_needs_no_credential() {
    let secured = Secured::mutual("required", &[HEALTH]);
    let plain = format!("http://{}", secured.server.address_of("health"));
    let port = secured.server.address().port();
    let encrypted = format!("https://localhost:{port}");
    let pair = secured.clients.issue(Owner::called("probe"));
    let file = |name: &str, content: &str| {
        let path = secured.folder().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (ca, certificate, key) = (
        file("ca.pem", &secured.ca.pem()),
        file("probe.pem", &pair.certificate.pem()),
        file("probe.key", &pair.key),
    );

    let alive = |output: &Output| assert_told(output, 0, "status  serving");
    alive(&probe(&["--server", &plain, "--timeout=60s"], &[]));
    let patient = "--timeout=60s";
    let tls = [
        "--server",
        &encrypted,
        "--ca-file",
        &ca,
        "--client-cert-file",
        &certificate,
        "--client-key-file",
        &key,
        patient,
    ];
    alive(&probe(&tls, &[]));
    let by_environment = [
        ("TOKEN_AUTHORITY_SERVER", encrypted.as_str()),
        ("TOKEN_AUTHORITY_CA_FILE", &ca),
        ("TOKEN_AUTHORITY_CLIENT_CERT_FILE", &certificate),
        ("TOKEN_AUTHORITY_CLIENT_KEY_FILE", &key),
    ];
    alive(&probe(&[patient], &by_environment));
    let json = probe(&["--server", &plain, patient, "-o", "json"], &[]);
    assert_told(&json, 0, "\"SERVING\"");

    assert_told(
        &probe(&["--server", &plain, "--service=nobody", patient], &[]),
        1,
        "service-unknown",
    );
    // Without what TLS wants, with half of it, and where nobody is.
    let without_certificate = probe(&[patient], &by_environment[..2]);
    assert_told(&without_certificate, 4, "error: ");
    assert_told(&probe(&[], &by_environment[..3]), 2, "--client-key-file");
    assert_told(
        &probe(&["--client-key-file", &key], &by_environment[..2]),
        2,
        "--client-cert-file",
    );
    let certificate_for_a_key = [
        "--client-cert-file",
        &certificate,
        "--client-key-file",
        &certificate,
    ];
    assert_told(
        &probe(&certificate_for_a_key, &by_environment[..2]),
        2,
        "does not hold a private key",
    );
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", silent.local_addr().unwrap());
    assert_told(
        &probe(&["--server", &nobody, "--timeout=300ms"], &[]),
        4,
        "error: ",
    );
    drop(silent);
    assert_told(
        &probe(&["--server", &nobody, patient], &[]),
        4,
        "can't reach",
    );
}

#[tokio::test]
async fn the_probe_fails_while_a_service_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &["--drain-wait=1m", HEALTH], &[]);
    server.ready().await;
    let at = format!("http://{}", server.address_of("health"));
    let service = "--service=tokenauthority.v1.TokenVerify";
    let ready = || probe(&["--server", &at, service, "--timeout=60s"], &[]);
    assert_told(&ready(), 0, "serving");
    server.ask_to_stop();
    let mut asked = ready();
    while asked.status.success() {
        asked = ready();
    }
    assert_told(&asked, 1, "not-serving");
    assert_told(
        &probe(&["--server", &at, "--timeout=60s"], &[]),
        0,
        "serving",
    );
    server.kill9();
}

#[tokio::test]
async fn the_command_line_shows_a_certificate_to_a_server_that_wants_one() {
    let secured = Secured::mutual("required", &[]);
    let pair = secured.clients.issue(Owner::called("operator"));
    for (name, content) in [
        ("ca.pem", secured.ca.pem()),
        ("cert.pem", pair.certificate.pem()),
        ("key.pem", pair.key.clone()),
    ] {
        std::fs::write(secured.folder().join(name), content).unwrap();
    }
    let operator = secured.folder().join("data/operator.token");
    let started = std::time::Instant::now();
    while !operator.exists() {
        assert!(started.elapsed() < PATIENCE, "{}", secured.server.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let run = |verb: &[&str], args: &[&str], directory: &Path| {
        Command::new(env!("CARGO_BIN_EXE_token-authority"))
            .args(verb)
            .args(args)
            .arg("--timeout=60s")
            .env("HOME", secured.folder())
            .env_remove("XDG_CONFIG_HOME")
            .current_dir(directory)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let server = format!(
        "--server=https://localhost:{}",
        secured.server.address().port()
    );
    let named = [
        &server,
        "--ca-file=ca.pem",
        "--credential-file=data/operator.token",
    ];
    let certified = [
        &named[..],
        &["--client-cert-file=cert.pem", "--client-key-file=key.pem"],
    ]
    .concat();
    let (here, elsewhere) = (secured.folder(), Path::new("/"));
    let list = ["library", "list"];
    assert_told(&run(&list, &certified, here), 0, "system");
    assert_told(&run(&list, &named, here), 4, "error: ");
    // A context keeps the certificate too, for every call and from every directory.
    assert_told(&run(&["login"], &certified, here), 0, "root");
    assert_told(&run(&list, &[], elsewhere), 0, "system");
    assert_told(&run(&["healthcheck"], &[], elsewhere), 0, "serving");
    assert_told(&run(&["doctor"], &[], elsewhere), 0, "vouched for");
}
