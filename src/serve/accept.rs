//! The one acceptor of all ports. A place for a connection is taken before it is accepted, so that neither descriptors nor this
//! loop can be exhausted; who finds none waits in the kernel's queue. Probes have an acceptor and places of their own.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::listeners::{Listeners, Port};
use super::places::{Free, Places};
use super::workers::{Accepted, Dispatch};

/// How long to wait when the machine has no descriptor or memory to give: it may have in a moment.
const BACK_OFF: Duration = Duration::from_millis(100);

/// The loops that accept.
pub(super) struct Acceptor(Vec<JoinHandle<()>>);

/// Ports that share their places.
struct Ports {
    listeners: Vec<(Port, TcpListener)>,
    places: Places,
    // Whose turn it is, so that a busy port does not starve another.
    next: usize,
}

// === impl Acceptor ===

impl Acceptor {
    /// Accepts connections as there are places, or at the port for probes as there are of those, and hands them to the workers.
    pub(super) fn start(
        listeners: Listeners,
        places: Places,
        probes: Places,
        workers: &Dispatch,
    ) -> io::Result<Acceptor> {
        let (health, rest): (Vec<_>, Vec<_>) = listeners
            .0
            .into_iter()
            .partition(|(port, _)| *port == Port::Health);
        let mut loops = Acceptor(Vec::new());
        for (listeners, places) in [(rest, places), (health, probes)] {
            let listeners = listeners.into_iter().map(|(port, socket)| {
                socket.set_nonblocking(true)?;
                Ok((port, TcpListener::from_std(socket)?))
            });
            let ports = Ports {
                listeners: listeners.collect::<io::Result<_>>()?,
                places,
                next: 0,
            };
            if !ports.listeners.is_empty() {
                loops
                    .0
                    .push(tokio::spawn(accept_all(ports, workers.clone())));
            }
        }
        Ok(loops)
    }

    /// Accepts no more, and closes the ports.
    pub(super) async fn stop(mut self) {
        for accepting in &mut self.0 {
            accepting.abort();
            let _ = accepting.await;
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

async fn accept_all(mut ports: Ports, workers: Dispatch) {
    let mut failing = false;
    while let Some(free) = ports.places.free().await {
        match ports.accept(free).await {
            Ok(accepted) => {
                failing = false;
                if let Some(accepted) = accepted {
                    workers.hand_over(accepted);
                }
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(error = %error, "connections can't be accepted");
                }
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

// === impl Ports ===

impl Ports {
    /// The next connection; `None` if it was closed again, since its peer has as many as one may have.
    async fn accept(&mut self, free: Free) -> io::Result<Option<Accepted>> {
        let (port, socket, peer) = poll_fn(|cx| self.poll_accept(cx)).await?;
        let Some(place) = self.places.take(free, peer.ip()) else {
            tracing::debug!(peer.address = %peer, "a peer has too many connections");
            return Ok(None);
        };
        // Small answers must not wait for the acknowledgement of the ones before.
        socket.set_nodelay(true)?;
        Ok(Some(Accepted {
            socket: socket.into_std()?,
            peer,
            port,
            place,
            crowded: self.places.crowded(),
        }))
    }

    /// Whoever comes first, at whichever port.
    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Port, TcpStream, SocketAddr)>> {
        let first = self.next;
        let (before, after) = self.listeners.split_at(first.min(self.listeners.len()));
        for (at, (port, listener)) in after.iter().chain(before).enumerate() {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                self.next = (first + at + 1) % self.listeners.len();
                return Poll::Ready(accepted.map(|(socket, peer)| (*port, socket, peer)));
            }
        }
        Poll::Pending
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, InvalidInput,
    };
    // Setting an option on a socket whose peer has gone is InvalidInput on some systems.
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | InvalidInput
    )
}
