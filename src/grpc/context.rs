//! The one layer around every call: call id, span, deadline, size, panics, the access log, and the form of errors.
//!
//! Handlers mention none of it. On Verify it costs two clock readings and a few words of memory: the timer exists only if the
//! call has to wait, the span only if somebody listens.

mod body;
mod deadline;
mod pace;
mod peer;
mod record;

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body::Body;
use ipnet::IpNet;
use pin_project_lite::pin_project;
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Span;

use crate::authority::error::Reason;
use crate::grpc::method::{Kind, Method};
use crate::grpc::status;
pub use body::{LimitedBody, RecordedBody};
pub use pace::Step;
pub use record::CallId;
use record::Record;

/// Response metadata: finds the call in the log.
const CALL_ID: HeaderName = HeaderName::from_static("ta-call-id");
/// Longest request of Verify and of what is open to all, bytes: a token, a few permissions and names; more is an attack or a
/// mistake.
pub const MAX_VERIFY_BYTES: usize = 64 * 1024;
/// Longest request of any other call, bytes: a batch of 1000 checks fits well.
pub const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;
/// Calls that are open to all, at once on one connection: a probe makes one, a tool a few, and whoever has no credential must
/// not make the server hold hundreds on each connection.
pub const MAX_OPEN_CALLS: usize = 64;
/// What gRPC puts before each message, bytes.
const FRAME_BYTES: usize = 5;

/// What every call is held to.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The longest that a call may take, and a stream to begin.
    pub request_deadline: Duration,
    /// Whose `x-forwarded-for` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// What a handler may know of its call, among the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallContext {
    /// The id under which the log knows the call.
    pub call_id: CallId,
    /// The caller's address, canonical; a forwarded one only if trusted proxies vouch for it.
    pub peer: IpAddr,
}

/// Makes the layer's service for one connection.
#[derive(Debug, Clone)]
pub struct ContextLayer {
    rules: Arc<Rules>,
    peer: IpAddr,
    // For calls that are open to all.
    places: Arc<Semaphore>,
}

/// The layer around a service, for one connection.
#[derive(Debug, Clone)]
pub struct ContextService<S> {
    inner: S,
    rules: Arc<Rules>,
    peer: IpAddr,
    places: Arc<Semaphore>,
}

pin_project! {
    /// One call under way.
    #[derive(Debug)]
    pub struct ContextFuture<F> {
        #[pin]
        call: Option<F>,
        // The answer, if it is known without a call.
        refusal: Option<Status>,
        not_grpc: Option<StatusCode>,
        record: Option<Record>,
        deadline: Option<Instant>,
        timer: Option<Pin<Box<Sleep>>>,
        span: Span,
    }
}

// === impl ContextLayer ===

impl ContextLayer {
    /// The layer for a connection with this peer.
    #[must_use]
    pub fn new(rules: Arc<Rules>, peer: SocketAddr) -> ContextLayer {
        ContextLayer {
            rules,
            peer: peer.ip().to_canonical(),
            places: Arc::new(Semaphore::new(MAX_OPEN_CALLS)),
        }
    }
}

impl<S> Layer<S> for ContextLayer {
    type Service = ContextService<S>;

    fn layer(&self, inner: S) -> ContextService<S> {
        ContextService {
            inner,
            rules: self.rules.clone(),
            peer: self.peer,
            places: self.places.clone(),
        }
    }
}

// === impl ContextService ===

impl<S, B, R> Service<Request<B>> for ContextService<S>
where
    S: Service<Request<LimitedBody<B>>, Response = Response<R>, Error = Infallible>,
    R: Body<Data = Bytes, Error = Status>,
{
    type Response = Response<RecordedBody<R>>;
    type Error = Infallible;
    type Future = ContextFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(answer) = not_grpc(&request) {
            return ContextFuture::not_grpc(answer);
        }
        let method = Method::at(request.uri().path());
        let peer = peer::address(self.peer, request.headers(), &self.rules.trusted_proxies);
        let mut record = Record::begin(method, peer);
        let Some(method) = method else {
            let unknown = status::plain(Reason::UnknownMethod, "there is no such method");
            return ContextFuture::refused(record, unknown);
        };
        let longest = match deadline::asked(request.headers()) {
            Ok(Some(Duration::ZERO)) => {
                return ContextFuture::refused(record, status::deadline_exceeded());
            }
            Ok(asked) => asked
                .unwrap_or(Duration::MAX)
                .min(self.rules.request_deadline),
            Err(refusal) => return ContextFuture::refused(record, refusal),
        };
        if method.kind == Kind::Open {
            match self.places.clone().try_acquire_owned() {
                Ok(place) => record.keep(place),
                Err(_) => return ContextFuture::refused(record, too_many()),
            }
        }
        let deadline = Some(record.started() + longest);

        request.extensions_mut().insert(CallContext {
            call_id: record.call_id(),
            peer,
        });
        let request = request.map(|body| limited(body, method));
        let span = record.span();
        let call = catch_unwind(AssertUnwindSafe(|| {
            span.in_scope(|| self.inner.call(request))
        }));
        match call {
            Ok(call) => ContextFuture {
                call: Some(call),
                refusal: None,
                not_grpc: None,
                record: Some(record),
                deadline,
                timer: None,
                span,
            },
            Err(_panic) => ContextFuture::refused(record, status::internal()),
        }
    }
}

// === impl ContextFuture ===

impl<F> ContextFuture<F> {
    fn refused(record: Record, refusal: Status) -> Self {
        ContextFuture {
            call: None,
            refusal: Some(refusal),
            not_grpc: None,
            record: Some(record),
            deadline: None,
            timer: None,
            span: Span::none(),
        }
    }

    /// Not a call at all, so there is neither a record nor a gRPC status.
    fn not_grpc(answer: StatusCode) -> Self {
        ContextFuture {
            call: None,
            refusal: None,
            not_grpc: Some(answer),
            record: None,
            deadline: None,
            timer: None,
            span: Span::none(),
        }
    }
}

impl<F, R> Future for ContextFuture<F>
where
    F: Future<Output = Result<Response<R>, Infallible>>,
    R: Body<Data = Bytes, Error = Status>,
{
    type Output = Result<Response<RecordedBody<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let refusal = match this.call.as_mut().as_pin_mut() {
            None => this.refusal.take(),
            Some(call) => {
                let _entered = this.span.enter();
                match catch_unwind(AssertUnwindSafe(|| call.poll(cx))) {
                    Ok(Poll::Ready(Ok(response))) => {
                        return Poll::Ready(Ok(answered(response, this.record.take())));
                    }
                    Ok(Poll::Ready(Err(never))) => match never {},
                    Ok(Poll::Pending) => {
                        let Some(deadline) = *this.deadline else {
                            return Poll::Pending;
                        };
                        let timer = this
                            .timer
                            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                        std::task::ready!(timer.as_mut().poll(cx));
                        Some(status::deadline_exceeded())
                    }
                    Err(_panic) => Some(status::internal()),
                }
            }
        };
        // What is left of the call must not run on behind an answer.
        this.call.set(None);
        let response = match refusal {
            Some(refusal) => answered(refusal.into_http::<()>().map(|()| None), this.record.take()),
            None => plain_http(this.not_grpc.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)),
        };
        Poll::Ready(Ok(response))
    }
}

/// Sends the response on: with the call id, errors in the one form, and the record where the end will be seen.
fn answered<R>(
    response: Response<impl Into<Option<R>>>,
    record: Option<Record>,
) -> Response<RecordedBody<R>> {
    let (mut parts, body) = response.into_parts();
    let mut body = RecordedBody::new(body.into(), record);
    if let Some(code) = settle(&mut parts.headers, status::foreign) {
        body.end(code);
    }
    if let Some(call_id) = body.call_id() {
        parts.headers.insert(CALL_ID, call_id.header_value());
    }
    Response::from_parts(parts, body)
}

/// The code in these headers or trailers, if there is one. An error that none of ours made is replaced by `repair`.
fn settle(headers: &mut HeaderMap, repair: impl Fn(&Status) -> Status) -> Option<Code> {
    let code = Code::from_bytes(headers.get(Status::GRPC_STATUS)?.as_bytes());
    if code == Code::Ok || headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return Some(code);
    }
    let repaired = repair(&Status::from_header_map(headers)?);
    headers.remove(Status::GRPC_MESSAGE);
    match repaired.add_header(headers) {
        Ok(()) => Some(repaired.code()),
        Err(_) => Some(code),
    }
}

/// What to answer to a request that is no gRPC call, as gRPC over HTTP/2 has it.
fn not_grpc<B>(request: &Request<B>) -> Option<StatusCode> {
    if request.method() != http::Method::POST {
        return Some(StatusCode::METHOD_NOT_ALLOWED);
    }
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .map(HeaderValue::as_bytes);
    let rest = content_type.and_then(|value| value.strip_prefix(b"application/grpc"));
    let rest = rest.map(|rest| rest.strip_prefix(b"+proto").unwrap_or(rest));
    match rest {
        Some([] | [b';', ..]) => None,
        _ => Some(StatusCode::UNSUPPORTED_MEDIA_TYPE),
    }
}

fn plain_http<R>(answer: StatusCode) -> Response<RecordedBody<R>> {
    let mut response = Response::new(RecordedBody::new(None, None));
    *response.status_mut() = answer;
    if answer == StatusCode::METHOD_NOT_ALLOWED {
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

fn too_many() -> Status {
    status::plain(
        Reason::LimitExceeded,
        "this connection has too many calls of health and reflection under way; end some of them",
    )
}

fn limited<B>(body: B, method: Method) -> LimitedBody<B> {
    let longest = match method.kind {
        // Each message has its limit; how many there are is the client's business.
        _ if method.streaming => return LimitedBody::of_many(body),
        Kind::Verify | Kind::Open => MAX_VERIFY_BYTES,
        Kind::Quiet | Kind::Admin => MAX_REQUEST_BYTES,
    };
    LimitedBody::of_one(body, longest + FRAME_BYTES)
}

#[cfg(test)]
mod tests;
