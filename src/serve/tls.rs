//! TLS 1.2 and 1.3 with ring, for HTTP/2 alone; mutual where it is asked for; the files looked at again and again.

mod certificate;
mod files;
mod names;
mod reload;

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::VerifierBuilderError;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::config::Config;
use files::{Files, Terms};
use reload::Reload;

/// The protocol that both sides must agree on (RFC 9113, section 3.2).
pub(super) const H2: &[u8] = b"h2";

/// Why there can be no TLS. It holds nothing of the files.
#[derive(Debug)]
pub enum TlsError {
    /// The certificate file has no certificate that can be read.
    Certificate(&'static str),
    /// The key file has no key that can be read.
    Key(&'static str),
    /// The file with the certificates that vouch for clients has none that can be read.
    ClientCa(&'static str),
    /// Those certificates can't vouch for anybody.
    ClientVerifier(VerifierBuilderError),
    /// Certificate and key don't go together, or are of no use to TLS.
    Unusable(rustls::Error),
}

/// What makes connections into TLS connections: always by the files as they were last found good.
#[derive(Clone)]
pub(super) struct Tls(watch::Receiver<Arc<ServerConfig>>);

/// Looks at the files for as long as it lives.
pub(super) struct Watchman(JoinHandle<()>);

// === impl Tls ===

impl Tls {
    /// Reads the files, and goes on looking at them; `None` if the server is to speak plaintext.
    pub(super) fn start(config: &Config) -> Result<Option<(Tls, Watchman)>, TlsError> {
        let Some(terms) = Terms::of(config) else {
            return Ok(None);
        };
        let files = Files::read(&terms)?;
        let loaded = files.load(&terms)?;
        let (configs, current) = watch::channel(loaded.config.clone());
        let reload = Reload::new(terms, files.fingerprint(), loaded.certificate, configs);
        let watchman = Watchman(tokio::spawn(reload.run(config.tls_reload_interval)));
        Ok(Some((Tls(current), watchman)))
    }

    /// For a handshake that begins now.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.borrow().clone())
    }
}

impl Drop for Watchman {
    fn drop(&mut self) {
        self.0.abort();
    }
}

// === impl TlsError ===

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Certificate(fault) => write!(f, "tls_cert_file {fault}"),
            TlsError::Key(fault) => write!(f, "tls_key_file {fault}"),
            TlsError::ClientCa(fault) => write!(f, "tls_client_ca_file {fault}"),
            TlsError::ClientVerifier(error) => write!(f, "tls_client_ca_file: {error}"),
            TlsError::Unusable(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for TlsError {}
