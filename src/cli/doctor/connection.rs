//! This client and the server that it calls: step by step as far as it gets.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Uri;
use http::uri::Scheme;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use super::{Check, certificate};
use crate::cli::connect::{CallOptions, Environment, Session, Settled, TlsFiles};
use crate::cli::context::kept::{OTHERS, Place};
use crate::cli::output::Output;
use crate::cli::whoami::{ask_who, days_left};
use crate::clock::{SystemTimeSource, TimeSource as _};
use crate::proto::v1;

/// Longest wait for a connection or a handshake.
const PATIENCE: Duration = Duration::from_secs(5);
/// Days below which a credential should be rotated.
const DUE: i64 = 14;
/// Milliseconds that two clocks may differ.
const SKEW_MS: i64 = 5_000;
/// What must serve, by name: the process, then each service.
const SERVICES: [&str; 4] = [
    "",
    "tokenauthority.v1.TokenVerify",
    "tokenauthority.v1.TokenAdmin",
    "tokenauthority.v1.Directory",
];

/// Looks at all of it.
pub(super) async fn look(
    options: CallOptions,
    environment: Environment<'_>,
    output: &mut Output<'_>,
    checks: &mut Vec<Check>,
) {
    checks.push(contexts(environment));
    let (options, settled) = match options.settle(environment) {
        Ok(settled) => settled,
        Err(failure) => return checks.push(Check::failed("server", &failure)),
    };
    let Some(server) = parse(&settled, checks) else {
        return;
    };
    if !reach(&server, &options.tls_files(environment), checks).await {
        return;
    }
    let session = match Session::open(options, environment, output).await {
        Ok(session) => session,
        Err(failure) => return checks.push(Check::failed("credential", &failure)),
    };
    for service in SERVICES {
        checks.push(health(&session, service).await);
    }
    let (asked, began) = (SystemTimeSource.wall_ms(), Instant::now());
    match ask_who(&session).await {
        Ok(answer) => {
            let midway = asked + i64::try_from(began.elapsed().as_millis() / 2).unwrap_or(0);
            checks.extend(who(&answer, &settled));
            checks.extend(skew(&answer, midway, began.elapsed()));
        }
        Err(failure) => checks.push(Check::failed("credential", &failure)),
    }
}

fn contexts(environment: Environment<'_>) -> Check {
    let what = "contexts";
    let Ok(place) = Place::of(environment) else {
        return Check::warn(what, "there is no home to keep them in", "set HOME");
    };
    let contexts = match place.load() {
        Ok(contexts) => contexts,
        Err(failure) => return Check::failed(what, &failure),
    };
    let open = |path: &Path| {
        let metadata = path.metadata();
        metadata.is_ok_and(|metadata| metadata.permissions().mode() & OTHERS != 0)
    };
    for (name, context) in &contexts.all {
        if let Some(file) = place.credential(context).filter(|file| open(file)) {
            let found = format!("others can read the credential of {name}");
            return Check::fail(what, found, format!("chmod 600 {}", file.display()));
        }
    }
    let file = place.file();
    if contexts.all.is_empty() {
        return Check::ok(what, "none");
    }
    let current = contexts.current.as_deref().unwrap_or("none");
    let found = format!(
        "{} in {}, current: {current}",
        contexts.all.len(),
        file.display()
    );
    Check::ok(what, found)
}

/// The server's URL.
fn parse(settled: &Settled, checks: &mut Vec<Check>) -> Option<Uri> {
    let (url, source) = &settled.server;
    let sound = url.parse::<Uri>().ok().filter(|uri| {
        let known = [&Scheme::HTTP, &Scheme::HTTPS];
        uri.scheme().is_some_and(|scheme| known.contains(&scheme)) && uri.host().is_some()
    });
    // What is no URL is not repeated: anything may have got there.
    checks.push(match &sound {
        Some(_) => Check::ok("server", format!("{url} (by {source})")),
        None => Check::fail(
            "server",
            format!("what {source} says is no http:// or https:// URL"),
            "give one such as https://tokens.example.com:50051",
        ),
    });
    sound
}

/// Name, connection, TLS; whether it got through all of them.
async fn reach(server: &Uri, files: &TlsFiles, checks: &mut Vec<Check>) -> bool {
    let encrypted = server.scheme() == Some(&Scheme::HTTPS);
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = server
        .port_u16()
        .unwrap_or(if encrypted { 443 } else { 80 });
    let found = match timeout(PATIENCE, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => found.collect::<Vec<SocketAddr>>(),
        _ => Vec::new(),
    };
    if found.is_empty() {
        checks.push(Check::fail(
            "address",
            format!("{host} has no address"),
            "check the name in the URL, and the name server of this machine",
        ));
        return false;
    }
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    checks.push(Check::ok("address", shown.join(", ")));
    let tcp = match timeout(PATIENCE, TcpStream::connect(&found[..])).await {
        Ok(Ok(tcp)) => tcp,
        Ok(Err(error)) => {
            let advice = "is the server running, and does it listen on this address?";
            checks.push(Check::fail("connection", error.to_string(), advice));
            return false;
        }
        Err(_) => {
            let advice = "a firewall or a network policy may swallow it";
            checks.push(Check::fail("connection", "no answer", advice));
            return false;
        }
    };
    checks.push(Check::ok("connection", "it listens"));
    if !encrypted {
        checks.push(Check::ok("tls", "none: plaintext"));
        return true;
    }
    let (shaken, good) = shake(host, files, tcp).await;
    checks.extend(shaken);
    good
}

async fn shake(host: &str, files: &TlsFiles, tcp: TcpStream) -> (Vec<Check>, bool) {
    let fail = |found: String, advice: &str| (vec![Check::fail("tls", found, advice)], false);
    let Some(ca_file) = &files.ca else {
        let found = "nothing vouches for the server".to_owned();
        return fail(
            found,
            "name the PEM file of its certificate authority with --ca-file",
        );
    };
    let mut roots = RootCertStore::empty();
    let read: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(ca_file).and_then(Iterator::collect);
    roots.add_parsable_certificates(read.unwrap_or_default());
    if roots.is_empty() {
        let found = format!("{} does not hold a certificate", ca_file.display());
        return fail(found, "--ca-file must name a file in the PEM format");
    }
    let Ok(name) = ServerName::try_from(host.to_owned()) else {
        return fail(
            "the URL names no host that a certificate could".to_owned(),
            "check the URL",
        );
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.and_then(|builder| {
        let builder = builder.with_root_certificates(roots);
        match own(files) {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key),
            None => Ok(builder.with_no_client_auth()),
        }
    });
    let mut config = match config {
        Ok(config) => config,
        Err(error) => {
            let advice = "do --client-cert-file and --client-key-file belong together?";
            return fail(error.to_string(), advice);
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let stream = match timeout(PATIENCE, connector.connect(name, tcp)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return fail(
                error.to_string(),
                "check --ca-file, the host in the URL, and the server's certificate: \
                 token-authority doctor --config FILE on its machine",
            );
        }
        Err(_) => return fail("no handshake".to_owned(), "does the server speak TLS?"),
    };
    let (_, connection) = stream.get_ref();
    let mut checks = vec![match connection.alpn_protocol() {
        Some(b"h2") => Check::ok("tls", "the server is vouched for, and speaks HTTP/2"),
        _ => Check::fail(
            "tls",
            "it does not speak HTTP/2",
            "is it a token-authority?",
        ),
    }];
    let leaf = connection
        .peer_certificates()
        .and_then(|chain| chain.first());
    checks.extend(leaf.map(|leaf| certificate::expiry("certificate", leaf)));
    (checks, true)
}

/// What is shown to a server that asks; whatever is wrong with it is told where the credential is looked at.
fn own(files: &TlsFiles) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let (chain, key) = (files.certificate.as_ref()?, files.key.as_ref()?);
    let chain = CertificateDer::pem_file_iter(chain).and_then(Iterator::collect);
    Some((chain.ok()?, PrivateKeyDer::from_pem_file(key).ok()?))
}

async fn health(session: &Session, service: &'static str) -> Check {
    let what = "health";
    let name = service.rsplit('.').next().filter(|name| !name.is_empty());
    let name = name.unwrap_or("the process");
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let mut client = session.health();
    match timeout(session.timeout, client.check(request)).await {
        Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving => {
            Check::ok(what, format!("{name} serves"))
        }
        Ok(Ok(_)) => Check::fail(
            what,
            format!("{name} does not serve now"),
            "it is starting, stopping, or has lost its store: its log says which",
        ),
        Ok(Err(status)) => Check::fail(
            what,
            format!("{name}: {}", status.message()),
            "is it a token-authority, and of this version?",
        ),
        Err(_) => Check::fail(
            what,
            format!("{name}: no answer"),
            "look at the server's load",
        ),
    }
}

/// Whose the credential is, how long it is good, and what for.
fn who(answer: &v1::WhoAmIResponse, settled: &Settled) -> Vec<Check> {
    let token = answer.token.clone().unwrap_or_default();
    let source = settled.credential.as_ref();
    let source = source
        .map(|(_, source)| source.to_string())
        .unwrap_or_default();
    let found = format!("{} of {} (by {source})", token.user, token.library);
    let mut checks = vec![Check::ok("credential", found)];
    let rotate = format!(
        "token-authority token rotate {}, then log in with the new one",
        token.token_id
    );
    if let Some(days) = days_left(answer) {
        let found = format!("{days} days left");
        checks.push(if days < DUE {
            Check::warn("expiry", found, rotate)
        } else {
            Check::ok("expiry", found)
        });
    }
    if !token.superseded_by.is_empty() {
        let found = format!("it was rotated; {} took its place", token.superseded_by);
        checks.push(Check::warn("expiry", found, "log in with the new one"));
    }
    let over_authority =
        |text: &&String| text.starts_with("tokens:") || text.starts_with("directory:");
    let rights: Vec<&str> = answer
        .permissions
        .iter()
        .filter(over_authority)
        .map(String::as_str)
        .collect();
    checks.push(if rights.is_empty() {
        Check::warn(
            "rights",
            "none over the authority: it can only be verified",
            "to work here, a token needs tokens:... or directory:... among its permissions",
        )
    } else {
        Check::ok("rights", rights.join(", "))
    });
    checks
}

/// How far the two clocks are apart, as far as half the time of a call leaves that open.
fn skew(answer: &v1::WhoAmIResponse, midway_ms: i64, took: Duration) -> Option<Check> {
    let server = answer.server_time?;
    let server_ms = server.seconds * 1000 + i64::from(server.nanos) / 1_000_000;
    let apart = server_ms - midway_ms;
    let open = i64::try_from(took.as_millis() / 2).unwrap_or(0);
    let direction = if apart > 0 { "ahead of" } else { "behind" };
    let found = format!(
        "the server's is {} ms {direction} this machine's",
        apart.abs()
    );
    Some(if apart.abs() > SKEW_MS + open {
        let advice = "set both by NTP; tokens are judged by the server's";
        Check::warn("clock", found, advice)
    } else {
        Check::ok("clock", found)
    })
}
