//! Answers at each port what belongs there, and says of the rest where it is.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::listeners::Port;
use crate::authority::error::Reason;
use crate::grpc::method::{INFRASTRUCTURE, VERIFY_SERVICE};
use crate::grpc::status;

/// What the paths of health begin with.
const HEALTH: &str = "/grpc.health.";

/// The calls of one port.
#[derive(Debug, Clone)]
pub(super) struct Parted<S> {
    port: Port,
    inner: S,
}

pin_project! {
    /// A call at a port.
    #[project = PartedProjection]
    pub(super) enum PartedFuture<F> {
        Here { #[pin] call: F },
        Elsewhere { refusal: Option<Status> },
    }
}

// === impl Parted ===

impl<S> Parted<S> {
    pub(super) fn new(port: Port, inner: S) -> Parted<S> {
        Parted { port, inner }
    }
}

impl<S, B> Service<Request<B>> for Parted<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = PartedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match elsewhere(self.port, request.uri().path()) {
            None => PartedFuture::Here {
                call: self.inner.call(request),
            },
            Some(refusal) => PartedFuture::Elsewhere {
                refusal: Some(status::plain(Reason::UnknownMethod, refusal)),
            },
        }
    }
}

/// Why a path is not served at a port; `None` if it is. A service that nobody thought of here belongs to the administrators.
fn elsewhere(port: Port, path: &str) -> Option<&'static str> {
    let here = match port {
        Port::All => true,
        Port::Verify => path.starts_with(VERIFY_SERVICE) || path.starts_with(INFRASTRUCTURE),
        Port::Admin => !path.starts_with(VERIFY_SERVICE),
        Port::Health => path.starts_with(HEALTH),
    };
    if here {
        return None;
    }
    Some(match port {
        Port::All | Port::Verify => {
            "this port serves TokenVerify alone; for all else ask at the server's admin_listen, or if that is not set, at its listen"
        }
        Port::Admin => {
            "this port does not serve TokenVerify; ask for it at the server's verify_listen, or if that is not set, at its listen"
        }
        Port::Health => {
            "this port (health_listen) serves health alone; ask at the server's listen, verify_listen or admin_listen"
        }
    })
}

// === impl PartedFuture ===

impl<F: Future<Output = Result<Response<Body>, Infallible>>> Future for PartedFuture<F> {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            PartedProjection::Here { call } => call.poll(cx),
            // It is polled once: it is ready at once.
            PartedProjection::Elsewhere { refusal } => Poll::Ready(Ok(refusal
                .take()
                .unwrap_or_else(status::internal)
                .into_http())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_serves_its_own_and_no_method_is_served_nowhere() {
        let paths = [
            "/tokenauthority.v1.TokenVerify/Verify",
            "/tokenauthority.v1.TokenAdmin/CreateToken",
            "/tokenauthority.v1.Directory/ListUsers",
            "/tokenauthority.v1.OfTomorrow/Anything",
            "/grpc.health.v1.Health/Check",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ];
        for (port, served) in [
            (Port::All, [true; 6]),
            (Port::Verify, [true, false, false, false, true, true]),
            (Port::Admin, [false, true, true, true, true, true]),
            (Port::Health, [false, false, false, false, true, false]),
        ] {
            assert_eq!(
                paths.map(|path| elsewhere(port, path).is_none()),
                served,
                "{port}"
            );
        }
    }
}
