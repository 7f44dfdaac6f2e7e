//! The server without what it serves: port, health, threads, and the order in which they come and go.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;

use super::ServeError;
use super::accept::Acceptor;
use super::gate::Gate;
use super::listeners::Listeners;
use super::places::Places;
use super::tls::{Tls, Watchman};
use super::workers::Workers;
use crate::config::{Config, HEALTH_CONNECTIONS};
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
    // Looks at the certificates for as long as there is a server.
    _watchman: Option<Watchman>,
}

// === impl Shell ===

impl<S: Calls> Shell<S> {
    /// Listens, and answers health and reflection alone.
    pub(super) async fn start(
        config: &Config,
        listeners: impl Into<Listeners>,
    ) -> Result<Self, ServeError> {
        let listeners = listeners.into();
        let addresses = listeners.addresses()?;
        let (tls, watchman) = Tls::start(config).map_err(ServeError::Tls)?.unzip();
        let health = Health::starting().await;
        let gate = Gate::new(with_infrastructure(
            Routes::default(),
            &health,
            config.reflection,
        )?);
        let workers = Workers::start(config, tls.as_ref(), &gate).map_err(ServeError::Threads)?;
        let places = Places::new(config.connection_cap(), config.connections_per_peer());
        let probes = Places::new(HEALTH_CONNECTIONS, HEALTH_CONNECTIONS);
        let acceptor = Acceptor::start(listeners, places, probes, &workers.dispatch())
            .map_err(|error| ServeError::Listen("listen", error))?;
        health.alive().await;
        for (port, address) in addresses {
            tracing::info!(address = %address, serves = %port, "listening");
        }
        Ok(Shell {
            health,
            reflection: config.reflection,
            gate,
            workers,
            acceptor,
            _watchman: watchman,
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
