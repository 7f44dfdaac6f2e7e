//! Tokens made through the API, by many clients at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tempfile::TempDir;
use token_authority::proto::v1::CreateTokenRequest;
use tokio::task::JoinSet;

use crate::harness::{Clients, LIBRARY, Server, USER, furnish};
use crate::table;

/// Clients that share one connection: half of what a server takes on one.
const CLIENTS_PER_CONNECTION: usize = 128;
/// Clients that fill a server before a measurement.
const FILLERS: usize = 256;

/// A server with tokens in it.
pub(crate) struct Filled {
    pub(crate) server: Server,
    /// Every token's secret.
    pub(crate) secrets: Vec<String>,
    _folder: TempDir,
}

/// When a fill ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    Tokens(usize),
    Elapsed(Duration),
}

/// What a fill did.
pub(crate) struct Filling {
    pub(crate) elapsed: Duration,
    /// The secrets of the tokens, in no order.
    pub(crate) secrets: Vec<String>,
    /// Microseconds.
    pub(crate) latency: Histogram<u64>,
}

// === impl Filled ===

impl Filled {
    /// A new server with so many tokens.
    pub(crate) async fn new(tokens: usize) -> Filled {
        let folder = crate::data_dir();
        let server = Server::start(folder.path());
        Filled::of(server, folder, tokens).await
    }

    /// A new server with so many tokens, and so many descriptors at most.
    pub(crate) async fn within(descriptors: u32, tokens: usize) -> Filled {
        let folder = crate::data_dir();
        let server = Server::start_within(folder.path(), descriptors, &[]);
        Filled::of(server, folder, tokens).await
    }

    async fn of(server: Server, folder: TempDir, tokens: usize) -> Filled {
        furnish(&server).await;
        let filling = fill(&server, FILLERS, Until::Tokens(tokens)).await;
        Filled {
            server,
            secrets: filling.secrets,
            _folder: folder,
        }
    }
}

// === impl Filling ===

impl Filling {
    pub(crate) fn per_second(&self) -> f64 {
        self.secrets.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Makes tokens, each with a request id, as the command line does.
pub(crate) async fn fill(server: &Server, clients: usize, until: Until) -> Filling {
    let secret = server.operator_secret();
    let next = Arc::new(AtomicUsize::new(0));
    let filling = Arc::new(Mutex::new((Vec::new(), table::histogram())));
    let connections: Vec<Clients> = (0..clients.div_ceil(CLIENTS_PER_CONNECTION))
        .map(|_| server.clients(&secret))
        .collect();
    // The first call of each connects it.
    for connection in &connections {
        let _ = connection
            .clone()
            .admin
            .list_tokens(token_authority::proto::v1::ListTokensRequest::default())
            .await;
    }

    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for connection in connections.iter().cycle().take(clients) {
        let mut admin = connection.admin.clone();
        let (next, filling) = (Arc::clone(&next), Arc::clone(&filling));
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let done = match until {
                    Until::Tokens(tokens) => number >= tokens,
                    Until::Elapsed(length) => started.elapsed() >= length,
                };
                if done {
                    return;
                }
                let asked = Instant::now();
                let answer = admin.create_token(request(number)).await;
                let secret = answer.expect("a token").into_inner().secret;
                let latency = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
                let mut filling = filling.lock().unwrap();
                filling.0.push(secret);
                filling.1.saturating_record(latency);
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("a client that met no fault");
    }
    let elapsed = started.elapsed();
    let (secrets, latency) = std::mem::replace(
        &mut *filling.lock().unwrap(),
        (Vec::new(), table::histogram()),
    );
    Filling {
        elapsed,
        secrets,
        latency,
    }
}

fn request(number: usize) -> CreateTokenRequest {
    CreateTokenRequest {
        library: LIBRARY.into(),
        user: USER.into(),
        display_name: format!("token {number}"),
        lifetime: "90d".into(),
        request_id: format!("{:08x}-0000-4000-8000-{number:012x}", std::process::id()),
        ..Default::default()
    }
}
