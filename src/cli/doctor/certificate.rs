//! How long a certificate is still good.

use x509_parser::parse_x509_certificate;

use super::Check;
use crate::clock::{SystemTimeSource, TimeSource as _};

/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;
/// Days below which a renewal is due: an ACME client renews 30 days ahead, so something has failed by then.
const DUE: i64 = 21;

/// The check of a certificate's time, DER.
pub(super) fn expiry(what: &'static str, der: &[u8]) -> Check {
    let renew = "renew the server's certificate";
    let Ok((_, certificate)) = parse_x509_certificate(der) else {
        return Check::fail(what, "the certificate can't be read", renew);
    };
    let now = SystemTimeSource.wall_ms().div_euclid(1000);
    let (from, until) = (
        certificate.validity().not_before.timestamp(),
        certificate.validity().not_after.timestamp(),
    );
    let days = (until - now).div_euclid(DAY);
    match days {
        _ if now < from => Check::fail(
            what,
            "the certificate is not good yet",
            "check the clock of this machine, and the certificate",
        ),
        ..0 => Check::fail(
            what,
            format!("the certificate expired {} days ago", -days),
            renew,
        ),
        0..DUE => Check::warn(
            what,
            format!("the certificate is good for {days} days"),
            renew,
        ),
        _ => Check::ok(what, format!("the certificate is good for {days} days")),
    }
}
