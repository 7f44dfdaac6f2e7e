//! The whole domain against a simple model of its rules: whatever happens, in whatever order, both say the same.
//!
//! The model is written from the rules alone: plain lists that are searched from end to end, no index, no packed records, and
//! nothing of the code that it is compared with. Each operation stands in one place: how it is chosen, what the rules say of it
//! and how the authority is asked for it.

mod applying;
mod calendar;
mod caller;
mod change;
mod compare;
mod counts;
mod ending;
mod finding;
mod imports;
mod libraries;
mod logins;
mod lookups;
mod mending;
mod operation;
mod policy;
mod records;
mod restarts;
mod reviewing;
mod rights;
mod run;
mod telling;
mod time;
mod token_changes;
mod token_states;
mod updating;
mod user_types;
mod users;
mod uses;
mod verifying;
mod watching;
mod world;

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestRng, TestRunner};
use tokio::runtime;

use self::counts::Counts;
use self::operation::Step;
use self::run::Run;
use self::world::Engine;

/// Operations of a case, at most and half as many on average: what is too long shrinks.
const STEPS: usize = 800;
/// Cases, unless the environment asks for more.
const CASES: u32 = 280;
/// Operations that are tried at least.
const OPERATIONS: u64 = 100_000;
/// One case in so many is on the disk.
const ON_DISK: u32 = 26;
/// How many cases are carried out at once.
const THREADS: u32 = 2;
/// How long a disagreement is made shorter, milliseconds.
const SHRINKING_MS: u32 = 30_000;
/// How many cases; for longer runs.
const CASES_VARIABLE: &str = "TOKEN_AUTHORITY_MODEL_CASES";
/// The number that all chance comes from; for other runs.
const SEED_VARIABLE: &str = "TOKEN_AUTHORITY_MODEL_SEED";

#[test]
fn the_authority_and_a_simple_model_of_its_rules_never_disagree() {
    let cases = number(CASES_VARIABLE).unwrap_or(CASES);
    let seed = number(SEED_VARIABLE).unwrap_or(1);
    let share = cases.div_ceil(THREADS);
    let mut counts = Counts::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || run_cases(share, [seed, thread])))
            .collect();
        for thread in threads {
            counts.add(thread.join().expect("a disagreement, told above"));
        }
    });
    println!("{counts:#?}\n{} operations", counts.total());
    if cases >= CASES {
        assert!(
            counts.total() >= OPERATIONS,
            "{} operations",
            counts.total()
        );
        counts.check();
    }
}

fn number(variable: &str) -> Option<u32> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} must be a number")),
    )
}

/// Carries out so many cases, and counts what came up.
fn run_cases(cases: u32, [seed, thread]: [u32; 2]) -> Counts {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&seed.to_be_bytes());
    bytes[4..8].copy_from_slice(&thread.to_be_bytes());
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_time: SHRINKING_MS,
        max_shrink_iters: u32::MAX,
        ..ProptestConfig::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let counts = RefCell::new(Counts::default());
    let found = RefCell::new(None);
    let case = (0..ON_DISK, prop::collection::vec(any_step(), 0..=STEPS));
    let agreed = runner.run(&case, |(disk, steps)| {
        let engine = if disk == 1 {
            Engine::disk()
        } else {
            Engine::memory()
        };
        let counted = runtime.block_on(carry_out(engine, steps));
        let counted = counted.map_err(|why| {
            let before = counts.borrow().total();
            // What follows is the same disagreement made shorter.
            TestCaseError::fail(format!(
                "{why}\n{} operations before",
                found.borrow_mut().get_or_insert(before)
            ))
        });
        counts.borrow_mut().add(counted?);
        Ok(())
    });
    if let Err(disagreement) = agreed {
        panic!("{SEED_VARIABLE}={seed}, thread {thread}: {disagreement}");
    }
    counts.into_inner()
}

fn any_step() -> impl Strategy<Value = Step> {
    prop::array::uniform32(any::<u8>()).prop_map(Step::of)
}

async fn carry_out(engine: Engine, steps: Vec<Step>) -> Result<Counts, String> {
    let mut run = Run::begin(engine).await?;
    for (number, step) in steps.into_iter().enumerate() {
        let told = format!("{step:?}");
        run.step(step)
            .await
            .map_err(|why| format!("operation {number}, {told}:\n{why}"))?;
    }
    let all = run.compare_all().await;
    all.map_err(|why| format!("in the end:\n{why}"))?;
    Ok(run.counts)
}
