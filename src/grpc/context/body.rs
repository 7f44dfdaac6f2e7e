//! The bodies of a call: the request's is limited, the response's tells the record how the call ended.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::{Code, Status};

use super::pace::{Pieces, Step};
use super::record::{CallId, Record};
use super::{FRAME_BYTES, settle};
use crate::authority::error::Reason;
use crate::grpc::status;

pin_project! {
    /// A request's body that ends in an error if it is longer than its call takes, or holds more than its one message.
    #[derive(Debug)]
    pub struct LimitedBody<B> {
        #[pin]
        inner: B,
        left: usize,
        // Of a call that streams requests there is no only message.
        only: Option<Only>,
    }
}

/// The only message of a request, as its bytes go by.
#[derive(Debug, Default)]
struct Only {
    head: [u8; FRAME_BYTES],
    seen: usize,
    left: usize,
}

pin_project! {
    /// A response's body that ends the call's record, and puts errors of the transport into the one form. A large answer goes
    /// out piece by piece.
    #[derive(Debug)]
    pub struct RecordedBody<R> {
        #[pin]
        inner: Option<R>,
        pieces: Pieces,
        record: Option<Record>,
    }
}

// === impl LimitedBody ===

impl<B> LimitedBody<B> {
    /// Takes so many bytes in all, and one message.
    pub(super) fn of_one(inner: B, limit: usize) -> Self {
        LimitedBody {
            inner,
            left: limit,
            only: Some(Only::default()),
        }
    }

    /// Takes as much as comes: each message has its limit elsewhere.
    pub(super) fn of_many(inner: B) -> Self {
        LimitedBody {
            inner,
            left: usize::MAX,
            only: None,
        }
    }
}

// === impl Only ===

impl Only {
    /// Sees the next bytes; false if some of them lie beyond the message.
    fn see(&mut self, mut bytes: &[u8]) -> bool {
        if let Some(head) = self.head.get_mut(self.seen..) {
            let now = head.len().min(bytes.len());
            head[..now].copy_from_slice(&bytes[..now]);
            bytes = &bytes[now..];
            self.seen += now;
            let [_, length @ ..] = self.head;
            self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        }
        let whole = self.left.checked_sub(bytes.len());
        self.left = whole.unwrap_or_default();
        whole.is_some()
    }
}

impl<B> Body for LimitedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        let frame = match ready!(this.inner.poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(Status::from_error(error.into())))),
            Some(Ok(frame)) => frame,
        };
        let Some(data) = frame.data_ref() else {
            return Poll::Ready(Some(Ok(frame)));
        };
        let Some(left) = this.left.checked_sub(data.len()) else {
            return Poll::Ready(Some(Err(status::plain(
                Reason::LimitExceeded,
                "the request is larger than this call takes",
            ))));
        };
        *this.left = left;
        if this.only.as_mut().is_some_and(|only| !only.see(data)) {
            return Poll::Ready(Some(Err(status::plain(
                Reason::MalformedRequest,
                "a call of this method takes one message",
            ))));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

// === impl RecordedBody ===

impl<R> RecordedBody<R> {
    pub(super) fn new(inner: Option<R>, record: Option<Record>) -> Self {
        RecordedBody {
            inner,
            pieces: Pieces::default(),
            record,
        }
    }

    pub(super) fn call_id(&self) -> Option<CallId> {
        self.record.as_ref().map(Record::call_id)
    }

    /// The call ended, with its headers already.
    pub(super) fn end(&mut self, code: Code) {
        if let Some(record) = &mut self.record {
            record.end(code);
        }
    }
}

impl<R> Body for RecordedBody<R>
where
    R: Body<Data = Bytes, Error = Status>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            return Poll::Ready(None);
        };
        if let Some(piece) = ready!(this.pieces.poll_next(cx)) {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let Poll::Ready(mut frame) = inner.poll_frame(cx) else {
            Step::Awaited.tell();
            return Poll::Pending;
        };
        let code = match &mut frame {
            Some(Ok(frame)) => frame
                .trailers_mut()
                .and_then(|trailers| settle(trailers, status::unfinished)),
            Some(Err(error)) => Some(error.code()),
            None => Some(Code::Unknown),
        };
        if let (Some(code), Some(record)) = (code, this.record) {
            record.end(code);
        }
        let frame =
            frame.map(|frame| frame.map(|frame| frame.map_data(|part| this.pieces.cut(part))));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
