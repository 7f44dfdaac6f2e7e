//! Random commits, many of them asked at once, against the plainest thing that could be right.

use std::{collections::BTreeMap, future::poll_fn, task::Poll};

use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    strategy::ValueTree,
    test_runner::TestRunner,
};

use super::Engine;
use crate::store::{Change, Key, Precondition, Record, Revision, StoreError};

/// Sequences that are tried on each engine.
const SEQUENCES: usize = 12;
/// Few, so that commits meet.
const KEYS: u8 = 5;

/// What a random commit says of a key; made concrete when its turn comes.
#[derive(Debug, Clone, Copy)]
enum Guess {
    Absent,
    AsItIs,
    AtOtherRevision,
}

#[derive(Debug, Clone)]
struct RandomCommit {
    guesses: Vec<(u8, Guess)>,
    /// By key, so that none is named twice; `None` deletes.
    changes: BTreeMap<u8, Option<u8>>,
}

/// Records by key, and the head.
#[derive(Default)]
struct Model {
    records: BTreeMap<Key, Record>,
    head: u64,
}

/// What is asked at once, over and over.
fn rounds() -> impl Strategy<Value = Vec<Vec<RandomCommit>>> {
    let guess = prop_oneof![
        1 => Just(Guess::Absent),
        4 => Just(Guess::AsItIs),
        1 => Just(Guess::AtOtherRevision),
    ];
    let commit = (
        vec((0..KEYS, guess), 0..3),
        btree_map(0..KEYS, proptest::option::weighted(0.7, any::<u8>()), 0..4),
    )
        .prop_map(|(guesses, changes)| RandomCommit { guesses, changes });
    vec(vec(commit, 1..12), 1..8)
}

pub(super) async fn check(engine: Engine) {
    let mut runner = TestRunner::default();
    let mut model = Model::default();
    for _ in 0..SEQUENCES {
        // One store for all: each goes on where the one before ended.
        let rounds = rounds().new_tree(&mut runner).unwrap().current();
        for round in rounds {
            one_round(&engine, &mut model, &round).await;
            let stored = engine.store.scan(vec![], None, usize::MAX).await.unwrap();
            let expected: Vec<Record> = model.records.values().cloned().collect();
            assert_eq!(stored, expected, "after {round:?}");
            assert_eq!(engine.store.head().await, Ok(Revision(model.head)));
            assert_eq!(engine.seen.lock().unwrap().replica, model.records);
        }
    }
}

async fn one_round(engine: &Engine, model: &mut Model, round: &[RandomCommit]) {
    let (mut asked, mut expected) = (Vec::new(), Vec::new());
    for commit in round {
        let (preconditions, changes) = (model.preconditions(commit), commit.changes());
        expected.push(model.commit(&preconditions, &changes));
        asked.push(engine.store.commit(preconditions, changes));
    }
    // The first poll asks, so all are asked in order before any is answered.
    let mut outcomes = vec![None; asked.len()];
    poll_fn(|context| {
        for (commit, outcome) in asked.iter_mut().zip(&mut outcomes) {
            if outcome.is_none()
                && let Poll::Ready(answer) = commit.as_mut().poll(context)
            {
                *outcome = Some(answer);
            }
        }
        if outcomes.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    let outcomes: Vec<_> = outcomes.into_iter().flatten().collect();
    assert_eq!(outcomes, expected, "{round:?}");
}

// === impl RandomCommit ===

impl RandomCommit {
    fn changes(&self) -> Vec<Change> {
        let change = |(key, value): (&u8, &Option<u8>)| match value {
            Some(value) => Change::Put(vec![*key], vec![*value]),
            None => Change::Delete(vec![*key]),
        };
        self.changes.iter().map(change).collect()
    }
}

// === impl Model ===

impl Model {
    fn preconditions(&self, commit: &RandomCommit) -> Vec<Precondition> {
        let concrete = |(key, guess): &(u8, Guess)| {
            let key = vec![*key];
            let found = self.records.get(&key).map(|record| record.mod_revision);
            match (guess, found) {
                (Guess::AsItIs, Some(revision)) => Precondition::At(key, revision),
                (Guess::AtOtherRevision, _) => {
                    Precondition::At(key, Revision(found.map_or(self.head, |found| found.0 - 1)))
                }
                (Guess::Absent, _) | (Guess::AsItIs, None) => Precondition::Absent(key),
            }
        };
        commit.guesses.iter().map(concrete).collect()
    }

    fn commit(
        &mut self,
        preconditions: &[Precondition],
        changes: &[Change],
    ) -> Result<Revision, StoreError> {
        let holds = |precondition: &Precondition| match precondition {
            Precondition::Absent(key) => !self.records.contains_key(key),
            Precondition::At(key, revision) => {
                self.records.get(key).map(|record| record.mod_revision) == Some(*revision)
            }
        };
        if !preconditions.iter().all(holds) {
            return Err(StoreError::Conflict);
        }
        self.head += 1;
        let revision = Revision(self.head);
        for change in changes {
            match change {
                Change::Put(key, value) => {
                    let created = self
                        .records
                        .get(key)
                        .map_or(revision, |old| old.create_revision);
                    let record = Record {
                        key: key.clone(),
                        value: value.clone(),
                        create_revision: created,
                        mod_revision: revision,
                    };
                    self.records.insert(key.clone(), record);
                }
                Change::Delete(key) => {
                    self.records.remove(key);
                }
            }
        }
        Ok(revision)
    }
}
