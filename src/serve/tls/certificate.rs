//! What operators want to know of the server's certificate.

use std::fmt;

use rustls::pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::names::{Name, names};

/// How long before its end a certificate is warned of, seconds: time enough to renew it by hand.
const EXPIRES_SOON: i64 = 14 * 24 * 3600;

/// A certificate, as it is told of.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    subject: String,
    names: String,
    /// Unix seconds.
    not_after: i64,
}

/// How near its end a certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Far.
    Good,
    /// So near that somebody should do something.
    ExpiresSoon,
    /// Past it.
    Expired,
}

// === impl Certificate ===

impl Certificate {
    pub(super) fn read(der: &CertificateDer<'_>) -> Option<Certificate> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names: Vec<&str> = names(&certificate).iter().map(Name::as_str).collect();
        Some(Certificate {
            subject: certificate.subject().to_string(),
            names: names.join(","),
            not_after: certificate.validity().not_after.timestamp(),
        })
    }

    /// By the clock that TLS itself judges certificates by.
    pub(super) fn standing(&self) -> Standing {
        self.standing_at(i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX))
    }

    fn standing_at(&self, now: i64) -> Standing {
        match self.not_after.saturating_sub(now) {
            left if left < 0 => Standing::Expired,
            left if left < EXPIRES_SOON => Standing::ExpiresSoon,
            _ => Standing::Good,
        }
    }

    /// Tells that it serves from now on.
    pub(super) fn announce(&self, message: &str) {
        tracing::info!(
            tls.subject = %self.subject,
            tls.names = %self.names,
            tls.not_after = %NotAfter(self.not_after),
            "{message}"
        );
    }

    /// Warns if it ends soon, or has ended.
    pub(super) fn warn(&self) {
        let not_after = NotAfter(self.not_after);
        match self.standing() {
            Standing::Good => {}
            Standing::ExpiresSoon => tracing::warn!(
                tls.subject = %self.subject, tls.not_after = %not_after,
                "the certificate expires soon: replace tls_cert_file and tls_key_file"
            ),
            Standing::Expired => tracing::warn!(
                tls.subject = %self.subject, tls.not_after = %not_after,
                "the certificate has expired, and clients refuse it: replace tls_cert_file and tls_key_file"
            ),
        }
    }
}

/// The end of a certificate, as RFC 3339 has it.
struct NotAfter(i64);

impl fmt::Display for NotAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "{} s", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_warned_of_two_weeks_before_its_end() {
        let certificate = Certificate {
            subject: String::new(),
            names: String::new(),
            not_after: 100 * 86_400,
        };
        for (day, standing) in [
            (85, Standing::Good),
            (86, Standing::Good),
            (87, Standing::ExpiresSoon),
            (100, Standing::ExpiresSoon),
            (101, Standing::Expired),
        ] {
            assert_eq!(certificate.standing_at(day * 86_400), standing, "day {day}");
        }
        assert_eq!(NotAfter(1_800_000_000).to_string(), "2027-01-15T08:00:00Z");
    }
}
