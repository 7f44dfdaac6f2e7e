//! The server without what it serves: port, health, threads, and the order in which they come and go.

use std::convert::Infallible;
use std::net::TcpListener;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;

use super::accept::Acceptor;
use super::gate::Gate;
use super::places::Places;
use super::workers::Workers;
use super::{ServeError, tls};
use crate::config::Config;
use crate::grpc::context::LimitedBody;
use crate::grpc::health::Health;
use crate::grpc::reflection;

/// How long calls under way may still take when the store has failed: long enough to be told so.
const ABANDON: Duration = Duration::from_secs(1);

/// What calls can go to: the routes, and any layers over them that are always ready.
pub(super) trait Calls:
    Service<
        Request<LimitedBody<Incoming>>,
        Response = Response<Body>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Calls for S where
    S: Service<
            Request<LimitedBody<Incoming>>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

/// A server that listens. `S` is what calls go to once they are let in.
pub(super) struct Shell<S> {
    health: Health,
    reflection: bool,
    gate: Gate<S>,
    workers: Workers,
    acceptor: Acceptor,
}

// === impl Shell ===

impl<S: Calls> Shell<S> {
    /// Listens, and answers health and reflection alone.
    pub(super) async fn start(config: &Config, listener: TcpListener) -> Result<Self, ServeError> {
        let address = listener.local_addr().map_err(ServeError::Listen)?;
        let tls = tls::acceptor(config).map_err(ServeError::Tls)?;
        let health = Health::starting().await;
        let gate = Gate::new(with_infrastructure(
            Routes::default(),
            &health,
            config.reflection,
        )?);
        let workers = Workers::start(config, tls.as_ref(), &gate).map_err(ServeError::Threads)?;
        let places = Places::new(config.connection_cap(), config.connections_per_peer());
        let acceptor =
            Acceptor::start(listener, places, workers.dispatch()).map_err(ServeError::Listen)?;
        health.alive().await;
        tracing::info!(address = %address, "listening");
        Ok(Shell {
            health,
            reflection: config.reflection,
            gate,
            workers,
            acceptor,
        })
    }

    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    /// Lets calls in: `routes` makes the handlers, once for each worker, and `guard` puts layers over them.
    pub(super) async fn let_in(
        &self,
        routes: impl Fn() -> Routes,
        guard: impl Fn(Routes) -> S,
    ) -> Result<(), ServeError> {
        let calls = (0..self.workers.count())
            .map(|_| with_infrastructure(routes(), &self.health, self.reflection))
            .map(|routes| routes.map(|routes| guard(routes.prepare())))
            .collect::<Result<_, _>>()?;
        self.gate.open(calls);
        self.health.verify_ready().await;
        Ok(())
    }

    /// Stops in order, so that no call under way fails: balancers get `wait` to notice, calls get `patience` to end.
    /// Calls that would not end by themselves are ended by `part`.
    pub(super) async fn stop(self, wait: Duration, patience: Duration, part: impl FnOnce()) {
        tracing::info!("stopping");
        self.health.not_ready().await;
        tokio::time::sleep(wait).await;
        self.end(patience, part).await;
    }

    /// Stops at once: nothing that is under way can succeed.
    pub(super) async fn abandon(self, part: impl FnOnce()) {
        self.health.not_ready().await;
        self.end(ABANDON, part).await;
    }

    async fn end(mut self, patience: Duration, part: impl FnOnce()) {
        self.acceptor.stop().await;
        self.workers.drain();
        part();
        self.health.end_watches().await;
        if !self.workers.ended(patience).await {
            tracing::warn!("calls were still under way when the time to end them was over");
        }
    }
}

fn with_infrastructure(
    routes: Routes,
    health: &Health,
    reflect: bool,
) -> Result<Routes, ServeError> {
    let routes = routes.add_service(health.server());
    if reflect {
        reflection::add_to(routes).map_err(ServeError::Reflection)
    } else {
        Ok(routes)
    }
}
