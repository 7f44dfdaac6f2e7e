//! What Verify needs to know of a library's imported tokens, before it looks for one.

use std::collections::BTreeMap;

use super::tokens::Packed;
use crate::authority::import::Cut;

/// The imported tokens of a library, counted.
#[derive(Default)]
pub struct Imports {
    tokens: usize,
    /// How many of them are found by each cut.
    cuts: BTreeMap<Cut, usize>,
}

// === impl Imports ===

impl Imports {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens == 0
    }

    /// The cuts in use.
    pub fn cuts(&self) -> impl Iterator<Item = Cut> {
        self.cuts.keys().copied()
    }

    /// A token is no longer this one, but that one.
    pub(super) fn replace(&mut self, before: Option<&Packed>, now: Option<&Packed>) {
        if let Some(now) = now.filter(|token| token.imported().is_some()) {
            self.tokens += 1;
            if let Some(cut) = now.cut() {
                *self.cuts.entry(cut).or_default() += 1;
            }
        }
        if let Some(before) = before.filter(|token| token.imported().is_some()) {
            self.tokens -= 1;
            if let Some(cut) = before.cut()
                && let Some(uses) = self.cuts.get_mut(&cut)
            {
                *uses -= 1;
                if *uses == 0 {
                    self.cuts.remove(&cut);
                }
            }
        }
    }
}
