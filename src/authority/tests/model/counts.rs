//! How often each thing came up: a test that tests nothing would be found out.

use std::collections::BTreeMap;

use super::operation::OPERATIONS;
use crate::authority::error::Reason;
use crate::authority::judge::Verdict;

/// What came up, and how often.
#[derive(Debug, Default, Clone)]
pub(super) struct Counts {
    /// All that was tried, by its name.
    operations: BTreeMap<&'static str, u64>,
    /// What was carried out, by its action; repeats among it.
    done: BTreeMap<&'static str, u64>,
    verdicts: BTreeMap<&'static str, u64>,
    reasons: BTreeMap<String, u64>,
    repeats: u64,
    listed: u64,
    events: u64,
}

/// The reasons that must come up.
const REASONS: [Reason; 19] = [
    Reason::CredentialRefused,
    Reason::LoginRefused,
    Reason::PermissionDenied,
    Reason::ReservedPermission,
    Reason::SelfServiceDenied,
    Reason::InvalidFields,
    Reason::NotFound,
    Reason::NameTaken,
    Reason::RequestIdReused,
    Reason::EtagMismatch,
    Reason::TokensNotEnabled,
    Reason::TokenState,
    Reason::LifetimeAtMaximum,
    Reason::NotRevealable,
    Reason::InUse,
    Reason::OwnerDisabled,
    Reason::NotReady,
    Reason::AlreadyImported,
    Reason::TooManyTokens,
];

/// The changes that must be carried out, not only asked for.
const DONE: [&str; 27] = [
    "library.create",
    "library.delete",
    "library.update",
    "session.open",
    "token.apply-policy",
    "policy.try",
    "review",
    "token.expired",
    "token.expiring",
    "token.import",
    "token.refused",
    "token.create",
    "token.extend",
    "token.resume",
    "token.reveal",
    "token.revoke",
    "token.revoke-all",
    "token.rotate",
    "token.suspend",
    "token.update",
    "user.create",
    "user.delete",
    "user.set-password",
    "user.update",
    "user-type.create",
    "user-type.delete",
    "user-type.update",
];

// === impl Counts ===

impl Counts {
    pub(super) fn operation(&mut self, name: &'static str) {
        *self.operations.entry(name).or_default() += 1;
    }

    pub(super) fn done(&mut self, action: &'static str) {
        *self.done.entry(action).or_default() += 1;
    }

    pub(super) fn verdict(&mut self, verdict: &'static str) {
        *self.verdicts.entry(verdict).or_default() += 1;
    }

    pub(super) fn reason(&mut self, reason: Reason) {
        *self.reasons.entry(format!("{reason:?}")).or_default() += 1;
    }

    pub(super) fn repeat(&mut self) {
        self.repeats += 1;
    }

    pub(super) fn listed(&mut self, tokens: usize) {
        self.listed += tokens as u64;
    }

    pub(super) fn events(&mut self, events: usize) {
        self.events += events as u64;
    }

    pub(super) fn total(&self) -> u64 {
        self.operations.values().sum()
    }

    pub(super) fn add(&mut self, other: Counts) {
        let join = |mine: &mut BTreeMap<&'static str, u64>, theirs: BTreeMap<&'static str, u64>| {
            for (name, count) in theirs {
                *mine.entry(name).or_default() += count;
            }
        };
        join(&mut self.operations, other.operations);
        join(&mut self.done, other.done);
        join(&mut self.verdicts, other.verdicts);
        for (reason, count) in other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        self.repeats += other.repeats;
        self.listed += other.listed;
        self.events += other.events;
    }

    /// Everything came up that can.
    pub(super) fn check(&self) {
        let missing = |name: &str, counted: Option<&u64>| {
            assert!(counted.is_some(), "{name} never came up: {self:#?}");
        };
        for name in OPERATIONS {
            missing(name, self.operations.get(name));
        }
        for action in DONE {
            missing(action, self.done.get(action));
        }
        for verdict in Verdict::ALL {
            missing(verdict.as_str(), self.verdicts.get(verdict.as_str()));
        }
        for reason in REASONS {
            let reason = format!("{reason:?}");
            missing(&reason, self.reasons.get(&reason));
        }
        assert!(
            self.repeats > 0 && self.listed > 0 && self.events > 0,
            "{self:#?}"
        );
    }
}
