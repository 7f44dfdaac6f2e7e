//! Durable creates against the engine's own rate: the same commits, byte for byte, by as many clients, without the service.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use token_authority::store::sled::SledStore;
use token_authority::store::{
    Change, Committed, Follower, Load, Precondition, Record, Revision, Store,
};
use tokio::task::JoinSet;

use crate::fill::{Filling, Until, fill};
use crate::harness::{Server, furnish};
use crate::table::{self, row};
use crate::{Scale, data_dir, runtime};

/// Clients at once.
const CLIENTS: [usize; 2] = [1, 256];
/// Records of one read of the store.
const SLICE: usize = 10_000;

/// The changes of one commit.
type Changes = Vec<(Vec<u8>, Vec<u8>)>;

/// Sees nothing: the engine alone is used.
pub(crate) struct Nobody;

// === impl Nobody ===

impl Follower for Nobody {
    fn publish(&mut self, _: &[Committed]) {}
    fn loaded(&mut self, _: &Load, _: Vec<Record>) {}
}

pub(crate) fn run(scale: Scale) {
    let runtime = runtime();
    let mut rows = vec![row![
        "clients",
        "creates/s",
        "engine's commits/s",
        "ratio",
        "records and bytes per create",
        "create p50 / p99 / p99.9, ms"
    ]];
    for clients in CLIENTS {
        let mut rates = (Vec::new(), Vec::new(), Vec::new());
        let mut latency = table::histogram();
        let mut size = String::new();
        for _ in 0..scale.rounds {
            let folder = data_dir();
            let made = runtime.block_on(create(folder.path(), clients, scale));
            let commits = runtime.block_on(commits(&folder.path().join("store")));
            size = describe(&commits);
            let engine = runtime.block_on(replay(commits, clients));
            rates.0.push(made.per_second());
            rates.1.push(engine);
            rates.2.push(made.per_second() / engine);
            latency.add(&made.latency).expect("the same bounds");
        }
        rows.push(row![
            clients,
            table::count(table::median(&rates.0)),
            table::count(table::median(&rates.1)),
            table::spread(&rates.2, 2),
            size,
            table::percentiles(&latency)
        ]);
    }
    table::print(
        &format!(
            "Durable creates against the engine alone, {} rounds (clients in this process)",
            scale.rounds
        ),
        &rows,
    );
}

/// Creates tokens on a new server, and stops it.
async fn create(data_dir: &Path, clients: usize, scale: Scale) -> Filling {
    let server = Server::start(data_dir);
    furnish(&server).await;
    let made = fill(&server, clients, Until::Elapsed(scale.measure)).await;
    let status = server.terminate();
    assert!(status.success(), "{status}");
    made
}

/// What the server committed, in its order. A key that was written again counts where it was written last.
async fn commits(store: &Path) -> Vec<Changes> {
    let store = SledStore::open(store, Box::new(Nobody)).expect("the server's store");
    let mut commits: BTreeMap<Revision, Changes> = BTreeMap::new();
    let mut after = None;
    loop {
        let records = store.scan(Vec::new(), after, SLICE).await.expect("records");
        let Some(last) = records.last() else {
            break;
        };
        after = Some(last.key.clone());
        for record in records {
            let changes = commits.entry(record.mod_revision).or_default();
            changes.push((record.key, record.value));
        }
    }
    store.close().await;
    commits.into_values().collect()
}

/// Has the engine carry out the commits; how many it did in a second.
async fn replay(commits: Vec<Changes>, clients: usize) -> f64 {
    let folder = data_dir();
    let store = SledStore::open(&folder.path().join("store"), Box::new(Nobody)).expect("a store");
    let (store, commits) = (Arc::new(store), Arc::new(commits));
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let (store, commits, next) = (Arc::clone(&store), Arc::clone(&commits), Arc::clone(&next));
        tasks.spawn(async move {
            while let Some(changes) = commits.get(next.fetch_add(1, Ordering::Relaxed)) {
                let keys = changes
                    .iter()
                    .map(|(key, _)| Precondition::Absent(key.clone()));
                let puts = changes
                    .iter()
                    .cloned()
                    .map(|(key, value)| Change::Put(key, value));
                let committed = store.commit(keys.collect(), puts.collect()).await;
                committed.expect("a commit");
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("a client that met no fault");
    }
    let rate = commits.len() as f64 / started.elapsed().as_secs_f64();
    store.close().await;
    rate
}

/// How many records a commit has, and how many bytes, on average.
fn describe(commits: &[Changes]) -> String {
    let records: usize = commits.iter().map(Vec::len).sum();
    let bytes = |changes: &Changes| -> usize {
        changes
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum()
    };
    let bytes: usize = commits.iter().map(bytes).sum();
    let per = |number: usize| number as f64 / commits.len() as f64;
    format!("{:.1}, {:.0}", per(records), per(bytes))
}
