//! When sessions were used while the clock had run away, by that clock: they are judged by it meanwhile, and it is kept nowhere.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Bucket, Note, Uses, lock};
use crate::authority::moment::{Moment, Now};
use crate::authority::secret::TokenId;

/// The sessions that were used since the clock ran away. As a rule there are none, and nothing is locked.
#[derive(Default)]
pub(super) struct Ahead {
    some: AtomicBool,
    times: Mutex<HashMap<TokenId, Moment>>,
}

// === impl Ahead ===

impl Ahead {
    pub(super) fn note(&self, note: &Note<'_>) {
        if let (true, Some(time)) = (note.is_session, note.ahead) {
            lock(&self.times).insert(note.id, time);
            self.some.store(true, Ordering::Release);
        }
    }

    pub(super) fn of(&self, id: TokenId) -> Option<Moment> {
        if !self.some.load(Ordering::Acquire) {
            return None;
        }
        lock(&self.times).get(&id).copied()
    }
}

// === impl Uses ===

impl Uses {
    /// Once the clock is trusted again, what was noted by the one that had run away becomes what it can have been: a use no
    /// later than now.
    pub(super) fn come_back(&self, now: Now) {
        if now.mark.is_none() || !self.ahead.some.swap(false, Ordering::AcqRel) {
            return;
        }
        for (id, time) in std::mem::take(&mut *lock(&self.ahead.times)) {
            let mut entries = self.bucket(Bucket::of(id));
            let at = entries.binary_search_by_key(&id, |entry| entry.id);
            let last = at.ok().and_then(|at| entries[at].used.last.as_mut());
            if let Some(last) = last {
                last.time = last.time.max(time.min(now.time));
            }
        }
    }
}
