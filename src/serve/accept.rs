//! The one acceptor. A place for a connection is taken before it is accepted, so that neither descriptors nor this loop can be
//! exhausted; who finds none waits in the kernel's queue.

use std::io;
use std::net::TcpListener as StdListener;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::places::{Free, Places};
use super::workers::{Accepted, Dispatch};

/// How long to wait when the machine has no descriptor or memory to give: it may have in a moment.
const BACK_OFF: Duration = Duration::from_millis(100);

/// The loop that accepts.
pub(super) struct Acceptor(JoinHandle<()>);

// === impl Acceptor ===

impl Acceptor {
    /// Accepts connections as there are places and hands them to the workers.
    pub(super) fn start(
        listener: StdListener,
        places: Places,
        workers: Dispatch,
    ) -> io::Result<Acceptor> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        Ok(Acceptor(tokio::spawn(accept_all(
            listener, places, workers,
        ))))
    }

    /// Accepts no more, and closes the port.
    pub(super) async fn stop(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept_all(listener: TcpListener, places: Places, workers: Dispatch) {
    let mut failing = false;
    while let Some(free) = places.free().await {
        match accept(&listener, &places, free).await {
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

/// The next connection; `None` if it was closed again, since its peer has as many as one may have.
async fn accept(
    listener: &TcpListener,
    places: &Places,
    free: Free,
) -> io::Result<Option<Accepted>> {
    let (socket, peer) = listener.accept().await?;
    let Some(place) = places.take(free, peer.ip()) else {
        tracing::debug!(peer.address = %peer, "a peer has too many connections");
        return Ok(None);
    };
    // Small answers must not wait for the acknowledgement of the ones before.
    socket.set_nodelay(true)?;
    Ok(Some(Accepted {
        socket: socket.into_std()?,
        peer,
        place,
        crowded: places.crowded(),
    }))
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
