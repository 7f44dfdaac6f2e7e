//! The deadline that a client asks for: `grpc-timeout`, as gRPC over HTTP/2 spells it.

use std::time::Duration;

use http::HeaderMap;
use tonic::Status;

use crate::authority::error::Reason;
use crate::grpc::status;

/// The header's name.
const GRPC_TIMEOUT: &str = "grpc-timeout";
/// Digits that the protocol allows.
const MAX_DIGITS: usize = 8;

/// How long the client is willing to wait, which may be no time at all; `None` if it doesn't say. What can't be read is refused: a client that believes
/// in a deadline must not be left without it.
pub(super) fn asked(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let mut values = headers.get_all(GRPC_TIMEOUT).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => parse(value.as_bytes()).map(Some).ok_or_else(refusal),
        (Some(_), Some(_)) => Err(refusal()),
    }
}

fn refusal() -> Status {
    status::plain(
        Reason::MalformedRequest,
        "grpc-timeout must be 1 to 8 digits and a unit: H, M, S, m, u or n",
    )
}

fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits
        .iter()
        .fold(0_u64, |count, digit| count * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_read_as_the_protocol_spells_it() {
        for (text, timeout) in [
            ("0n", Duration::ZERO),
            ("1n", Duration::from_nanos(1)),
            ("20u", Duration::from_micros(20)),
            ("300m", Duration::from_millis(300)),
            ("4S", Duration::from_secs(4)),
            ("5M", Duration::from_mins(5)),
            ("99999999H", Duration::from_hours(99_999_999)),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(timeout), "{text}");
        }
    }

    #[test]
    fn a_timeout_that_is_none_is_refused() {
        for text in [
            "",
            "S",
            "-1S",
            "+1S",
            "1",
            "1s",
            "1.5S",
            "123456789S",
            "1 S",
            " 1S",
            "1S ",
            "\u{661}S",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn two_timeouts_are_refused() {
        let mut headers = HeaderMap::new();
        assert!(matches!(asked(&headers), Ok(None)));
        headers.append(GRPC_TIMEOUT, http::HeaderValue::from_static("1S"));
        assert!(matches!(asked(&headers), Ok(Some(_))));
        headers.append(GRPC_TIMEOUT, http::HeaderValue::from_static("2S"));
        assert!(asked(&headers).is_err());
    }
}
