//! What was changed, what was answered, and whether the answers can be true.
//!
//! Two judgements that know nothing of each other. By time: an answer must be that of a state which could hold while the check
//! was under way, given when each change was asked for and when it was answered. By revision: an answer must be that of the
//! state at the very revision that it names, and that revision must hold every change that was answered before the check began.

use std::fmt;
use std::time::Instant;

use crate::model::{Demand, Directory, Found, TokenState, Which};

/// A change, and the state that it led to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<T> {
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
    pub(crate) revision: u64,
    pub(crate) after: T,
}

/// The changes of one thing, one after the other; the first makes it.
#[derive(Debug, Clone)]
pub(crate) struct Timeline<T>(pub(crate) Vec<Change<T>>);

/// A token and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct TokenHistory {
    pub(crate) world: usize,
    pub(crate) pin: Option<Which>,
    pub(crate) timeline: Timeline<TokenState>,
}

/// One answer to Verify.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) token: usize,
    pub(crate) demand: Demand,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) revision: u64,
    pub(crate) found: Found,
}

/// All that clients know.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) worlds: Vec<Timeline<Directory>>,
    pub(crate) tokens: Vec<TokenHistory>,
    /// By connection, in the order in which they came.
    pub(crate) answers: Vec<Vec<Answer>>,
}

/// How the answers differ from the truth.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    pub(crate) checks: usize,
    /// Of those, the ones that were VALID.
    pub(crate) valid: usize,
    pub(crate) changes: usize,
    /// VALID, when no state that could hold during the check allowed it.
    pub(crate) valid_too_late: usize,
    /// Not what any state that could hold during the check leads to.
    pub(crate) never_true: usize,
    /// Not what the state at the revision named leads to.
    pub(crate) mixed: usize,
    /// Of those, the ones that allow what nobody may at any revision.
    pub(crate) never_granted: usize,
    /// The revision named is older than a change that was answered before the check began.
    pub(crate) stale: usize,
    /// The revision named is older than that of an earlier answer on the same connection.
    pub(crate) backwards: usize,
    /// The first few, in words.
    pub(crate) examples: Vec<String>,
}

/// Examples that are kept.
const EXAMPLES: usize = 5;

// === impl Timeline ===

impl<T: Copy> Timeline<T> {
    /// The state at a revision; `None` before the first change.
    fn at(&self, revision: u64) -> Option<T> {
        let changes = self.0.partition_point(|change| change.revision <= revision);
        Some(self.0[changes.checked_sub(1)?].after)
    }

    /// The states that may have held between two moments.
    fn between(&self, began: Instant, ended: Instant) -> impl Iterator<Item = T> {
        let past = self.0.partition_point(|change| change.answered <= began);
        let asked = self.0.partition_point(|change| change.sent <= ended);
        let first = past.saturating_sub(1);
        self.0[first..asked.max(first)]
            .iter()
            .map(|change| change.after)
    }
}

// === impl History ===

impl History {
    pub(crate) fn judge(&self) -> Findings {
        let answered = self.answered();
        let mut findings = Findings {
            changes: answered.len(),
            ..Findings::default()
        };
        for connection in &self.answers {
            let mut newest = 0;
            for answer in connection {
                self.judge_one(answer, newest, &answered, &mut findings);
                newest = newest.max(answer.revision);
            }
        }
        findings
    }

    /// When changes were answered, each with the newest revision that was known then.
    fn answered(&self) -> Vec<(Instant, u64)> {
        fn of<T>(timeline: &Timeline<T>) -> impl Iterator<Item = (Instant, u64)> {
            timeline
                .0
                .iter()
                .map(|change| (change.answered, change.revision))
        }
        let worlds = self.worlds.iter().flat_map(of);
        let tokens = self.tokens.iter().flat_map(|token| of(&token.timeline));
        let made = |change: &(Instant, u64)| change.1 > 0;
        let mut answered: Vec<(Instant, u64)> = worlds.chain(tokens).filter(made).collect();
        answered.sort_unstable();
        let mut newest = 0;
        for (_, revision) in &mut answered {
            newest = newest.max(*revision);
            *revision = newest;
        }
        answered
    }

    fn judge_one(
        &self,
        answer: &Answer,
        seen: u64,
        answered: &[(Instant, u64)],
        findings: &mut Findings,
    ) {
        let token = &self.tokens[answer.token];
        let world = &self.worlds[token.world];
        let right = |directory: Directory, state| directory.judge(state, token.pin, answer.demand);

        let at_revision = world
            .at(answer.revision)
            .zip(token.timeline.at(answer.revision))
            .map(|(directory, state)| right(directory, state));
        let possible: Vec<Found> = world
            .between(answer.began, answer.ended)
            .flat_map(|directory| {
                token
                    .timeline
                    .between(answer.began, answer.ended)
                    .map(move |state| right(directory, state))
            })
            .collect();
        let known = answered.partition_point(|(moment, _)| *moment <= answer.began);
        let owed = known.checked_sub(1).map_or(0, |last| answered[last].1);

        let valid = answer.found.is_valid();
        let mixed = at_revision != Some(answer.found);
        let kinds = [
            (
                valid && !possible.iter().any(|found| found.is_valid()),
                &mut findings.valid_too_late,
            ),
            (!possible.contains(&answer.found), &mut findings.never_true),
            (mixed, &mut findings.mixed),
            (
                valid && answer.demand == Demand::Vault,
                &mut findings.never_granted,
            ),
            (answer.revision < owed, &mut findings.stale),
            (answer.revision < seen, &mut findings.backwards),
        ];
        let mut faulty = false;
        for (fault, count) in kinds {
            *count += usize::from(fault);
            faulty |= fault;
        }
        findings.checks += 1;
        findings.valid += usize::from(valid);
        if faulty && findings.examples.len() < EXAMPLES {
            findings.examples.push(format!(
                "{:?} at revision {}, where {at_revision:?} is right, at least {owed} is owed and {seen} was seen before: {:?}, {:?}",
                answer.found, answer.revision, answer.demand, token.pin,
            ));
        }
    }
}

// === impl Findings ===

impl Findings {
    /// How many faults there are, a fault of two kinds counted twice.
    pub(crate) fn faults(&self) -> usize {
        self.valid_too_late
            + self.never_true
            + self.mixed
            + self.never_granted
            + self.stale
            + self.backwards
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} checks, {} of them VALID, against {} changes; VALID after the change was answered {}, \
             what no state of the time leads to {}, mixtures of two states {}, rights that never existed {}, \
             stale revisions {}, revisions that went back {}",
            self.checks,
            self.valid,
            self.changes,
            self.valid_too_late,
            self.never_true,
            self.mixed,
            self.never_granted,
            self.stale,
            self.backwards,
        )?;
        self.examples
            .iter()
            .try_for_each(|example| write!(f, "\n  {example}"))
    }
}

#[cfg(test)]
mod tests;
