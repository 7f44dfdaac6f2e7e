//! The composition root: in which order the parts start and stop.
//!
//! Start: the port listens and answers health; the store opens; calls are let in; readiness is told.
//! Stop: readiness is taken back; balancers get a moment; the port closes; calls under way end; the store is closed.

mod accept;
mod connection;
mod gate;
mod listeners;
mod opening;
mod parted;
mod places;
mod rewrap;
mod root;
mod secret_file;
mod shell;
mod socket;
mod tls;
mod toll;
mod traffic;
mod workers;

use std::fmt;
use std::future::Future;
use std::io::{self, Write as _};
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior};

use crate::authority::Authority;
use crate::authority::moment::{Moment, Now};
use crate::clock::Clock;
use crate::config::{Config, Settings};
use crate::grpc::context::MAX_REQUEST_BYTES;
use crate::grpc::health::Health;
use crate::grpc::identity::IdentityService;
use crate::grpc::routes;
use crate::telemetry;
pub use listeners::Listeners;
use opening::{Open, OpeningError};
pub use rewrap::main as rewrap;
use shell::Shell;
use tls::TlsError;

/// Exit code for a configuration that is not right, as command-line parsers have it.
const EXIT_CONFIG: u8 = 2;
/// How often the mark of time is kept: what a crash can take back of it.
const UPKEEP: Duration = Duration::from_secs(10);
/// How often what tokens are used for is written, a little of it each time.
const USES_UPKEEP: Duration = Duration::from_secs(1);
/// How often it is told which tokens expire: often against the five minutes that it lies behind.
const DUE: Duration = Duration::from_secs(30);

/// Why the server did not start, or did not go on.
#[derive(Debug)]
pub enum ServeError {
    /// The address of this setting can't be listened at.
    Listen(&'static str, io::Error),
    /// The certificate or its key is not usable.
    Tls(TlsError),
    /// The threads that serve could not be started.
    Threads(io::Error),
    /// Reflection could not read the descriptors.
    Reflection(tonic_reflection::server::Error),
    /// The authority did not start.
    Start(OpeningError),
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
        let listeners = Listeners::bind(&config)?;
        run(config, listeners, stop.asked()).await
    });
    // What still blocks, such as an engine that opens, must not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// Serves at the listeners until `shutdown`, then lets calls under way end.
pub async fn run(
    config: Config,
    listeners: impl Into<Listeners>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let shell = Shell::start(&config, listeners).await?;
    let mut shutdown = pin!(shutdown);
    let open = tokio::select! {
        open = opening::open(&config) => open.map_err(ServeError::Start)?,
        () = &mut shutdown => return Ok(()),
    };
    let Open { authority, clock } = &open;
    let guard = |routes| {
        IdentityService::new(
            routes,
            authority.clone(),
            clock.clone(),
            config.verify_anonymous,
        )
    };
    shell
        .let_in(
            || routes::routes(authority, clock, MAX_REQUEST_BYTES),
            guard,
        )
        .await?;

    let failure = tokio::select! {
        () = &mut shutdown => None,
        reason = authority.failed() => Some(ServeError::Engine(reason)),
        error = settle(&config, &open, shell.health()) => Some(error),
        () = keep_up(authority, clock) => None,
        () = keep_uses(authority, clock) => None,
        () = tell_due(authority, clock) => None,
    };
    if let Some(error) = failure {
        shell.abandon(|| authority.end_watches()).await;
        return Err(error);
    }
    let part = || authority.end_watches();
    shell
        .stop(config.drain_wait, config.drain_timeout, part)
        .await;
    close(authority, now(clock)).await
}

/// Loads all tokens, makes the first operator, and tells that lists are whole. Returns only if that fails.
async fn settle(config: &Config, open: &Open, health: &Health) -> ServeError {
    let started = Instant::now();
    let settled = match open.authority.load_tokens().await {
        Ok(size) => {
            let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(
                tokens = size.tokens,
                bytes = size.bytes,
                elapsed_ms,
                "index complete"
            );
            opening::ensure_operator(config, open).await
        }
        Err(error) => Err(OpeningError::Authority(error)),
    };
    match settled {
        Ok(()) => {
            // Whoever is let in from now on is told of all that falls due from now on.
            tell_some_due(&open.authority, &open.clock).await;
            health.admin_ready().await;
            std::future::pending().await
        }
        Err(error) => ServeError::Start(error),
    }
}

fn now(clock: &Clock) -> Now {
    Now {
        time: Moment(clock.now()),
        mark: clock.mark().map(Moment),
    }
}

/// Keeps the mark of time, and removes what is out of date; never returns.
async fn keep_up(authority: &Authority, clock: &Clock) {
    let mut interval = every(UPKEEP);
    loop {
        interval.tick().await;
        if let Err(error) = authority.sweep(now(clock)).await {
            tracing::warn!(error = %error, "upkeep did not succeed; it is tried again");
        }
    }
}

/// Writes what tokens are used for, and tells of refused uses; never returns.
async fn keep_uses(authority: &Authority, clock: &Clock) {
    let mut interval = every(USES_UPKEEP);
    loop {
        interval.tick().await;
        let (kept, told) = (
            authority.keep_uses(now(clock)).await,
            authority.tell_refused(now(clock)).await,
        );
        if let Err(error) = kept.and(told) {
            tracing::warn!(error = %error, "what tokens are used for was not written; it is tried again");
        }
    }
}

/// Tells which tokens expire, after [`settle`] has begun with it; never returns.
async fn tell_due(authority: &Authority, clock: &Clock) {
    let mut interval = every(DUE);
    interval.reset();
    loop {
        interval.tick().await;
        while tell_some_due(authority, clock).await {}
    }
}

/// Says whether there is more.
async fn tell_some_due(authority: &Authority, clock: &Clock) -> bool {
    let told = authority.tell_due(now(clock)).await;
    told.unwrap_or_else(|error| {
        tracing::warn!(error = %error, "it could not be told which tokens expire; it is tried again");
        false
    })
}

fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Carries out what was asked before. A store that fails even now is no success.
async fn close(authority: &Authority, now: Now) -> Result<(), ServeError> {
    authority.close(now).await;
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
            ServeError::Listen(setting, error) => {
                write!(f, "can't listen at the address of {setting}: {error}")
            }
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
