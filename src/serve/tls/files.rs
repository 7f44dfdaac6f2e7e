//! What the files hold, and what TLS makes of it.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest::{Context, SHA256};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use zeroize::Zeroizing;

use super::certificate::Certificate;
use super::names::Named;
use super::{H2, TlsError};
use crate::config::{ClientAuth, Config};

/// Longest file, bytes: hundreds of certificates fit, and a device does not fill the memory.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Which files, and what they are for.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    certificate: PathBuf,
    key: PathBuf,
    client: Option<ClientTerms>,
}

/// What is asked of clients.
#[derive(Debug, Clone)]
struct ClientTerms {
    ca: PathBuf,
    required: bool,
    names: Arc<[String]>,
}

/// The content of the files.
pub(super) struct Files {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    client_ca: Option<Vec<u8>>,
}

/// Tells one content from another, without keeping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; 32]);

/// What TLS makes of the files.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    pub(super) certificate: Certificate,
}

// === impl Terms ===

impl Terms {
    /// `None` without a certificate. That clients are asked for theirs without a word of whom to believe, the configuration
    /// does not allow; here it is a file that can't be read.
    pub(super) fn of(config: &Config) -> Option<Terms> {
        let required = match config.tls_client_auth {
            ClientAuth::Off => None,
            ClientAuth::Optional => Some(false),
            ClientAuth::Required => Some(true),
        };
        Some(Terms {
            certificate: config.tls_cert_file.clone()?,
            key: config.tls_key_file.clone()?,
            client: required.map(|required| ClientTerms {
                ca: config.tls_client_ca_file.clone().unwrap_or_default(),
                required,
                names: config.tls_client_names.clone().into(),
            }),
        })
    }
}

// === impl Files ===

impl Files {
    pub(super) fn read(terms: &Terms) -> Result<Files, TlsError> {
        let client_ca = terms.client.as_ref().map(|client| read(&client.ca));
        Ok(Files {
            certificate: read(&terms.certificate).map_err(TlsError::Certificate)?,
            key: read(&terms.key)
                .map(Zeroizing::new)
                .map_err(TlsError::Key)?,
            client_ca: client_ca.transpose().map_err(TlsError::ClientCa)?,
        })
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let none = Vec::new();
        let mut digest = Context::new(&SHA256);
        for content in [
            &self.certificate,
            &*self.key,
            self.client_ca.as_ref().unwrap_or(&none),
        ] {
            // With its length, so that no content runs into the next.
            digest.update(&(content.len() as u64).to_be_bytes());
            digest.update(content);
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest.finish().as_ref());
        Fingerprint(fingerprint)
    }

    /// Makes a configuration of its own, with no memory of earlier sessions.
    pub(super) fn load(&self, terms: &Terms) -> Result<Loaded, TlsError> {
        let chain = chain(&self.certificate).map_err(TlsError::Certificate)?;
        let certificate = chain.first().and_then(Certificate::read);
        let certificate = certificate.ok_or(TlsError::Certificate("holds no X.509 certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key);
        let key = key.map_err(|error| TlsError::Key(fault(&error)))?;

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = self.verifier(terms, &provider)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(TlsError::Unusable)?;
        config.alpn_protocols = vec![H2.to_vec()];
        if terms.client.is_some() {
            // A session that is resumed shows no certificate: one that has expired, or whose authority was replaced, since
            // would be believed.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Loaded {
            config: Arc::new(config),
            certificate,
        })
    }

    fn verifier(
        &self,
        terms: &Terms,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let Some(client) = &terms.client else {
            return Ok(Arc::new(NoClientAuth));
        };
        let pem = self.client_ca.as_deref().unwrap_or_default();
        let mut roots = RootCertStore::empty();
        for certificate in chain(pem).map_err(TlsError::ClientCa)? {
            let added = roots.add(certificate);
            added.map_err(|_| TlsError::ClientCa("holds what can't vouch for a client"))?;
        }
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let verifier = if client.required {
            verifier
        } else {
            verifier.allow_unauthenticated()
        };
        let verifier = verifier.build().map_err(TlsError::ClientVerifier)?;
        Ok(Named::one_of(client.names.clone(), verifier))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, &'static str> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| {
        // One byte more, so that a longer file shows.
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content)
    });
    match read {
        Ok(length) if length as u64 > MAX_FILE_BYTES => Err("is longer than 1 MiB"),
        Ok(_) => Ok(content),
        Err(_) => Err("can't be read"),
    }
}

/// All certificates, in their order; none is a fault.
fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err("holds no certificate"),
        Ok(chain) => Ok(chain),
        Err(error) => Err(fault(&error)),
    }
}

/// The parser's own words may quote the file.
fn fault(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::Io(_) => "can't be read",
        pem::Error::NoItemsFound => "holds no such item",
        _ => "is not PEM",
    }
}
