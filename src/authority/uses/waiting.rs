//! The buckets that wait to be written, each in its turn; those with sessions first.

use std::collections::{HashSet, VecDeque};

use super::Bucket;

/// The buckets that wait.
#[derive(Default)]
pub(super) struct Waiting {
    sessions: Line,
    others: Line,
}

/// Buckets in the order in which they came, each once.
#[derive(Default)]
struct Line {
    order: VecDeque<Bucket>,
    present: HashSet<Bucket>,
}

// === impl Waiting ===

impl Waiting {
    /// A bucket waits from now on, if it doesn't yet. One that waits among the others already keeps its place there.
    pub(super) fn push(&mut self, bucket: Bucket, has_session: bool) {
        if has_session {
            self.sessions.push(bucket);
        } else if !self.sessions.present.contains(&bucket) {
            self.others.push(bucket);
        }
    }

    /// The next one, which waits no more, and whether it waited for a session's sake.
    pub(super) fn pop(&mut self) -> Option<(Bucket, bool)> {
        let session = self.sessions.pop().map(|bucket| (bucket, true));
        session.or_else(|| Some((self.others.pop()?, false)))
    }
}

// === impl Line ===

impl Line {
    fn push(&mut self, bucket: Bucket) {
        if self.present.insert(bucket) {
            self.order.push_back(bucket);
        }
    }

    fn pop(&mut self) -> Option<Bucket> {
        let next = self.order.pop_front()?;
        self.present.remove(&next);
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_with_sessions_come_first_and_each_comes_once() {
        let mut waiting = Waiting::default();
        for (number, has_session) in [
            (1, false),
            (2, false),
            (3, true),
            (2, true),
            (3, false),
            (1, false),
        ] {
            waiting.push(Bucket(number), has_session);
        }
        let popped: Vec<u16> = std::iter::from_fn(|| waiting.pop())
            .map(|(b, _)| b.0)
            .collect();
        assert_eq!(popped, [3, 2, 1, 2]);
        waiting.push(Bucket(2), false);
        waiting.push(Bucket(1), false);
        assert_eq!(waiting.pop(), Some((Bucket(2), false)));
    }
}
