//! Answers health and reflection from the first moment, and everything else once the authority is open.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use pin_project_lite::pin_project;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;

use crate::authority::error::Reason;
use crate::grpc::method::INFRASTRUCTURE;
use crate::grpc::status;

/// The way in; closed at first. `S` is what calls go to once it is open.
#[derive(Debug)]
pub(super) struct Gate<S> {
    early: Routes,
    // One for each worker: what is counted at every call is then not shared between cores.
    calls: Arc<OnceLock<Vec<S>>>,
}

/// The way in from one worker.
#[derive(Debug, Clone)]
pub(super) struct GateService<S> {
    early: Routes,
    calls: Arc<OnceLock<Vec<S>>>,
    worker: usize,
}

pin_project! {
    /// A call on its way.
    #[project = GateProjection]
    pub(super) enum GateFuture<F, E> {
        Open { #[pin] call: F },
        Early { #[pin] call: E },
        Closed,
    }
}

// === impl Gate ===

impl<S> Gate<S> {
    /// Closed; `early` answers what can be answered without the authority.
    pub(super) fn new(early: Routes) -> Gate<S> {
        Gate {
            early: early.prepare(),
            calls: Arc::default(),
        }
    }

    /// Lets calls in: one service for each worker.
    pub(super) fn open(&self, calls: Vec<S>) {
        // It is opened once; a second time would change nothing.
        let _ = self.calls.set(calls);
    }

    pub(super) fn for_worker(&self, worker: usize) -> GateService<S> {
        GateService {
            early: self.early.clone(),
            calls: self.calls.clone(),
            worker,
        }
    }
}

// === impl GateService ===

impl<S, B> Service<Request<B>> for GateService<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible> + Clone,
    B: HttpBody<Data = Bytes, Error = Status> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = GateFuture<S::Future, <Routes as Service<Request<B>>>::Future>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Routes are always ready, and the layers over them hold nothing back.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(calls) = self.calls.get().and_then(|calls| calls.get(self.worker)) {
            GateFuture::Open {
                call: calls.clone().call(request),
            }
        } else if request.uri().path().starts_with(INFRASTRUCTURE) {
            GateFuture::Early {
                call: self.early.call(request),
            }
        } else {
            GateFuture::Closed
        }
    }
}

// === impl GateFuture ===

impl<F, E> Future for GateFuture<F, E>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
    E: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            GateProjection::Open { call } => call.poll(cx),
            GateProjection::Early { call } => call.poll(cx),
            GateProjection::Closed => {
                let starting =
                    status::plain(Reason::NotReady, "the authority is starting; try again");
                Poll::Ready(Ok(starting.into_http()))
            }
        }
    }
}
