//! How many tokens hang on each HMAC key, counted as they come and go.

use std::collections::HashMap;

use super::{Packed, REVOKED};

/// The tokens whose tags a key made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Those that are, or may become, good. An expired one may be extended.
    pub tokens: usize,
    /// Of these, imported ones that were never used: nothing but their first use moves them to another key.
    pub unused: usize,
    /// Those that were revoked each for itself: for good.
    pub revoked: usize,
}

/// Held, by the versions of the keys.
#[derive(Default)]
pub(super) struct HeldByKey(HashMap<u32, Held>);

// === impl HeldByKey ===

impl HeldByKey {
    pub(super) fn of(&self, key_version: u32) -> Held {
        self.0.get(&key_version).copied().unwrap_or_default()
    }

    pub(super) fn add(&mut self, token: &Packed) {
        self.count(token, |count| *count += 1);
    }

    pub(super) fn take(&mut self, token: &Packed) {
        self.count(token, |count| *count = count.saturating_sub(1));
    }

    fn count(&mut self, token: &Packed, change: impl Fn(&mut usize)) {
        let held = self.0.entry(token.key_version()).or_default();
        if token.is(REVOKED) {
            return change(&mut held.revoked);
        }
        change(&mut held.tokens);
        if token.is_unproven() {
            change(&mut held.unused);
        }
    }
}
