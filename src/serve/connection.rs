//! One connection, from the first byte to the last.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tower::Layer as _;

use super::listeners::Port;
use super::parted::Parted;
use super::shell::Calls;
use super::tls::{H2, Tls};
use super::workers::{Accepted, Phase};
use crate::config::Config;
use crate::grpc::context::{ContextLayer, Rules};

/// What every HTTP/2 client says first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Most bytes of headers in a request: more than any honest one has.
const MAX_HEADER_LIST_BYTES: u32 = 16 * 1024;
/// Most bytes that wait for a slow reader, per call.
const MAX_SEND_BYTES: usize = 256 * 1024;
/// Most calls that a client may reset before they were looked at (CVE-2023-44487, "rapid reset").
const MAX_PENDING_RESETS: usize = 20;
/// How long a client that just connected may still take to speak when the server stops: its call is under way, perhaps.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// Age at which a probe's connection is asked to close: whoever keeps one does not keep another probe out for long.
const MAX_PROBE_AGE: Duration = Duration::from_mins(1);
/// Part of a connection's age by which it may be asked to go earlier, so that clients don't all come back at once.
const AGE_SPREAD: u32 = 10;
/// Steps in which that part is taken.
const AGE_STEPS: u32 = 256;

/// How connections are treated.
#[derive(Debug, Clone)]
pub(super) struct Manners {
    handshake_timeout: Duration,
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
    http: http2::Builder<TokioExecutor>,
    calls: S,
}

/// A connection whose preface was read already, and is read once more by HTTP/2 itself.
struct Prefaced<IO> {
    unread: &'static [u8],
    io: IO,
}

// === impl Manners ===

impl Manners {
    pub(super) fn of(config: &Config) -> Manners {
        Manners {
            handshake_timeout: config.handshake_timeout,
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
}

// === impl Greeter ===

impl<S: Calls> Greeter<S> {
    pub(super) fn new(manners: Manners, tls: Option<Tls>, calls: S) -> Greeter<S> {
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .adaptive_window(false)
            .auto_date_header(false)
            .keep_alive_interval(manners.keepalive_interval)
            .keep_alive_timeout(manners.keepalive_timeout)
            .max_concurrent_streams(manners.max_streams)
            .max_header_list_size(MAX_HEADER_LIST_BYTES)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_send_buf_size(MAX_SEND_BYTES);
        Greeter {
            manners,
            tls,
            http,
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
        } = accepted;
        let outcome = match TcpStream::from_std(socket) {
            Ok(socket) => self.greet(socket, (peer, port), phase).await,
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
        mut phase: watch::Receiver<Phase>,
    ) -> io::Result<()> {
        let patience = self.manners.handshake_timeout;
        let Some(tls) = self.tls.as_ref().filter(|_| port != Port::Health) else {
            let io = unless_draining(&mut phase, timeout(patience, preface(socket))).await???;
            return self.converse(io, (peer, port), phase).await;
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
            preface(stream).await
        };
        let io = unless_draining(&mut phase, timeout(patience, greeting)).await???;
        self.converse(io, (peer, port), phase).await
    }

    /// HTTP/2, until the peer leaves, the connection is old, or the server stops.
    async fn converse<IO>(
        &self,
        io: Prefaced<IO>,
        (peer, port): (SocketAddr, Port),
        mut phase: watch::Receiver<Phase>,
    ) -> io::Result<()>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let calls = ContextLayer::new(self.manners.rules.clone(), peer)
            .layer(Parted::new(port, self.calls.clone()));
        let service = TowerToHyperService::new(calls);
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(io), service));
        tokio::select! {
            ended = connection.as_mut() => return ended.map_err(io::Error::other),
            () = sleep(spread(self.manners.max_age_at(port), peer)) => {}
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => {}
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            ended = connection.as_mut() => ended.map_err(io::Error::other),
            // When the server stops, the workers watch the time for all connections together.
            () = sleep(self.manners.max_age_grace), if *phase.borrow() == Phase::Serving => Ok(()),
        }
    }
}

/// Reads what every HTTP/2 client says first.
async fn preface<IO: AsyncRead + Unpin>(mut io: IO) -> io::Result<Prefaced<IO>> {
    let mut said = [0; PREFACE.len()];
    io.read_exact(&mut said).await?;
    if said != *PREFACE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Prefaced {
        unread: PREFACE,
        io,
    })
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

// === impl Prefaced ===

impl<IO: AsyncRead + Unpin> AsyncRead for Prefaced<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buffer);
        }
        let (now, later) = self
            .unread
            .split_at(self.unread.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.unread = later;
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Prefaced<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
