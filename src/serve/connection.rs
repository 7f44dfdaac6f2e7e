//! One connection, from the first byte to the last.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tower::Layer as _;

use super::listeners::Port;
use super::parted::Parted;
use super::places::Crowded;
use super::shell::Calls;
use super::socket::{Patience, Socket};
use super::tls::{H2, Tls};
use super::traffic::Traffic;
use super::workers::{Accepted, Phase};
use crate::config::Config;
use crate::grpc::context::{ContextLayer, Rules};

/// Most bytes of headers in a request: more than any honest one has.
pub(super) const MAX_HEADER_LIST_BYTES: u32 = 16 * 1024;
/// Most bytes that wait for a slow reader, per call.
const MAX_SEND_BYTES: usize = 256 * 1024;
/// Most calls that a client may reset before they were looked at (CVE-2023-44487, "rapid reset").
pub(super) const MAX_PENDING_RESETS: usize = 20;
/// How long a client that just connected may still take to speak when the server stops, and one that was asked to go: its
/// call is under way, perhaps.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// Age at which a probe's connection is asked to close: whoever keeps one does not keep another probe out for long.
const MAX_PROBE_AGE: Duration = Duration::from_mins(1);
/// How often a connection is looked at that may be in nobody's use.
const IDLE_LOOK: Duration = Duration::from_secs(5);
/// How long nobody may use a connection while others wait for its place.
const CROWDED_IDLE: Duration = Duration::from_secs(10);
/// Part of a connection's age by which it may be asked to go earlier, so that clients don't all come back at once.
const AGE_SPREAD: u32 = 10;
/// Steps in which that part is taken.
const AGE_STEPS: u32 = 256;

/// How connections are treated.
#[derive(Debug, Clone)]
pub(super) struct Manners {
    handshake_timeout: Duration,
    send_timeout: Duration,
    max_idle: Duration,
    max_age: Duration,
    max_age_grace: Duration,
    keepalive_interval: Duration,
    keepalive_timeout: Duration,
    max_streams: u32,
    rules: Arc<Rules>,
}

/// Receives connections on one worker.
pub(super) struct Greeter<S> {
    manners: Manners,
    tls: Option<Tls>,
    calls: S,
}

// === impl Manners ===

impl Manners {
    pub(super) fn of(config: &Config) -> Manners {
        Manners {
            handshake_timeout: config.handshake_timeout,
            send_timeout: config.send_timeout,
            max_idle: config.max_connection_idle,
            max_age: config.max_connection_age,
            max_age_grace: config.max_connection_age_grace,
            keepalive_interval: config.keepalive_interval,
            keepalive_timeout: config.keepalive_timeout,
            max_streams: config.max_concurrent_streams,
            rules: Arc::new(Rules {
                request_deadline: config.request_deadline,
                trusted_proxies: config.trusted_proxies.clone(),
            }),
        }
    }

    fn max_age_at(&self, port: Port) -> Duration {
        match port {
            Port::Health => self.max_age.min(MAX_PROBE_AGE),
            Port::All | Port::Verify | Port::Admin => self.max_age,
        }
    }

    /// HTTP/2 as it is spoken here; `traffic` takes the calls.
    fn http(&self, traffic: Traffic) -> http2::Builder<Traffic> {
        let mut http = http2::Builder::new(traffic);
        http.timer(TokioTimer::new())
            .adaptive_window(false)
            .auto_date_header(false)
            .keep_alive_interval(self.keepalive_interval)
            .keep_alive_timeout(self.keepalive_timeout)
            .max_concurrent_streams(self.max_streams)
            .max_header_list_size(MAX_HEADER_LIST_BYTES)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_send_buf_size(MAX_SEND_BYTES);
        http
    }

    /// Returns once nobody has used the connection for so long that others may have its place.
    async fn unused(&self, traffic: &Traffic, crowded: &Crowded) {
        let look = IDLE_LOOK.min(self.max_idle / 2);
        let mut idle = Duration::ZERO;
        let mut begun = None;
        loop {
            sleep(look).await;
            let now = traffic.idle_after();
            idle = match now {
                Some(_) if now == begun => idle + look,
                _ => Duration::ZERO,
            };
            begun = now;
            if idle >= self.max_idle || (idle >= CROWDED_IDLE && crowded.now()) {
                return;
            }
        }
    }
}

// === impl Greeter ===

impl<S: Calls> Greeter<S> {
    pub(super) fn new(manners: Manners, tls: Option<Tls>, calls: S) -> Greeter<S> {
        Greeter {
            manners,
            tls,
            calls,
        }
    }

    /// Serves one connection until it ends. Its place under the cap is free when this returns.
    pub(super) async fn serve(self: Arc<Self>, accepted: Accepted, phase: watch::Receiver<Phase>) {
        let Accepted {
            socket,
            peer,
            port,
            place,
            crowded,
        } = accepted;
        let outcome = match TcpStream::from_std(socket) {
            Ok(socket) => self.greet(socket, (peer, port), &crowded, phase).await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            tracing::debug!(peer.address = %peer, error = %error.kind(), "a connection ended early");
        }
        drop(place);
    }

    /// TLS and preface together get one timeout: a client that is silent, or slow on purpose, holds nothing for long.
    async fn greet(
        &self,
        socket: TcpStream,
        (peer, port): (SocketAddr, Port),
        crowded: &Crowded,
        mut phase: watch::Receiver<Phase>,
    ) -> io::Result<()> {
        let Manners {
            handshake_timeout,
            send_timeout,
            ..
        } = self.manners;
        let traffic = Traffic::new(send_timeout);
        let patience = Patience {
            headers: handshake_timeout,
            send: send_timeout,
        };
        let Some(tls) = self.tls.as_ref().filter(|_| port != Port::Health) else {
            let greeting = Socket::greeted(socket, patience, traffic.clone());
            let io = unless_draining(&mut phase, timeout(handshake_timeout, greeting)).await???;
            return self
                .converse(io, (peer, port), traffic, crowded, phase)
                .await;
        };
        let greeting = async {
            let handshake = tls.acceptor().accept(socket).await;
            let stream = handshake.inspect_err(|error| {
                tracing::debug!(peer.address = %peer, error = %error, "a TLS handshake failed");
            })?;
            // A client that offers no protocol at all gets through the handshake.
            if stream.get_ref().1.alpn_protocol() != Some(H2) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            Socket::greeted(stream, patience, traffic.clone()).await
        };
        let io = unless_draining(&mut phase, timeout(handshake_timeout, greeting)).await???;
        self.converse(io, (peer, port), traffic, crowded, phase)
            .await
    }

    /// HTTP/2, until the peer leaves, the connection is old or in nobody's use, or the server stops.
    async fn converse<IO>(
        &self,
        io: Socket<IO>,
        (peer, port): (SocketAddr, Port),
        traffic: Traffic,
        crowded: &Crowded,
        mut phase: watch::Receiver<Phase>,
    ) -> io::Result<()>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let calls = ContextLayer::new(self.manners.rules.clone(), peer)
            .layer(Parted::new(port, self.calls.clone()));
        let service = TowerToHyperService::new(calls);
        let http = self.manners.http(traffic.clone());
        let connection = http.serve_connection(TokioIo::new(io), service);
        let mut connection = pin!(traffic.drive(connection));
        let mut idle = false;
        tokio::select! {
            ended = connection.as_mut() => return ended.map_err(io::Error::other),
            () = self.manners.unused(&traffic, crowded) => idle = true,
            () = sleep(spread(self.manners.max_age_at(port), peer)) => {}
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => {}
        }
        connection.as_mut().connection().graceful_shutdown();
        if idle {
            // Unless a call was on its way, there is nothing to wait for: not for a peer that would not go, either.
            tokio::select! {
                ended = connection.as_mut() => return ended.map_err(io::Error::other),
                () = sleep(LAST_WORDS) => if traffic.idle_after().is_some() { return Ok(()) },
            }
        }
        tokio::select! {
            ended = connection.as_mut() => ended.map_err(io::Error::other),
            // When the server stops, the workers watch the time for all connections together.
            () = sleep(self.manners.max_age_grace), if *phase.borrow() == Phase::Serving => Ok(()),
        }
    }
}

/// Who has not yet spoken is not waited for much longer when the server stops.
async fn unless_draining<T>(
    phase: &mut watch::Receiver<Phase>,
    work: impl Future<Output = T>,
) -> io::Result<T> {
    let silent_to_the_end = async {
        // An error means that the server is gone altogether.
        let _ = phase.wait_for(|phase| *phase != Phase::Serving).await;
        sleep(LAST_WORDS).await;
    };
    tokio::select! {
        done = work => Ok(done),
        () = silent_to_the_end => Err(io::ErrorKind::Interrupted.into()),
    }
}

/// The age, less up to a tenth; the peer's port is random enough to decide how much.
fn spread(age: Duration, peer: SocketAddr) -> Duration {
    let less = u32::from(peer.port()) % AGE_STEPS;
    age * (AGE_STEPS * AGE_SPREAD - less) / (AGE_STEPS * AGE_SPREAD)
}
