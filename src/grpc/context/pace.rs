//! The pace of an answer: it goes out in pieces, the next one once the peer has taken the last, and whoever drives the call
//! learns at each step for whom it waits.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::oneshot;

/// Longest piece of an answer that is sent at once, bytes: what a slow peer makes the server hold beside the answer itself.
const PIECE_BYTES: usize = 64 * 1024;
/// Longest answer that is not waited for, bytes: a verdict's end follows it at once, in the same packet.
const SMALL_BYTES: usize = 1024;

thread_local! {
    static STEP: Cell<Option<Step>> = const { Cell::new(None) };
}

/// What became of an answer when its call was last driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A piece of so many bytes was handed out, and the peer is to take it.
    Given(usize),
    /// There is nothing to take: the handler is to go on.
    Awaited,
}

impl Step {
    /// The last step of the call that this thread has just driven, if it took one. It is told once.
    #[must_use]
    pub fn last() -> Option<Step> {
        STEP.take()
    }

    /// Tells whoever drives this call.
    pub(crate) fn tell(self) {
        STEP.set(Some(self));
    }
}

/// What is left of a part of an answer.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    rest: Bytes,
    /// Closed when the last piece is let go of: it was written to the socket, or will never be.
    taken: Option<oneshot::Receiver<()>>,
}

/// A piece that tells when it is let go of.
struct Piece {
    bytes: Bytes,
    _taken: oneshot::Sender<()>,
}

// === impl Pieces ===

impl Pieces {
    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The first piece of this part of an answer.
    pub(super) fn cut(&mut self, part: Bytes) -> Bytes {
        if part.len() <= SMALL_BYTES {
            Step::Given(part.len()).tell();
            return part;
        }
        self.rest = part;
        self.next()
    }

    /// The next piece, once the last one was taken; `None` if there is none.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(taken) = &mut self.taken {
            // What it ends with says nothing: it is closed by the piece's end.
            if Pin::new(taken).poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.taken = None;
        }
        Poll::Ready((!self.rest.is_empty()).then(|| self.next()))
    }

    fn next(&mut self) -> Bytes {
        let bytes = self.rest.split_to(self.rest.len().min(PIECE_BYTES));
        let (sender, taken) = oneshot::channel();
        self.taken = Some(taken);
        Step::Given(bytes.len()).tell();
        Bytes::from_owner(Piece {
            bytes,
            _taken: sender,
        })
    }
}

// === impl Piece ===

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_large_part_goes_out_piece_by_piece_as_it_is_taken() {
        let mut cx = Context::from_waker(Waker::noop());
        let part = Bytes::from(vec![b'x'; 2 * PIECE_BYTES + 1]);
        let mut pieces = Pieces::default();
        let first = pieces.cut(part);
        assert_eq!(Step::last(), Some(Step::Given(PIECE_BYTES)));
        assert!(pieces.poll_next(&mut cx).is_pending());
        // It is still the piece before that is waited for.
        assert_eq!(Step::last(), None);
        drop(first);
        for length in [PIECE_BYTES, 1] {
            let Poll::Ready(Some(piece)) = pieces.poll_next(&mut cx) else {
                panic!("a piece of {length}");
            };
            assert_eq!(piece.len(), length);
            assert_eq!(Step::last(), Some(Step::Given(length)));
        }
        assert!(matches!(pieces.poll_next(&mut cx), Poll::Ready(None)));
    }

    #[test]
    fn a_small_part_is_not_waited_for() {
        let mut pieces = Pieces::default();
        let part = pieces.cut(Bytes::from(vec![b'x'; SMALL_BYTES]));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(pieces.poll_next(&mut cx), Poll::Ready(None)));
        assert_eq!(part.len(), SMALL_BYTES);
    }
}
