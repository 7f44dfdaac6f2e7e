//! What a client says beside its calls: frames that cost it next to nothing and the server a little each. So many are free,
//! and clients that do work earn more; whoever sends nothing else is told to calm down (RFC 9113, section 10.5).

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Frames that a connection may send at once before it has earned any.
pub(super) const FREE: u32 = 1_000;
/// Frames more in each second: many times what keepalive and cancelled calls come to.
pub(super) const PER_SECOND: u32 = 100;
/// Frames that each piece of an answer is worth: a client takes note of it (`WINDOW_UPDATE`) and measures the way (PING).
const PER_PIECE: u32 = 4;
/// Bytes of an answer that are worth one frame more: some clients take note of every frame of it.
const BYTES_PER_FRAME: usize = 4 * 1024;
/// Bytes of a frame before its payload (RFC 9113, section 4.1).
const HEAD_BYTES: usize = 9;

// Types of frames and flags of headers (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Reads the frames of a client as their bytes go by.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; HEAD_BYTES],
    /// Bytes of the head that are there; all of them while the payload goes by.
    filled: usize,
    /// Bytes of the payload that are to come.
    left: usize,
    /// Whether a block of headers has begun and not ended.
    in_headers: bool,
    last_stream: u32,
}

/// What went by.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Frames that are no part of a call's request.
    pub(super) beside: u32,
    /// Whether a block of headers came to its end.
    pub(super) headers_ended: bool,
}

/// What a connection may still say.
#[derive(Debug)]
pub(super) struct Toll {
    left: u32,
    filled_up: Instant,
}

/// What answers have earned since it was last looked at.
#[derive(Debug, Default)]
pub(super) struct Earned(AtomicU32);

// === impl Frames ===

impl Frames {
    /// Sees the next bytes.
    pub(super) fn see(&mut self, mut bytes: &[u8]) -> Seen {
        let mut seen = Seen::default();
        loop {
            if self.filled == HEAD_BYTES {
                let now = self.left.min(bytes.len());
                self.left -= now;
                bytes = &bytes[now..];
                if self.left > 0 {
                    return seen;
                }
                self.end(&mut seen);
            }
            let now = (HEAD_BYTES - self.filled).min(bytes.len());
            self.head[self.filled..self.filled + now].copy_from_slice(&bytes[..now]);
            self.filled += now;
            bytes = &bytes[now..];
            if self.filled < HEAD_BYTES {
                return seen;
            }
            self.begin(&mut seen);
        }
    }

    /// Whether a block of headers has begun and not ended.
    pub(super) fn in_headers(&self) -> bool {
        self.in_headers
    }

    /// The latest stream that the client opened.
    pub(super) fn last_stream(&self) -> u32 {
        self.last_stream
    }

    fn begin(&mut self, seen: &mut Seen) {
        let [a, b, c, kind, _, stream @ ..] = self.head;
        self.left = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
        match kind {
            HEADERS => {
                self.in_headers = true;
                self.last_stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
            }
            DATA | CONTINUATION => {}
            _ => seen.beside = seen.beside.saturating_add(1),
        }
    }

    fn end(&mut self, seen: &mut Seen) {
        let [.., kind, flags, _, _, _, _] = self.head;
        if matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0 {
            self.in_headers = false;
            seen.headers_ended = true;
        }
        self.filled = 0;
    }
}

// === impl Toll ===

impl Toll {
    /// Nothing is spent.
    pub(super) fn new(now: Instant) -> Toll {
        Toll {
            left: FREE,
            filled_up: now,
        }
    }

    /// Pays for so many frames, with what was earned too; false if there is not enough.
    pub(super) fn pay(&mut self, frames: u32, earned: &Earned, now: Instant) -> bool {
        let more = more_after(now.saturating_duration_since(self.filled_up));
        if more > 0 {
            self.filled_up = now;
        }
        let earned = earned.0.swap(0, Ordering::Relaxed);
        let all = self.left.saturating_add(more).saturating_add(earned);
        match all.min(FREE).checked_sub(frames) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

fn more_after(time: Duration) -> u32 {
    let more = time.as_millis() * u128::from(PER_SECOND) / 1000;
    u32::try_from(more).unwrap_or(u32::MAX)
}

// === impl Earned ===

impl Earned {
    /// A piece of an answer of so many bytes is on its way.
    pub(super) fn add(&self, bytes: usize) {
        let frames = u32::try_from(bytes / BYTES_PER_FRAME).unwrap_or(FREE);
        // Should it ever wrap around, a client has earned less than it did.
        self.0
            .fetch_add(PER_PIECE.saturating_add(frames), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: usize) -> Vec<u8> {
        let length = u8::try_from(payload).unwrap();
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
        frame.resize(HEAD_BYTES + payload, b'x');
        frame
    }

    #[test]
    fn frames_are_told_apart_however_their_bytes_come() {
        let said: Vec<u8> = [
            frame(4, 0, 0, 0),
            frame(HEADERS, 0, 1, 7),
            frame(CONTINUATION, END_HEADERS, 1, 3),
            frame(DATA, 1, 1, 40),
            frame(6, 0, 0, 8),
            frame(HEADERS, END_HEADERS, 3, 5),
            frame(3, 0, 3, 4),
            frame(200, 0, 0, 1),
        ]
        .concat();
        for step in 1..=said.len() {
            let mut frames = Frames::default();
            let (mut beside, mut ended) = (0, false);
            for bytes in said.chunks(step) {
                let seen = frames.see(bytes);
                beside += seen.beside;
                ended |= seen.headers_ended;
            }
            assert_eq!((beside, ended), (4, true), "{step}");
            assert!(!frames.in_headers());
            assert_eq!(frames.last_stream(), 3);
        }
    }

    #[test]
    fn headers_are_open_until_their_last_byte() {
        let mut frames = Frames::default();
        frames.see(&frame(HEADERS, 0, 1, 4));
        assert!(frames.in_headers());
        let last = frame(CONTINUATION, END_HEADERS, 1, 4);
        assert!(!frames.see(&last[..12]).headers_ended);
        assert!(frames.in_headers());
        assert!(frames.see(&last[12..]).headers_ended);
        assert!(!frames.in_headers());
    }

    #[test]
    fn what_is_free_is_free_once_and_comes_back_with_time_and_with_work() {
        let now = Instant::now();
        let earned = Earned::default();
        let mut toll = Toll::new(now);
        assert!(toll.pay(FREE, &earned, now));
        assert!(!toll.pay(1, &earned, now));
        let later = now + Duration::from_secs(2);
        assert!(toll.pay(2 * PER_SECOND, &earned, later));
        assert!(!toll.pay(1, &earned, later));
        earned.add(0);
        assert!(toll.pay(PER_PIECE, &earned, later));
        earned.add(10 * BYTES_PER_FRAME);
        assert!(toll.pay(PER_PIECE + 10, &earned, later));
        assert!(!toll.pay(1, &earned, later));
    }

    #[test]
    fn nothing_is_saved_up_beyond_what_is_free() {
        let now = Instant::now();
        let mut toll = Toll::new(now);
        let later = now + Duration::from_hours(1);
        assert!(!toll.pay(FREE + 1, &Earned::default(), later));
    }
}
