//! A server that was killed loads its tokens while clients verify and revoke them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use token_authority::authority::index::Index;
use token_authority::authority::keyspace::{self, Stored as _};
use token_authority::authority::secret::{Secret, TokenId};
use token_authority::authority::token::Token;
use token_authority::store::sled::SledStore;
use token_authority::store::{Change, Store as _};
use tokio::task::JoinSet;

use crate::check::{Ask, Checker};
use crate::harness::Server;
use crate::history::{Findings, History};
use crate::journal::{Journal, Target};
use crate::model::{Demand, TokenState};
use crate::world::{World, revoke};
use crate::{ALONE, Dice, report};

/// Tokens that nobody checks, so that loading takes a while; as many again at each attempt.
const FILLING: usize = 60_000;
const ATTEMPTS: usize = 3;
/// Tokens that are made in one commit of the filling.
const FILLED_AT_ONCE: usize = 1000;
/// Tokens that are checked: live ones, revoked ones, some that are revoked while the server loads, and unknown ones.
const LIVE: usize = 400;
const REVOKED: usize = 200;
const DOOMED: usize = 200;
const REVOKED_BEFORE_KILL: usize = 20;
const UNKNOWN: usize = 400;
/// Clients that make tokens, and clients that end the doomed ones.
const MAKERS: usize = 32;
const REVOKERS: usize = 6;
/// Clients that verify one by one, and in batches. Fewer than the look-ups of tokens that are not loaded yet that may wait at
/// once, or most answers would be UNAVAILABLE.
const SINGLES: usize = 24;
const BATCHERS: usize = 2;
const BATCH: usize = 50;
/// Checks and revocations before the index is complete that make an attempt count.
const ENOUGH_CHECKS: usize = 1000;
const ENOUGH_REVOCATIONS: usize = 20;
/// Checks go on for so long after the index is complete.
const AFTERWARDS: Duration = Duration::from_secs(1);
/// How long loading may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// The tokens of one library, by what becomes of them.
struct Tokens {
    journal: Arc<Journal>,
    doomed: Vec<Target>,
    all: Vec<Target>,
}

/// What one restart showed.
struct Attempt {
    findings: Findings,
    unavailable: usize,
    checks_before: usize,
    revocations_before: usize,
    loaded: Duration,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_that_still_loads_its_tokens_judges_each_as_if_it_had_them_all() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(folder.path());
    let mut tokens = Tokens::make(&server).await;
    assert!(server.terminate().success());

    for attempt in 1..=ATTEMPTS {
        fill(folder.path(), &tokens.all[0]).await;
        kill_while_it_loads(folder.path(), &mut tokens).await;
        let tried = try_once(folder.path(), &mut tokens).await;
        report(&format!(
            "warm-up with {} more tokens, loaded in {:.1} s: {}; {} checks and {} revocations before the index was complete; \
             {} times UNAVAILABLE",
            attempt * FILLING,
            tried.loaded.as_secs_f64(),
            tried.findings,
            tried.checks_before,
            tried.revocations_before,
            tried.unavailable,
        ));
        assert_eq!(tried.findings.faults(), 0, "{}", tried.findings);
        if tried.checks_before >= ENOUGH_CHECKS && tried.revocations_before >= ENOUGH_REVOCATIONS {
            return;
        }
    }
    panic!("the index was complete before enough was checked");
}

/// Revokes some tokens on a server that still loads, and kills it.
async fn kill_while_it_loads(data_dir: &Path, tokens: &mut Tokens) {
    let server = Server::start(data_dir);
    let operator = server.clients(&server.operator_secret());
    let mut checker = Checker::new(operator.clone());
    for target in tokens.take_doomed(REVOKED_BEFORE_KILL) {
        // It says that it is starting, until it is not.
        while !checker.is_served(&read(&target)).await {}
        revoke(&operator, &tokens.journal, &target).await;
    }
    server.kill9();
}

/// Starts the server, and checks and revokes from the first moment until it has everything.
async fn try_once(data_dir: &Path, tokens: &mut Tokens) -> Attempt {
    #[expect(
        clippy::disallowed_methods,
        reason = "the log's times are the wall clock's"
    )]
    let began = (Instant::now(), SystemTime::now());
    let server = Server::start(data_dir);
    let secret = server.operator_secret();
    let ends = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for number in 0..SINGLES + BATCHERS {
        let checker = Checker::new(server.clients(&secret));
        let size = if number < SINGLES { 1 } else { BATCH };
        let all = tokens.all.clone();
        clients.spawn(verify(Arc::clone(&ends), all, checker, number, size));
    }
    let doomed = Arc::new(tokens.take_doomed(DOOMED));
    let next = Arc::new(AtomicUsize::new(0));
    for _ in 0..REVOKERS {
        let checker = Checker::new(server.clients(&secret));
        let operator = server.clients(&secret);
        let (doomed, next) = (Arc::clone(&doomed), Arc::clone(&next));
        let (journal, ends) = (Arc::clone(&tokens.journal), Arc::clone(&ends));
        clients.spawn(async move {
            let mut checker = checker;
            while !ends.load(Ordering::Relaxed)
                && let Some(target) = doomed.get(next.fetch_add(1, Ordering::Relaxed))
            {
                // It says that it is starting, until it is not.
                while !checker.is_served(&read(target)).await {}
                revoke(&operator, &journal, target).await;
                checker.single(&read(target)).await;
            }
            checker
        });
    }

    let complete = loop {
        if let Some(complete) = logged_at(&server, "index complete") {
            break began.0
                + complete
                    .duration_since(began.1)
                    .expect("a time after the start");
        }
        assert!(
            began.0.elapsed() < PATIENCE,
            "never complete:\n{}",
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    tokio::time::sleep(AFTERWARDS).await;
    ends.store(true, Ordering::Relaxed);
    let checkers = clients.join_all().await;

    let mut history = tokens.journal.history();
    let unavailable = checkers.iter().map(|checker| checker.unavailable).sum();
    history.answers = checkers
        .into_iter()
        .map(|checker| checker.answers)
        .collect();
    let before = |ended: &Instant| *ended <= complete;
    Attempt {
        findings: history.judge(),
        unavailable,
        checks_before: history
            .answers
            .iter()
            .flatten()
            .filter(|a| before(&a.ended))
            .count(),
        revocations_before: revocations(&history)
            .filter(|at| *at >= began.0 && before(at))
            .count(),
        loaded: complete.duration_since(began.0),
    }
}

/// When revocations were answered.
fn revocations(history: &History) -> impl Iterator<Item = Instant> {
    let changes = history.tokens.iter().flat_map(|token| &token.timeline.0);
    changes
        .filter(|change| change.after == TokenState::Revoked)
        .map(|change| change.answered)
}

/// Checks any of the tokens until the load ends.
async fn verify(
    ends: Arc<AtomicBool>,
    targets: Vec<Target>,
    mut checker: Checker,
    seed: usize,
    size: usize,
) -> Checker {
    let mut dice = Dice::new(seed);
    while !ends.load(Ordering::Relaxed) {
        let asks: Vec<Ask> = (0..size)
            .map(|_| read(&targets[dice.roll(targets.len())]))
            .collect();
        match asks.as_slice() {
            [ask] => checker.single(ask).await,
            asks => checker.batch(asks).await,
        }
    }
    checker
}

fn read(target: &Target) -> Ask {
    Ask {
        target: target.clone(),
        demand: Demand::Read,
    }
}

// === impl Tokens ===

impl Tokens {
    /// Makes them through the API.
    async fn make(server: &Server) -> Tokens {
        server.ready().await;
        let operator = server.clients(&server.operator_secret());
        let journal = Arc::<Journal>::default();
        let world = Arc::new(World::new(&operator, &journal, "acme").await);
        let mut makers = JoinSet::new();
        for maker in 0..MAKERS {
            let world = Arc::clone(&world);
            makers.spawn(async move {
                let mut made = Vec::new();
                for _ in (maker..LIVE + REVOKED + (REVOKED_BEFORE_KILL + DOOMED) * ATTEMPTS)
                    .step_by(MAKERS)
                {
                    made.push(world.create_token(false).await);
                }
                made
            });
        }
        let mut all: Vec<Target> = makers.join_all().await.into_iter().flatten().collect();
        let doomed = all.split_off(LIVE + REVOKED);
        for target in &all[LIVE..] {
            world.revoke(target).await;
        }
        for _ in 0..UNKNOWN {
            let secret = Secret::mint().expect("randomness").to_secret_string();
            all.push(world.add_unknown(secret.expose()));
        }
        all.extend(doomed.iter().cloned());
        Tokens {
            journal,
            doomed,
            all,
        }
    }

    fn take_doomed(&mut self, tokens: usize) -> Vec<Target> {
        let rest = self.doomed.len() - tokens;
        self.doomed.split_off(rest)
    }
}

/// Adds tokens to a store that nobody has open, all like one of its own but for their ids.
async fn fill(data_dir: &Path, like: &Target) {
    let index = Arc::new(Index::new());
    let store = SledStore::open(&data_dir.join("store"), Box::new(index)).expect("a store");
    let id = TokenId::parse(&like.token_id).expect("an id");
    let found = store
        .get(vec![keyspace::token(id)])
        .await
        .expect("an answer");
    let record = found[0].as_ref().expect("the token's record");
    let token = keyspace::decode::<Token>(record)
        .expect("a sound record")
        .value;
    for _ in 0..FILLING / FILLED_AT_ONCE {
        let changes = (0..FILLED_AT_ONCE).map(|_| {
            let other = Token {
                id: Secret::mint().expect("randomness").id,
                ..token.clone()
            };
            Change::Put(other.key(), keyspace::encode(&other))
        });
        store
            .commit(Vec::new(), changes.collect())
            .await
            .expect("a commit");
    }
    store.close().await;
}

/// When the server logged this.
fn logged_at(server: &Server, message: &str) -> Option<SystemTime> {
    let log = server.log();
    let line = log.lines().find(|line| line.contains(message))?;
    let event: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
    let time: Timestamp = event["timestamp"].as_str()?.parse().expect("a time");
    Some(time.into())
}
