//! TLS with a certificate made for the test.

use std::path::Path;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::transport::{Certificate, ClientTlsConfig};

use super::*;

/// A configuration with TLS, and the certificate that clients are to trust.
fn secured(directory: &Path) -> (Config, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    std::fs::write(&certificate, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let mut config = config();
    config.tls_cert_file = Some(certificate);
    config.tls_key_file = Some(key);
    (config, cert.pem())
}

/// A handshake as a client that is not tonic's would make it.
async fn handshake(
    address: SocketAddr,
    trusted: &str,
    alpn: &[&[u8]],
    version: &'static rustls::SupportedProtocolVersion,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]);
    let mut config = config
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let socket = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
}

#[tokio::test]
async fn calls_are_served_over_tls_to_who_trusts_the_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let (config, trusted) = secured(directory.path());
    let (_shell, address, _) = open(&config).await;
    let endpoint = |tls: ClientTlsConfig| {
        let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
        endpoint.tls_config(tls.domain_name("localhost")).unwrap()
    };
    let trusting = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(trusted));
    let channel = endpoint(trusting).connect().await.unwrap();
    TokenVerifyClient::new(channel)
        .verify(token("x"))
        .await
        .unwrap();
    assert!(endpoint(ClientTlsConfig::new()).connect().await.is_err());
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_and_http2_alone_is_agreed_on() {
    let directory = tempfile::tempdir().unwrap();
    let (config, trusted) = secured(directory.path());
    let (_shell, address, _) = open(&config).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let stream = handshake(address, &trusted, &[b"h2"], version)
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    }
    let other = handshake(address, &trusted, &[b"http/1.1"], &rustls::version::TLS12).await;
    assert!(other.is_err());
    // Without any offer the handshake succeeds; it is the server that hangs up.
    let mut silent = handshake(address, &trusted, &[], &rustls::version::TLS12)
        .await
        .unwrap();
    let _ = silent
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await;
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, silent.read_to_end(&mut answer))
        .await
        .unwrap();
    assert!(read.is_err() || answer.is_empty());
}

#[tokio::test]
async fn a_tls_port_serves_no_plaintext_and_waits_for_no_handshake() {
    let directory = tempfile::tempdir().unwrap();
    let (mut config, _) = secured(directory.path());
    config.handshake_timeout = Duration::from_millis(300);
    let (_shell, address, _) = open(&config).await;
    assert!(verifier_or_error(address).await.is_err());

    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, silent.read_to_end(&mut answer))
        .await
        .unwrap();
    assert!(read.is_err() || answer.is_empty());
}

async fn verifier_or_error(address: SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?
        .connect()
        .await?;
    TokenVerifyClient::new(channel).verify(token("x")).await?;
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_is_none_is_told_without_a_word_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let (config, _) = secured(directory.path());
    let (certificate, key) = (
        config.tls_cert_file.clone().unwrap(),
        config.tls_key_file.clone().unwrap(),
    );
    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let told = |config: &Config| {
        super::super::tls::Tls::start(config)
            .err()
            .unwrap()
            .to_string()
    };

    std::fs::write(&certificate, "canary").unwrap();
    assert_eq!(told(&config), "tls_cert_file holds no certificate");
    std::fs::write(
        &certificate,
        "-----BEGIN CERTIFICATE-----\ncanary?\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    assert!(!told(&config).contains("canary"));
    std::fs::write(&certificate, other.cert.pem()).unwrap();
    assert!(told(&config).contains("key"), "{}", told(&config));
    std::fs::write(&key, "canary").unwrap();
    assert_eq!(told(&config), "tls_key_file holds no such item");
}
