//! TLS 1.2 and 1.3 with ring, for HTTP/2 alone.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio_rustls::TlsAcceptor;

use crate::config::Config;

/// The protocol that both sides must agree on (RFC 9113, section 3.2).
pub(super) const H2: &[u8] = b"h2";

/// Why there can be no TLS. It holds nothing of the files.
#[derive(Debug)]
pub enum TlsError {
    /// The certificate file has no certificate that can be read.
    Certificate(&'static str),
    /// The key file has no key that can be read.
    Key(&'static str),
    /// Certificate and key don't go together, or are of no use to TLS.
    Unusable(rustls::Error),
}

/// What makes connections into TLS connections; `None` if the server is to speak plaintext.
pub(super) fn acceptor(config: &Config) -> Result<Option<TlsAcceptor>, TlsError> {
    let (Some(certificate), Some(key)) = (&config.tls_cert_file, &config.tls_key_file) else {
        return Ok(None);
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?
        .with_no_client_auth()
        .with_single_cert(chain(certificate)?, private_key(key)?)
        .map_err(TlsError::Unusable)?;
    tls.alpn_protocols = vec![H2.to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(tls))))
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    match chain {
        Ok(chain) if chain.is_empty() => Err(TlsError::Certificate("holds no certificate")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(TlsError::Certificate(fault(&error))),
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| TlsError::Key(fault(&error)))
}

/// The parser's own words may quote the file.
fn fault(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::Io(_) => "can't be read",
        pem::Error::NoItemsFound => "holds no such item",
        _ => "is not PEM",
    }
}

// === impl TlsError ===

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Certificate(fault) => write!(f, "tls_cert_file {fault}"),
            TlsError::Key(fault) => write!(f, "tls_key_file {fault}"),
            TlsError::Unusable(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for TlsError {}
