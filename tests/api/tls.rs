//! TLS as clients meet it: who is let in, by which certificate.

pub(crate) mod certificates;
mod reload;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tempfile::TempDir;
use token_authority::proto::v1::token_verify_client::TokenVerifyClient;
use token_authority::proto::v1::{Verdict, VerifyRequest};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic_types::StatusExt as _;

use crate::harness::Server;
use certificates::{Ca, Mounted, Owner, Pair};

/// How long anything may take, before it counts as hung.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// Pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// What clients must be called.
const NAMES: &str = "billing.acme, spiffe://acme/billing,billing@acme.example";

/// A server with TLS, that verifies for anybody whom TLS lets in.
pub(crate) struct Secured {
    pub(crate) server: Server,
    pub(crate) ca: Ca,
    pub(crate) clients: Ca,
    pub(crate) files: Mounted,
    pub(crate) first: Pair,
    folder: TempDir,
}

// === impl Secured ===

impl Secured {
    /// That asks no client for a certificate, with further arguments.
    pub(crate) fn start(args: &[&str]) -> Secured {
        Secured::start_with(None, args)
    }

    fn start_with(mode: Option<&str>, args: &[&str]) -> Secured {
        let folder = tempfile::tempdir().unwrap();
        let (ca, clients) = (Ca::new("servers' authority"), Ca::new("clients' authority"));
        let first = ca.server();
        let mount = folder.path().join("tls");
        std::fs::create_dir(&mount).unwrap();
        let files = Mounted::new(&mount, &first, &clients.pem());
        let mut named = with_files(&files);
        if let Some(mode) = mode {
            named.push(format!("--tls-client-auth={mode}"));
            named.push(format!("--tls-client-ca-file={}", files.path("ca.crt")));
        }
        let named = named.iter().map(String::as_str);
        let args: Vec<&str> = named.chain(args.iter().copied()).collect();
        let server = Server::start_with(&folder.path().join("data"), &args, &[]);
        Secured {
            server,
            ca,
            clients,
            files,
            first,
            folder,
        }
    }

    /// That asks clients for a certificate.
    pub(crate) fn mutual(mode: &str, args: &[&str]) -> Secured {
        Secured::start_with(Some(mode), args)
    }

    pub(crate) fn endpoint(&self, identity: Option<Identity>) -> Endpoint {
        endpoint(self.server.address(), &self.ca, identity)
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Whether a client with this certificate gets an answer; if not, TLS refused it, not the authority.
    async fn lets_in(&self, identity: Option<Identity>) -> bool {
        let started = Instant::now();
        loop {
            let Ok(channel) = self.endpoint(identity.clone()).connect().await else {
                return false;
            };
            match verify(&channel).await {
                Ok(verdict) => {
                    assert_eq!(verdict, Verdict::Malformed);
                    return true;
                }
                Err(status) if status.get_details_error_info().is_none() => return false,
                // It has only just started.
                Err(status) if status.code() == tonic::Code::Unavailable => {}
                Err(status) => panic!("{status}"),
            }
            assert!(started.elapsed() < PATIENCE, "{}", self.server.log());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// The arguments that name the files.
fn with_files(files: &Mounted) -> Vec<String> {
    vec![
        "--verify-anonymous".to_owned(),
        "--tls-reload-interval=50ms".to_owned(),
        format!("--tls-cert-file={}", files.path("tls.crt")),
        format!("--tls-key-file={}", files.path("tls.key")),
    ]
}

pub(crate) fn endpoint(address: SocketAddr, ca: &Ca, identity: Option<Identity>) -> Endpoint {
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(ca.pem()))
        .domain_name("localhost");
    let tls = identity.into_iter().fold(tls, ClientTlsConfig::identity);
    Endpoint::from_shared(format!("https://{address}"))
        .unwrap()
        .timeout(PATIENCE)
        .tls_config(tls)
        .unwrap()
}

pub(crate) async fn verify(channel: &Channel) -> Result<Verdict, tonic::Status> {
    let request = VerifyRequest {
        token: "x".into(),
        ..Default::default()
    };
    let answer = TokenVerifyClient::new(channel.clone())
        .verify(request)
        .await;
    answer.map(|answer| answer.into_inner().verdict())
}

/// A TLS client that is not tonic's.
fn connector(ca: &Ca, identity: Option<&Pair>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(ca.certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some(pair) => {
            use rustls::pki_types::pem::PemObject as _;
            let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(pair.key.as_bytes());
            let chain = vec![pair.certificate.der().clone()];
            config.with_client_auth_cert(chain, key.unwrap()).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::in_memory_sessions(8);
    TlsConnector::from(Arc::new(config))
}

async fn handshake(connector: &TlsConnector, address: SocketAddr) -> TlsStream<TcpStream> {
    let socket = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    connector.connect(name, socket).await.unwrap()
}

/// The certificate that a new connection is shown.
async fn shown(secured: &Secured) -> CertificateDer<'static> {
    let stream = handshake(&connector(&secured.ca, None), secured.server.address()).await;
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain[0].clone().into_owned()
}

#[tokio::test]
async fn a_client_is_let_in_by_a_certificate_of_the_right_authority_that_bears_a_name() {
    let ours = Ca::new("clients' authority");
    let theirs = Ca::new("clients' authority");
    let acme = || Owner::called("Acme");
    // Who shows what; whether that is right.
    let cases = [
        (
            "a host",
            ours.issue(acme().host("other").host("Billing.ACME")),
            true,
        ),
        (
            "a URI",
            ours.issue(acme().uri("spiffe://acme/billing")),
            true,
        ),
        (
            "an address of mail",
            ours.issue(acme().email("billing@acme.example")),
            true,
        ),
        (
            "a common name alone",
            ours.issue(Owner::called("billing.acme")),
            true,
        ),
        (
            "another host",
            ours.issue(acme().host("shipping.acme")),
            false,
        ),
        (
            "a longer host",
            ours.issue(acme().host("x.billing.acme")),
            false,
        ),
        ("a wildcard", ours.issue(acme().host("*.acme")), false),
        (
            "another case of a URI",
            ours.issue(acme().uri("spiffe://Acme/billing")),
            false,
        ),
        (
            "a common name beside a host",
            ours.issue(Owner::called("billing.acme").host("x")),
            false,
        ),
        (
            "a common name beside an address",
            ours.issue(Owner::called("billing.acme").address("192.0.2.1")),
            false,
        ),
        (
            "another authority of the same name",
            theirs.issue(acme().host("billing.acme")),
            false,
        ),
        (
            "an expired one",
            ours.issue(acme().host("billing.acme").until(2020, 1, 1)),
            false,
        ),
    ];
    for mode in ["off", "optional", "required"] {
        let secured = match mode {
            "off" => Secured::start(&[]),
            mode => Secured::mutual(mode, &["--tls-client-names", NAMES]),
        };
        if mode != "off" {
            secured.trust(&ours).await;
        }
        for (what, pair, right) in &cases {
            let let_in = secured.lets_in(Some(pair.identity())).await;
            assert_eq!(let_in, *right || mode == "off", "{what}, {mode}");
        }
        assert_eq!(
            secured.lets_in(None).await,
            mode != "required",
            "none, {mode}"
        );
    }
}

#[tokio::test]
async fn without_names_every_certificate_of_the_authority_is_right() {
    let secured = Secured::mutual("required", &[]);
    let anybody = secured
        .clients
        .issue(Owner::called("anybody").host("any.where"));
    assert!(secured.lets_in(Some(anybody.identity())).await);
    assert!(!secured.lets_in(Some(secured.first.identity())).await);
    assert!(!secured.lets_in(None).await);
}

#[tokio::test]
async fn a_session_is_resumed_only_where_nobody_must_show_a_certificate() {
    for (mode, kind) in [
        (None, HandshakeKind::Resumed),
        (Some("optional"), HandshakeKind::Full),
        (Some("required"), HandshakeKind::Full),
    ] {
        let secured = match mode {
            None => Secured::start(&[]),
            Some(mode) => Secured::mutual(mode, &[]),
        };
        let client = secured.clients.issue(Owner::called("client"));
        let connector = connector(&secured.ca, Some(&client));
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let mut stream = handshake(&connector, secured.server.address()).await;
            kinds.push(stream.get_ref().1.handshake_kind());
            // What is sent after the handshake, tickets too, has come by the time that the server says the first of HTTP/2.
            tokio::io::AsyncWriteExt::write_all(&mut stream, PREFACE)
                .await
                .unwrap();
            stream.read_u8().await.unwrap();
        }
        assert_eq!(kinds, [Some(HandshakeKind::Full), Some(kind)], "{mode:?}");
    }
}

/// What a client of HTTP/2 says first: its preface and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[test]
fn a_server_that_can_not_check_clients_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::new("authority");
    let mount = folder.path().join("tls");
    std::fs::create_dir(&mount).unwrap();
    let files = Mounted::new(&mount, &ca.server(), "");
    let not_a_certificate = "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n";
    let half = ca.pem()[..200].to_owned();
    for content in ["", "canary", not_a_certificate, &half] {
        for mode in ["optional", "required"] {
            files.write("ca.crt", content);
            let mut args = with_files(&files);
            args.push(format!("--tls-client-auth={mode}"));
            args.push(format!("--tls-client-ca-file={}", files.path("ca.crt")));
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let (status, log) = Server::refused_with(&folder.path().join("data"), &args);
            assert!(!status.success(), "{content:?}");
            assert!(log.contains("tls_client_ca_file"), "{log}");
            assert!(!log.contains("canary"), "{log}");
        }
    }
}
