//! The composition root: in which order the parts start and stop.
//!
//! Start: the port listens and answers health; the store opens; calls are let in; readiness is told.
//! Stop: readiness is taken back; balancers get a moment; the port closes; calls under way end; the store is closed.

mod accept;
mod connection;
mod gate;
mod shell;
mod tls;
mod workers;

use std::fmt;
use std::future::Future;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tonic::service::Routes;

use crate::authority::{self, Authority, StartError, StartOptions};
use crate::config::{Config, Settings};
use crate::grpc::context::MAX_REQUEST_BYTES;
use crate::grpc::health::Health;
use crate::grpc::routes;
use crate::telemetry;
use shell::Shell;
use tls::TlsError;

/// Exit code for a configuration that is not right, as command-line parsers have it.
const EXIT_CONFIG: u8 = 2;

/// Why the server did not start, or did not go on.
#[derive(Debug)]
pub enum ServeError {
    /// The address can't be listened on.
    Listen(io::Error),
    /// The certificate or its key is not usable.
    Tls(TlsError),
    /// The threads that serve could not be started.
    Threads(io::Error),
    /// Reflection could not read the descriptors.
    Reflection(tonic_reflection::server::Error),
    /// The authority did not start.
    Start(StartError),
    /// The store can go on no longer.
    Engine(String),
}

/// Runs the server until a signal stops it.
#[must_use]
pub fn main(settings: &Settings) -> ExitCode {
    let config = match Config::load(settings, std::env::vars_os()) {
        Ok(config) => config,
        Err(faults) => {
            // Without a configuration there is no log yet.
            let _ = writeln!(io::stderr(), "token-authority: {faults}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    // Whatever is written is for this user alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    telemetry::start(config.log_format, &config.log_level);
    match serve_until_signal(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %error, "the server ends");
            ExitCode::FAILURE
        }
    }
}

fn serve_until_signal(config: Config) -> Result<(), ServeError> {
    // Accepting and the authority's own tasks; calls run on the workers' threads.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Threads)?;
    let outcome = runtime.block_on(async {
        // Before anything is started, so that no signal finds a half-made server without a way to stop.
        let stop = Stop::new().map_err(ServeError::Threads)?;
        let listener = TcpListener::bind(config.listen).map_err(ServeError::Listen)?;
        run(config, listener, stop.asked()).await
    });
    // What still blocks, such as an engine that opens, must not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// Serves on the listener until `shutdown`, then lets calls under way end.
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let shell = Shell::start(&config, listener).await?;
    let mut shutdown = pin!(shutdown);
    let opened = tokio::select! {
        opened = authority::start(start_options(&config)) => opened.map_err(ServeError::Start)?,
        () = &mut shutdown => return Ok(()),
    };
    shell
        .let_in(
            || routes::routes(opened.clone(), MAX_REQUEST_BYTES),
            |routes| guarded(&opened, routes),
        )
        .await?;

    let failure = tokio::select! {
        () = &mut shutdown => None,
        reason = opened.failed() => Some(reason),
        () = ready_when_loaded(&opened, shell.health()) => None,
    };
    if let Some(reason) = failure {
        shell.abandon().await;
        return Err(ServeError::Engine(reason));
    }
    shell.stop(config.drain_wait, config.drain_timeout).await;
    close(&opened).await
}

/// What calls go to, behind the layer of contexts: the handlers, and whatever stands before them.
fn guarded(authority: &Arc<Authority>, routes: Routes) -> Routes {
    // HERE: `grpc::identity::IdentityLayer::new(authority.clone()).layer(routes)`; any `Calls` will do as the type.
    let _ = authority;
    routes
}

fn start_options(config: &Config) -> StartOptions {
    StartOptions {
        data_dir: config.data_dir.clone(),
        root_key_file: config.root_key_file.clone(),
        bootstrap_token_file: config.bootstrap_token_file.clone(),
    }
}

/// Tells that lists are whole once they are; never returns.
async fn ready_when_loaded(authority: &Authority, health: &Health) {
    authority.loaded().await;
    health.admin_ready().await;
    std::future::pending::<()>().await;
}

/// Carries out what was asked before. A store that fails even now is no success.
async fn close(authority: &Authority) -> Result<(), ServeError> {
    authority.close().await;
    tokio::select! {
        biased;
        reason = authority.failed() => Err(ServeError::Engine(reason)),
        () = std::future::ready(()) => {
            tracing::info!("stopped");
            Ok(())
        }
    }
}

/// The signals that ask the server to stop.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

// === impl Stop ===

impl Stop {
    fn new() -> io::Result<Stop> {
        Ok(Stop {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn asked(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

// === impl ServeError ===

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Listen(error) => write!(f, "can't listen: {error}"),
            ServeError::Tls(error) => write!(f, "can't serve TLS: {error}"),
            ServeError::Threads(error) => write!(f, "can't start the threads that serve: {error}"),
            ServeError::Reflection(error) => write!(f, "can't serve reflection: {error}"),
            ServeError::Start(error) => write!(f, "{error}"),
            ServeError::Engine(reason) => write!(f, "the store can go on no longer: {reason}"),
        }
    }
}

impl std::error::Error for ServeError {}

#[cfg(test)]
mod tests;
