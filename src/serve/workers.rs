//! The threads that serve: each has a runtime of its own, so that a call never changes cores and wakes no other thread.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection::{Greeter, Manners};
use super::gate::Gate;
use super::listeners::Port;
use super::places::{Crowded, Place};
use super::shell::Calls;
use super::tls::Tls;
use crate::config::Config;

/// Turns of tasks after which a worker looks at its sockets. A connection that always has more to do would otherwise have its
/// turn dozens of times (tokio: 61) before anybody else is heard at all.
const TURNS_PER_LOOK: u32 = 1;
/// How long a thread may take to end once its calls are given up.
const PARTING: Duration = Duration::from_secs(1);

/// A connection that was just accepted.
pub(super) struct Accepted {
    pub(super) socket: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) port: Port,
    pub(super) place: Place,
    pub(super) crowded: Crowded,
}

/// How far the server is on its way to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It serves.
    Serving,
    /// No new calls; those under way end.
    Draining,
    /// Nothing more.
    Over,
}

/// All of them.
pub(super) struct Workers {
    dispatch: Dispatch,
    phase: watch::Sender<Phase>,
    // Closed once the last thread has ended.
    alive: mpsc::Receiver<()>,
}

/// Gives each connection to the worker that has the fewest.
#[derive(Clone)]
pub(super) struct Dispatch(Arc<[Desk]>);

/// Where one worker is reached.
struct Desk {
    connections: Arc<AtomicUsize>,
    // Its channel is as bounded as the connections are.
    queue: UnboundedSender<(Accepted, Load)>,
}

/// Counts one connection of a worker for as long as it lives.
pub(super) struct Load(Arc<AtomicUsize>);

// === impl Workers ===

impl Workers {
    /// Starts the threads.
    pub(super) fn start<S: Calls>(
        config: &Config,
        tls: Option<&Tls>,
        gate: &Gate<S>,
    ) -> io::Result<Workers> {
        let (phase, _) = watch::channel(Phase::Serving);
        let (living, alive) = mpsc::channel(1);
        let mut desks = Vec::new();
        for number in 0..config.worker_count() {
            #[expect(
                clippy::disallowed_methods,
                reason = "its items are as bounded as the connections"
            )]
            let (queue, accepted) = mpsc::unbounded_channel();
            let greeter = Greeter::new(Manners::of(config), tls.cloned(), gate.for_worker(number));
            let runtime = Builder::new_current_thread()
                .enable_all()
                .event_interval(TURNS_PER_LOOK)
                .build()?;
            let (phase, living) = (phase.subscribe(), living.clone());
            std::thread::Builder::new()
                .name(format!("ta-worker-{number}"))
                .spawn(move || {
                    serve(&runtime, accepted, greeter, &phase);
                    // With it end the calls that were given up; only then is this thread done.
                    drop(runtime);
                    drop(living);
                })?;
            desks.push(Desk {
                connections: Arc::default(),
                queue,
            });
        }
        Ok(Workers {
            dispatch: Dispatch(desks.into()),
            phase,
            alive,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.dispatch.0.len()
    }

    pub(super) fn dispatch(&self) -> Dispatch {
        self.dispatch.clone()
    }

    /// Asks every client to go elsewhere with its next call (GOAWAY).
    pub(super) fn drain(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    /// Waits for the calls under way; says whether all of them ended in time.
    pub(super) async fn ended(mut self, patience: Duration) -> bool {
        let in_time = tokio::time::timeout(patience, self.alive.recv())
            .await
            .is_ok();
        if !in_time {
            self.phase.send_replace(Phase::Over);
            // A thread that blocks is left behind.
            let _ = tokio::time::timeout(PARTING, self.alive.recv()).await;
        }
        in_time
    }
}

// === impl Dispatch ===

impl Dispatch {
    pub(super) fn hand_over(&self, accepted: Accepted) {
        let idlest = self
            .0
            .iter()
            .min_by_key(|desk| desk.connections.load(Ordering::Relaxed));
        if let Some(desk) = idlest {
            // A worker that is gone drops the connection, and with it the place.
            let _ = desk.queue.send((accepted, Load::on(&desk.connections)));
        }
    }
}

// === impl Load ===

impl Load {
    fn on(connections: &Arc<AtomicUsize>) -> Load {
        connections.fetch_add(1, Ordering::Relaxed);
        Load(connections.clone())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One worker's life.
fn serve<S: Calls>(
    runtime: &Runtime,
    mut accepted: UnboundedReceiver<(Accepted, Load)>,
    greeter: Greeter<S>,
    phase: &watch::Receiver<Phase>,
) {
    let greeter = Arc::new(greeter);
    let mut connections = JoinSet::new();
    let begin = |(accepted, load), connections: &mut JoinSet<()>| {
        let connection = greeter.clone().serve(accepted, phase.clone());
        connections.spawn(async move {
            connection.await;
            drop(load);
        });
    };
    let mut watched = phase.clone();
    runtime.block_on(async {
        loop {
            tokio::select! {
                biased;
                _ = watched.wait_for(|phase| *phase != Phase::Serving) => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                next = accepted.recv() => match next {
                    Some(next) => begin(next, &mut connections),
                    None => break,
                },
            }
        }
        while let Ok(next) = accepted.try_recv() {
            begin(next, &mut connections);
        }
        tokio::select! {
            () = all(&mut connections) => {}
            // An error means that nobody waits for the calls any more.
            _ = watched.wait_for(|phase| *phase == Phase::Over) => {}
        }
    });
}

async fn all(connections: &mut JoinSet<()>) {
    while connections.join_next().await.is_some() {}
}
