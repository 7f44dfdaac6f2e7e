//! Clients that make and revoke tokens for as long as the server answers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use token_authority::proto::v1::{RevokeTokenRequest, Verdict, VerifyRequest};
use tokio::task::JoinSet;
use tonic::Status;

use crate::harness::{Clients, LIBRARY, Server};
use crate::journal::Journal;

/// Clients that change things at once: enough that every batch of the writer has several commits.
const CHANGERS: usize = 8;
/// Connections that they share.
const CONNECTIONS: usize = 2;
/// Failures after which a client gives up. More than one, so that a server that fails is asked again.
const FAILURES: usize = 3;
/// How long the first acknowledgements may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A load under way.
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

struct Shared {
    journal: Mutex<Journal>,
    acknowledged: AtomicUsize,
    may_fail: AtomicBool,
    marked: AtomicBool,
    begun_after_mark: AtomicUsize,
    acknowledged_after_mark: AtomicUsize,
    failures: Mutex<BTreeMap<String, usize>>,
}

/// What a load saw.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Changes that were acknowledged.
    pub(crate) acknowledged: usize,
    /// Calls that began after the mark.
    pub(crate) begun_after_mark: usize,
    /// Of those, the ones that were acknowledged.
    pub(crate) acknowledged_after_mark: usize,
    /// The calls that failed, by code and message.
    pub(crate) failures: BTreeMap<String, usize>,
}

// === impl Load ===

impl Load {
    /// Starts the clients, and returns once changes are being acknowledged.
    pub(crate) async fn start(server: &Server, journal: Journal) -> Load {
        let secret = server.operator_secret();
        let shared = Arc::new(Shared {
            journal: Mutex::new(journal),
            acknowledged: AtomicUsize::new(0),
            may_fail: AtomicBool::new(false),
            marked: AtomicBool::new(false),
            begun_after_mark: AtomicUsize::new(0),
            acknowledged_after_mark: AtomicUsize::new(0),
            failures: Mutex::new(BTreeMap::new()),
        });
        let connections: Vec<Clients> = (0..CONNECTIONS).map(|_| server.clients(&secret)).collect();
        let mut clients = JoinSet::new();
        for connection in connections.iter().cycle().take(CHANGERS) {
            clients.spawn(change(Arc::clone(&shared), connection.clone()));
        }
        clients.spawn(watch(Arc::clone(&shared), connections[0].clone()));

        let started = Instant::now();
        while shared.acknowledged.load(Ordering::SeqCst) < CHANGERS {
            assert!(started.elapsed() < PATIENCE, "nothing is acknowledged");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Load { shared, clients }
    }

    /// From now on calls may fail; before, a failure fails the test.
    pub(crate) fn may_fail(&self) {
        self.shared.may_fail.store(true, Ordering::SeqCst);
    }

    /// Counts the calls that begin from now on apart.
    pub(crate) fn mark(&self) {
        self.shared.marked.store(true, Ordering::SeqCst);
    }

    /// Waits until every client has given up; what they saw, and the journal.
    pub(crate) async fn finish(mut self) -> (Seen, Journal) {
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("a client that saw nothing it must not see");
        }
        let shared = Arc::into_inner(self.shared).expect("no client is left");
        let seen = Seen {
            acknowledged: shared.acknowledged.into_inner(),
            begun_after_mark: shared.begun_after_mark.into_inner(),
            acknowledged_after_mark: shared.acknowledged_after_mark.into_inner(),
            failures: shared.failures.into_inner().unwrap(),
        };
        (seen, shared.journal.into_inner().unwrap())
    }
}

// === impl Shared ===

impl Shared {
    fn journal(&self) -> std::sync::MutexGuard<'_, Journal> {
        self.journal.lock().unwrap()
    }

    /// Makes one call; `None` if it failed.
    async fn call<T>(
        &self,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Option<T> {
        let after_mark = usize::from(self.marked.load(Ordering::SeqCst));
        self.begun_after_mark
            .fetch_add(after_mark, Ordering::SeqCst);
        match call.await {
            Ok(answer) => {
                self.acknowledged.fetch_add(1, Ordering::SeqCst);
                self.acknowledged_after_mark
                    .fetch_add(after_mark, Ordering::SeqCst);
                Some(answer.into_inner())
            }
            Err(status) => {
                let may_fail = self.may_fail.load(Ordering::SeqCst);
                assert!(may_fail, "a call failed with nothing amiss: {status:?}");
                let text = format!("{:?}: {}", status.code(), status.message());
                *self.failures.lock().unwrap().entry(text).or_default() += 1;
                None
            }
        }
    }
}

/// Makes tokens, and revokes every other one.
async fn change(shared: Arc<Shared>, mut clients: Clients) {
    let mut failures = 0;
    while failures < FAILURES {
        let (number, request) = shared.journal().asks_for_token();
        let Some(answer) = shared.call(clients.admin.create_token(request)).await else {
            failures += 1;
            continue;
        };
        shared.journal().was_made(number, answer);
        if number % 2 == 0 {
            continue;
        }
        let request = RevokeTokenRequest {
            token_id: shared.journal().asks_for_revocation(number),
            ..Default::default()
        };
        match shared.call(clients.admin.revoke_token(request)).await {
            Some(_) => shared.journal().was_revoked(number),
            None => failures += 1,
        }
    }
}

/// Verifies the tokens that are being revoked: what it sees must outlast the crash as well.
async fn watch(shared: Arc<Shared>, mut clients: Clients) {
    loop {
        let pending = shared.journal().pending_revocation(CHANGERS);
        let Some((number, made)) = pending else {
            if shared.may_fail.load(Ordering::SeqCst) {
                return;
            }
            tokio::time::sleep(Duration::from_micros(200)).await;
            continue;
        };
        let request = VerifyRequest {
            token: made.secret,
            library: LIBRARY.into(),
            ..Default::default()
        };
        match clients.verify.verify(request).await {
            Ok(answer) => match answer.into_inner().verdict() {
                Verdict::Valid => {}
                Verdict::Revoked => shared.journal().was_seen_revoked(number),
                other => panic!("{other:?}"),
            },
            Err(status) => {
                let may_fail = shared.may_fail.load(Ordering::SeqCst);
                assert!(may_fail, "Verify failed with nothing amiss: {status:?}");
                return;
            }
        }
    }
}
