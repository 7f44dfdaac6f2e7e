//! The one acceptor. A place for a connection is taken before it is accepted, so that neither descriptors nor this loop can be
//! exhausted; who finds none waits in the kernel's queue.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::workers::{Accepted, Dispatch};

/// How long to wait when the machine has no descriptor or memory to give: it may have in a moment.
const BACK_OFF: Duration = Duration::from_millis(100);

/// The loop that accepts.
pub(super) struct Acceptor(JoinHandle<()>);

/// A place under the cap; it is free again when this is dropped.
pub(super) type Place = OwnedSemaphorePermit;

// === impl Acceptor ===

impl Acceptor {
    /// Accepts up to `cap` connections at once and hands them to the workers.
    pub(super) fn start(
        listener: StdListener,
        cap: usize,
        workers: Dispatch,
    ) -> io::Result<Acceptor> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let places = Arc::new(Semaphore::new(cap.min(Semaphore::MAX_PERMITS)));
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

async fn accept_all(listener: TcpListener, places: Arc<Semaphore>, workers: Dispatch) {
    let mut failing = false;
    // The semaphore is never closed.
    while let Ok(place) = places.clone().acquire_owned().await {
        match accept(&listener, place).await {
            Ok(accepted) => {
                failing = false;
                workers.hand_over(accepted);
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

async fn accept(listener: &TcpListener, place: Place) -> io::Result<Accepted> {
    let (socket, peer) = listener.accept().await?;
    // Small answers must not wait for the acknowledgement of the ones before.
    socket.set_nodelay(true)?;
    Ok(Accepted {
        socket: socket.into_std()?,
        peer,
        place,
    })
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
