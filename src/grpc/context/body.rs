//! The bodies of a call: the request's is limited, the response's tells the record how the call ended.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::{Code, Status};

use super::record::{CallId, Record};
use super::settle;
use crate::authority::error::Reason;
use crate::grpc::status;

pin_project! {
    /// A request's body that ends in an error if it is longer than its call takes.
    #[derive(Debug)]
    pub struct LimitedBody<B> {
        #[pin]
        inner: B,
        left: usize,
    }
}

pin_project! {
    /// A response's body that ends the call's record, and puts errors of the transport into the one form.
    #[derive(Debug)]
    pub struct RecordedBody<R> {
        #[pin]
        inner: Option<R>,
        record: Option<Record>,
    }
}

// === impl LimitedBody ===

impl<B> LimitedBody<B> {
    pub(super) fn new(inner: B, limit: usize) -> Self {
        LimitedBody { inner, left: limit }
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
        let length = frame.data_ref().map_or(0, Bytes::len);
        match this.left.checked_sub(length) {
            Some(left) => {
                *this.left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            None => Poll::Ready(Some(Err(status::plain(
                Reason::LimitExceeded,
                "the request is larger than this call takes",
            )))),
        }
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
        RecordedBody { inner, record }
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
        let mut frame = ready!(inner.poll_frame(cx));
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
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
