//! New files become the certificates of new connections, without one that is lost.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::watch;

use super::super::every;
use super::TlsError;
use super::certificate::{Certificate, Standing};
use super::files::{Files, Fingerprint, Terms};

/// How long new content must stay the same before it is used: whoever writes a file in place has then written all of it,
/// and a chain is not taken for whole while its end is missing.
const SETTLED: Duration = Duration::from_millis(100);

/// Looks at the files, and keeps the last good ones in use.
pub(super) struct Reload {
    terms: Terms,
    used: Fingerprint,
    certificate: Certificate,
    // What was last told of it.
    standing: Standing,
    // What was last warned of: files that stay bad are told of once.
    refused: Option<Refused>,
    configs: watch::Sender<Arc<ServerConfig>>,
}

/// Files that can't be used, and why; without a fingerprint if they can't even be read.
#[derive(Debug, PartialEq, Eq)]
struct Refused(Option<Fingerprint>, String);

// === impl Reload ===

impl Reload {
    pub(super) fn new(
        terms: Terms,
        used: Fingerprint,
        certificate: Certificate,
        configs: watch::Sender<Arc<ServerConfig>>,
    ) -> Reload {
        certificate.announce("TLS files loaded");
        certificate.warn();
        Reload {
            standing: certificate.standing(),
            terms,
            used,
            certificate,
            refused: None,
            configs,
        }
    }

    /// Never returns.
    pub(super) async fn run(mut self, interval: Duration) {
        let mut interval = every(interval);
        // They were read just now.
        interval.reset();
        loop {
            interval.tick().await;
            self.look().await;
            self.look_at_the_clock();
        }
    }

    async fn look(&mut self) {
        let files = match self.read().await {
            Ok(files) => files,
            Err(error) => return self.refuse(None, &error),
        };
        let found = files.fingerprint();
        if found == self.used {
            self.refused = None;
            return;
        }
        tokio::time::sleep(SETTLED).await;
        let again = self.read().await.map(|files| files.fingerprint());
        if !again.is_ok_and(|again| again == found) {
            // Somebody is writing; the next look will see what becomes of it.
            return;
        }
        match files.load(&self.terms) {
            Ok(loaded) => {
                self.configs.send_replace(loaded.config);
                self.used = found;
                self.refused = None;
                self.certificate = loaded.certificate;
                self.standing = self.certificate.standing();
                self.certificate.announce("TLS files reloaded");
                self.certificate.warn();
            }
            Err(error) => self.refuse(Some(found), &error),
        }
    }

    /// Not on the thread that accepts: a volume may be slow.
    async fn read(&self) -> Result<Files, TlsError> {
        let terms = self.terms.clone();
        let read = tokio::task::spawn_blocking(move || Files::read(&terms)).await;
        // Reading does not panic; it is only given up when the process ends.
        read.unwrap_or(Err(TlsError::Certificate("can't be read")))
    }

    fn refuse(&mut self, found: Option<Fingerprint>, error: &TlsError) {
        let refused = Some(Refused(found, error.to_string()));
        if self.refused != refused {
            tracing::warn!(error = %error, "new TLS files can't be used; those from before stay in use");
            self.refused = refused;
        }
    }

    /// A certificate that nobody replaced comes nearer to its end.
    fn look_at_the_clock(&mut self) {
        let standing = self.certificate.standing();
        if standing > self.standing {
            self.certificate.warn();
        }
        self.standing = standing;
    }
}
