//! Everything that a verdict depends on is changed while clients verify.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::check::{Ask, Checker};
use crate::harness::Server;
use crate::history::Answer;
use crate::journal::{Journal, Target};
use crate::model::{Demand, TokenState};
use crate::world::World;
use crate::{ALONE, Dice, report};

/// Checks and changes after which the load ends.
const CHECKS: usize = 1_000_000;
const CHANGES: usize = 5_000;
/// How long that may take: several times what it takes on two busy cores.
const PATIENCE: Duration = Duration::from_mins(10);
/// Libraries that are changed at once. Enough that batches of the writer hold many commits: what is done in the wrong order
/// for each batch is then wrong for long.
const WORLDS: usize = 48;
/// Of those, the ones that are changed, and checked, to the end; the others leave the machine to them once there are enough
/// changes.
const STEADY: usize = 4;
/// Clients that verify in batches, and one by one.
const BATCHERS: usize = 3;
const SINGLES: usize = 2;
/// Checks of one batch: long enough that changes fall into the middle of it.
const BATCH: usize = 500;
/// Live tokens that a library has at a time, and all that are checked.
const LIVE: usize = 6;
const CHECKED: usize = 12;
/// One in so many checks demands what nobody may.
const VAULT_ONE_IN: usize = 4;

/// What all clients share.
struct Load {
    journal: Arc<Journal>,
    checks: AtomicUsize,
    ends: AtomicBool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_begins_after_a_change_was_answered_is_judged_by_it_and_never_by_a_mixture() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(folder.path());
    server.ready().await;
    let secret = server.operator_secret();
    let load = Arc::new(Load {
        journal: Arc::default(),
        checks: AtomicUsize::new(0),
        ends: AtomicBool::new(false),
    });

    let mut clients = JoinSet::new();
    for number in 0..WORLDS {
        let operator = server.clients(&secret);
        let world = World::new(&operator, &load.journal, &format!("world-{number}")).await;
        for pinned in [false, true] {
            world.create_token(pinned).await;
        }
        clients.spawn(change(
            Arc::clone(&load),
            world,
            Checker::new(server.clients(&secret)),
        ));
    }
    let mut checkers = Vec::new();
    let began = Instant::now();
    for number in 0..BATCHERS + SINGLES {
        let size = if number < BATCHERS { BATCH } else { 1 };
        clients.spawn(verify(
            Arc::clone(&load),
            Checker::new(server.clients(&secret)),
            number,
            size,
        ));
    }
    while load.checks.load(Ordering::Relaxed) < CHECKS || load.journal.changes() < CHANGES {
        assert!(began.elapsed() < PATIENCE, "it takes too long");
        while let Some(ended) = clients.try_join_next() {
            checkers.push(ended.expect("a client that met no fault"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    load.ends.store(true, Ordering::Relaxed);
    checkers.extend(clients.join_all().await);
    let elapsed = began.elapsed();

    let mut history = load.journal.history();
    let singles: usize = checkers.iter().map(|checker| checker.singles).sum();
    let unavailable: usize = checkers.iter().map(|checker| checker.unavailable).sum();
    history.answers = checkers
        .into_iter()
        .map(|checker| checker.answers)
        .collect();
    let mid_change = history
        .answers
        .iter()
        .map(|answers| intervened(answers))
        .sum::<usize>();
    let began = Instant::now();
    let findings = history.judge();
    let judged = began.elapsed();
    report(&format!(
        "changes against Verify: {findings}; {singles} by Verify, the others by VerifyBatch of {BATCH}; \
         a change between two checks of a connection {mid_change} times; {:.0} s, judged in {:.0} s",
        elapsed.as_secs_f64(),
        judged.as_secs_f64(),
    ));
    assert_eq!(findings.faults(), 0, "{findings}");
    assert_eq!(unavailable, 0, "a check could not be made");
    assert!(findings.checks >= CHECKS);
    // Neither side was idle: what is never VALID is never VALID too late, and what never changes is never mixed.
    assert!(
        findings.valid > CHECKS / 20,
        "hardly anything was VALID: {findings}"
    );
    assert!(
        findings.changes > 1000,
        "hardly anything was changed: {findings}"
    );
    assert!(
        mid_change > 1000,
        "hardly any check met a change: {mid_change}"
    );
}

/// How often the revision differs from that of the check before.
fn intervened(answers: &[Answer]) -> usize {
    answers
        .windows(2)
        .filter(|pair| pair[0].revision != pair[1].revision)
        .count()
}

/// Checks any tokens of any library until the load ends.
async fn verify(load: Arc<Load>, mut checker: Checker, seed: usize, size: usize) -> Checker {
    let mut dice = Dice::new(seed);
    while !load.ends.load(Ordering::Relaxed) {
        let targets: Vec<Target> = load.journal.targets().into_iter().flatten().collect();
        if targets.is_empty() {
            break;
        }
        let asks: Vec<Ask> = (0..size)
            .map(|_| Ask {
                target: targets[dice.roll(targets.len())].clone(),
                demand: match dice.roll(VAULT_ONE_IN) {
                    0 => Demand::Vault,
                    _ => Demand::Read,
                },
            })
            .collect();
        match asks.as_slice() {
            [ask] => checker.single(ask).await,
            asks => checker.batch(asks).await,
        }
        load.checks.fetch_add(size, Ordering::Relaxed);
    }
    checker
}

/// Changes a library until the load ends, and checks at once what every change has changed.
async fn change(load: Arc<Load>, mut world: World, mut checker: Checker) -> Checker {
    let mut dice = Dice::new(1000 + world.number());
    while !load.ends.load(Ordering::Relaxed)
        && (world.number() < STEADY || load.journal.changes() < CHANGES)
    {
        match dice.roll(7) {
            0 => narrow_and_widen(&mut world, &mut checker, &mut dice).await,
            1 => trade_places(&mut world, &mut checker, &mut dice).await,
            2 => take_and_give(&mut world, &mut checker, &mut dice).await,
            3 => {
                world.disable_user(true).await;
                probe(&world, &mut checker, &mut dice, Demand::Read).await;
                world.disable_user(false).await;
                probe(&world, &mut checker, &mut dice, Demand::Read).await;
            }
            4 => {
                world.disable_library(true).await;
                probe(&world, &mut checker, &mut dice, Demand::Read).await;
                world.disable_library(false).await;
                probe(&world, &mut checker, &mut dice, Demand::Read).await;
            }
            5 => suspend_or_resume(&world, &mut checker, &mut dice).await,
            _ => revoke_and_replace(&world, &mut checker, &mut dice).await,
        }
    }
    world.retire();
    checker
}

/// Checks a token of the library: the first check after a change, as soon as a client can make one.
async fn probe(world: &World, checker: &mut Checker, dice: &mut Dice, demand: Demand) {
    let targets = world.targets();
    let target = targets[dice.roll(targets.len())].clone();
    checker.single(&Ask { target, demand }).await;
}

async fn narrow_and_widen(world: &mut World, checker: &mut Checker, dice: &mut Dice) {
    let which = world
        .state()
        .assigned
        .expect("the user has a type between two changes");
    for reads in [false, true] {
        world.grant(which, reads, false).await;
        probe(world, checker, dice, Demand::Read).await;
    }
}

/// The user moves to the other type, which must not open the vault by then; the one that it left does so afterwards.
async fn trade_places(world: &mut World, checker: &mut Checker, dice: &mut Dice) {
    let old = world
        .state()
        .assigned
        .expect("the user has a type between two changes");
    world.grant(old.other(), true, false).await;
    world.assign(Some(old.other())).await;
    probe(world, checker, dice, Demand::Vault).await;
    world.grant(old, true, true).await;
    probe(world, checker, dice, Demand::Vault).await;
}

async fn take_and_give(world: &mut World, checker: &mut Checker, dice: &mut Dice) {
    let assigned = world.state().assigned;
    for assigned in [None, assigned] {
        world.assign(assigned).await;
        probe(world, checker, dice, Demand::Read).await;
    }
}

async fn suspend_or_resume(world: &World, checker: &mut Checker, dice: &mut Dice) {
    let targets = world.targets();
    let target = targets[dice.roll(targets.len())].clone();
    match world.state_of(target.token) {
        TokenState::Active => world.suspend(&target).await,
        TokenState::Suspended => world.resume(&target).await,
        TokenState::Revoked | TokenState::Unknown => return,
    }
    let demand = Demand::Read;
    checker.single(&Ask { target, demand }).await;
}

async fn revoke_and_replace(world: &World, checker: &mut Checker, dice: &mut Dice) {
    let is = |target: &&Target, state| world.state_of(target.token) == state;
    let targets = world.targets();
    let (dead, live): (Vec<&Target>, Vec<&Target>) = targets
        .iter()
        .partition(|target| is(target, TokenState::Revoked));
    if live.len() >= LIVE {
        let target = live[dice.roll(live.len())].clone();
        world.revoke(&target).await;
        let demand = Demand::Read;
        checker.single(&Ask { target, demand }).await;
    }
    if targets.len() >= CHECKED
        && let Some(oldest) = dead.first()
    {
        world.forget(oldest);
    }
    let target = world.create_token(dice.roll(3) == 0).await;
    let demand = Demand::Read;
    checker.single(&Ask { target, demand }).await;
}
