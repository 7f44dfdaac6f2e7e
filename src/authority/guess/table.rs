//! Counts of one kind, in bounded memory.

use std::collections::HashMap;

use super::Counted;
use crate::authority::moment::Moment;

/// The moments, in Unix milliseconds, at which each allowance is whole again. One that is not here is whole.
///
/// What is full is put aside, and what was aside before is forgotten.
#[derive(Default)]
pub(super) struct Table {
    pub(super) recent: HashMap<Counted, i64>,
    pub(super) aside: HashMap<Counted, i64>,
}

/// An allowance.
pub(super) struct Allowance {
    /// How many at once.
    pub(super) burst: i64,
    /// How long until there is one more, milliseconds.
    pub(super) interval: i64,
}

/// Most entries of half a table: the six halves take about 20 MiB then. A count is forgotten after as many others within the
/// 150 s that a user's allowance takes to be whole again: 437 hashes a second, and hundreds of clients to ask for them.
pub(super) const MOST: usize = 1 << 16;

// === impl Table ===

impl Table {
    /// When this allowance is whole again.
    fn whole_at(&mut self, who: Counted, allowance: &Allowance, now: Moment) -> i64 {
        let Some(at) = self.found(who) else {
            return now.0;
        };
        // A clock that was set back makes nobody wait for longer than an empty allowance does.
        *at = (*at).min(now.0 + allowance.burst * allowance.interval);
        (*at).max(now.0)
    }

    /// Milliseconds until there is one to take.
    pub(super) fn wait(&mut self, who: Counted, allowance: &Allowance, now: Moment) -> i64 {
        let missing = self.whole_at(who, allowance, now) - now.0;
        missing - (allowance.burst - 1) * allowance.interval
    }

    pub(super) fn take(&mut self, who: Counted, allowance: &Allowance, now: Moment) {
        let whole_at = self.whole_at(who, allowance, now) + allowance.interval;
        if self.recent.len() >= MOST && !self.recent.contains_key(&who) {
            self.aside = std::mem::take(&mut self.recent);
        }
        self.recent.insert(who, whole_at);
    }

    /// Takes one back. An allowance that is whole again leaves nothing behind: whoever is turned away before a hash is made
    /// must not fill the table.
    pub(super) fn give_back(&mut self, who: Counted, allowance: &Allowance, taken: Moment) {
        let Some(at) = self.found(who) else { return };
        *at -= allowance.interval;
        if *at <= taken.0 {
            self.recent.remove(&who);
            self.aside.remove(&who);
        }
    }

    fn found(&mut self, who: Counted) -> Option<&mut i64> {
        let recent = self.recent.get_mut(&who);
        recent.or_else(|| self.aside.get_mut(&who))
    }
}
