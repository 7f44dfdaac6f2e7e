//! How far it is loaded what tokens are used for. Sessions are judged by it: one whose bucket is not loaded yet is not known.

use std::collections::HashSet;

use super::Loaded;
use crate::authority::keyspace;
use crate::authority::uses::Bucket;
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
