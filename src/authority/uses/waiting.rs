//! The buckets that wait to be written, each in its turn; of four, three are those with sessions if there are any.

use std::collections::{HashSet, VecDeque};

use super::Bucket;

/// The buckets that wait.
#[derive(Default)]
pub(super) struct Waiting {
    sessions: Line,
    others: Line,
    /// How many with sessions came since one of the others.
    sessions_in_a_row: u8,
}

/// How many with sessions come before one of the others that wait: sessions are judged by it, and yet no token's last use
/// waits for ever.
const SESSIONS_IN_A_ROW: u8 = 3;

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
        if self.sessions_in_a_row < SESSIONS_IN_A_ROW
            && let Some(bucket) = self.sessions.pop()
        {
            self.sessions_in_a_row += 1;
            return Some((bucket, true));
        }
        self.sessions_in_a_row = 0;
        match self.others.pop() {
            Some(bucket) => Some((bucket, false)),
            None => Some((self.sessions.pop()?, true)),
        }
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
    fn of_four_turns_one_is_of_those_without_sessions() {
        let mut waiting = Waiting::default();
        (0..10).for_each(|number| waiting.push(Bucket(100 + number), true));
        (0..3).for_each(|number| waiting.push(Bucket(number), false));
        let popped = std::iter::from_fn(|| waiting.pop());
        let popped: Vec<u16> = popped.map(|(bucket, _)| bucket.0).collect();
        assert_eq!(
            popped,
            [100, 101, 102, 0, 103, 104, 105, 1, 106, 107, 108, 2, 109]
        );
    }

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
