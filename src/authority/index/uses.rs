//! What tokens are used for, as the index knows it, and how far it is loaded. Sessions are judged by it: one whose bucket is not loaded yet is not known.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Loaded, Lookup, Packed, State, View};
use crate::authority::keyspace;
use crate::authority::moment::Moment;
use crate::authority::secret::TokenId;
use crate::authority::uses::{Bucket, Use, Uses};
use crate::store::{Key, Record};

/// How far the buckets are loaded.
pub(super) struct LoadedUses {
    run: Loaded,
    /// Those that were asked for ahead of the run.
    ahead: HashSet<Bucket>,
}

// === impl LoadedUses ===

impl LoadedUses {
    /// None of them.
    pub(super) fn none() -> LoadedUses {
        LoadedUses {
            run: Loaded::Through(Key::new()),
            ahead: HashSet::new(),
        }
    }

    /// Whether all are.
    pub(super) fn is_complete(&self) -> bool {
        self.run == Loaded::All
    }

    /// Whether a bucket is, whole.
    pub(super) fn holds(&self, bucket: Bucket) -> bool {
        match &self.run {
            Loaded::All => true,
            Loaded::Through(cursor) => {
                *cursor > keyspace::uses(bucket, u16::MAX) || self.ahead.contains(&bucket)
            }
        }
    }

    /// A slice was loaded: of all of them, or of one bucket.
    pub(super) fn note(&mut self, prefix: &[u8], records: &[Record], limit: usize) {
        let rest = records.last().filter(|_| records.len() == limit);
        if prefix == keyspace::USES {
            self.run = match rest {
                Some(last) => Loaded::Through(last.key.clone()),
                None => Loaded::All,
            };
            if self.is_complete() {
                self.ahead = HashSet::new();
            }
        } else if let (Some(bucket), None) = (keyspace::bucket(prefix), rest) {
            self.ahead.insert(bucket);
        }
    }
}

// === impl View ===

impl View<'_> {
    /// When it was last used.
    #[must_use]
    pub fn last_used(&self) -> Option<Moment> {
        self.state.uses.last_time(self.token.id)
    }

    /// What it was used for.
    #[must_use]
    pub fn used(&self) -> Use {
        self.state.uses.of(self.token.id).unwrap_or_default()
    }
}

// === impl State ===

impl State {
    /// What tokens are used for.
    #[must_use]
    pub fn uses(&self) -> &Arc<Uses> {
        &self.uses
    }

    /// Whether a bucket of uses is loaded.
    #[must_use]
    pub fn has_uses(&self, bucket: Bucket) -> bool {
        self.loaded_uses.holds(bucket)
    }

    /// Whether there is certainly no token of this id.
    #[must_use]
    pub fn is_unknown(&self, id: TokenId) -> bool {
        self.tokens.get(id).is_none() && matches!(self.token(id), Lookup::Unknown)
    }

    /// Whether a token is known to be a session.
    #[must_use]
    pub fn is_session(&self, id: TokenId) -> bool {
        self.tokens.get(id).is_some_and(Packed::is_session)
    }

    /// Whether it must be judged by its last use, which is not loaded yet.
    pub(super) fn awaits_uses(&self, token: &Packed) -> bool {
        self.times_out(token) && !self.loaded_uses.holds(Bucket::of(token.id))
    }

    /// Whether it is a session that may lie idle for too long.
    pub(super) fn times_out(&self, token: &Packed) -> bool {
        let library = || self.directory.library(token.library).facts.as_ref();
        token.is_session() && library().is_some_and(|l| l.value.session_idle_timeout.is_some())
    }
}
