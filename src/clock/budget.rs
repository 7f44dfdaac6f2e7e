//! How long work may go on before it gives way. Nothing is judged by it.

use std::time::{Duration, Instant};

/// Time for some work, from its beginning on.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    began: Instant,
    time: Duration,
}

impl Budget {
    /// So much time from now on.
    #[must_use]
    pub fn of(time: Duration) -> Budget {
        Budget {
            began: Instant::now(),
            time,
        }
    }

    /// Whether it is used up.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.began.elapsed() >= self.time
    }
}
