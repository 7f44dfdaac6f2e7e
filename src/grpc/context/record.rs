//! What is known of a call, and the line about it in the access log.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tonic::Code;
use tracing::Span;

use crate::grpc::method::{Kind, Method};

/// What the log calls a method that is none: the name that the client gave may hold anything.
const UNKNOWN: &str = "unknown";

/// The id of a call: unique in this process, unlikely to meet one of another. No secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallId(u64);

/// A call from its headers to its end. It writes exactly one line, also if the client goes away.
#[derive(Debug)]
pub(super) struct Record {
    call_id: CallId,
    method: Option<Method>,
    peer: IpAddr,
    started: Instant,
    ended: bool,
    place: Option<OwnedSemaphorePermit>,
}

// === impl CallId ===

impl CallId {
    /// The next one. A counter from a random start, scrambled one to one: no two are equal before 2^64 calls.
    fn next() -> CallId {
        static COUNTER: LazyLock<AtomicU64> =
            LazyLock::new(|| AtomicU64::new(RandomState::new().hash_one("call id")));
        CallId(scramble(COUNTER.fetch_add(1, Ordering::Relaxed)))
    }

    /// As metadata.
    pub(super) fn header_value(self) -> HeaderValue {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [b'0'; 16];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0.to_be_bytes()) {
            pair.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]]);
        }
        HeaderValue::from_bytes(&digits).unwrap_or(HeaderValue::from_static(UNKNOWN))
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

// === impl Record ===

macro_rules! line {
    ($record:expr, $code:expr, $level:ident) => {
        tracing::$level!(
            call.id = %$record.call_id,
            rpc.method = $record.method_name(),
            rpc.code = ?$code,
            duration_us = u64::try_from($record.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            peer.address = %$record.peer,
            "call"
        )
    };
}

impl Record {
    pub(super) fn begin(method: Option<Method>, peer: IpAddr) -> Record {
        Record {
            call_id: CallId::next(),
            method,
            peer,
            started: Instant::now(),
            ended: false,
            place: None,
        }
    }

    /// Keeps this place for as long as the call lives.
    pub(super) fn keep(&mut self, place: OwnedSemaphorePermit) {
        self.place = Some(place);
    }

    pub(super) fn call_id(&self) -> CallId {
        self.call_id
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// The span that the handler runs in.
    pub(super) fn span(&self) -> Span {
        if self.is_quiet() {
            tracing::debug_span!("call", call.id = %self.call_id, rpc.method = self.method_name())
        } else {
            tracing::info_span!("call", call.id = %self.call_id, rpc.method = self.method_name())
        }
    }

    /// The call ended with this code; only the first end counts.
    pub(super) fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        match code {
            Code::Internal | Code::DataLoss | Code::Unknown => line!(self, code, error),
            _ if self.is_quiet() => line!(self, code, debug),
            _ => line!(self, code, info),
        }
    }

    fn is_quiet(&self) -> bool {
        self.method.is_none_or(|method| method.kind != Kind::Admin)
    }

    fn method_name(&self) -> &'static str {
        self.method.map_or(UNKNOWN, |method| method.path)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// The finalizer of `SplitMix64` (Steele, Lea and Flood 2014): a bijection.
fn scramble(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_in_the_metadata_is_the_id_in_the_log() {
        for id in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            let id = CallId(id);
            assert_eq!(id.header_value().to_str().unwrap(), id.to_string());
        }
        assert_ne!(CallId::next(), CallId::next());
    }
}
