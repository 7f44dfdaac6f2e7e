//! The time that tokens are judged by: the later of the wall clock and a persisted mark (G7).
//!
//! A wall clock that is set back revives nothing, since the mark stands. One that jumps forward, against the clock that
//! counts since boot, freezes the mark: verdicts go on by the wall clock, but a wrong time is not made to last.

mod budget;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

pub use self::budget::Budget;

/// How far the wall clock may run ahead of the boot clock, ms: more than any leap second or slow correction, less than any
/// lifetime worth having.
const JUMP_MS: i64 = 60_000;

/// Where time comes from.
pub trait TimeSource: Send + Sync {
    /// The wall clock, Unix ms.
    fn wall_ms(&self) -> i64;
    /// A clock that nobody sets and that counts suspended time too, ms.
    fn boot_ms(&self) -> i64;
}

/// The clocks of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemTimeSource;

/// Judged time.
pub struct Clock {
    source: Box<dyn TimeSource>,
    /// Wall minus boot clock when this process began, ms.
    offset_ms: i64,
    /// The latest time that was judged by, Unix ms.
    mark_ms: AtomicI64,
    /// Whether the wall clock is ahead of where the boot clock says it should be.
    jumped: AtomicBool,
}

// === impl Clock ===

impl Clock {
    /// The machine's clock, never earlier than the mark that was persisted, Unix ms.
    #[must_use]
    pub fn system(mark_ms: i64) -> Clock {
        Clock::new(mark_ms, SystemTimeSource)
    }

    /// A clock on any source.
    #[must_use]
    pub fn new(mark_ms: i64, source: impl TimeSource + 'static) -> Clock {
        let offset_ms = source.wall_ms().saturating_sub(source.boot_ms());
        let clock = Clock {
            source: Box::new(source),
            offset_ms,
            mark_ms: AtomicI64::new(mark_ms),
            jumped: AtomicBool::new(false),
        };
        clock.warn_if_behind();
        clock
    }

    /// The time to judge by, Unix ms. Except after a jump forward it never decreases.
    #[must_use]
    pub fn now(&self) -> i64 {
        let wall = self.source.wall_ms();
        let mark = self.mark_ms.load(Ordering::Acquire);
        // Within one millisecond of the last look, or behind it: nothing to do, nothing to write.
        if wall <= mark {
            return mark;
        }
        if self.is_jump(wall) {
            return wall;
        }
        self.mark_ms.fetch_max(wall, Ordering::AcqRel).max(wall)
    }

    /// What the wall clock says, Unix ms: to compare clocks by, never to judge by.
    #[must_use]
    pub fn wall(&self) -> i64 {
        self.source.wall_ms()
    }

    /// The mark to persist now, Unix ms; `None` while it is frozen.
    #[must_use]
    pub fn mark(&self) -> Option<i64> {
        let now = self.now();
        // A wall clock behind the mark is no jump, but may be the end of one.
        (!self.is_jump(self.source.wall_ms())).then_some(now)
    }

    /// Whether the wall clock ran away; says so once when it does, and once when it is back.
    fn is_jump(&self, wall_ms: i64) -> bool {
        let expected = self.source.boot_ms().saturating_add(self.offset_ms);
        let ahead_ms = wall_ms.saturating_sub(expected);
        let jumped = ahead_ms > JUMP_MS;
        if jumped != self.jumped.load(Ordering::Relaxed)
            && jumped != self.jumped.swap(jumped, Ordering::Relaxed)
        {
            if jumped {
                tracing::error!(
                    clock.ahead_ms = ahead_ms,
                    "the wall clock jumped forward; its time is not recorded until it is back or the server is restarted"
                );
            } else {
                tracing::error!(
                    clock.ahead_ms = ahead_ms,
                    "the wall clock is back where it should be"
                );
            }
        }
        jumped
    }

    fn warn_if_behind(&self) {
        let behind_ms = self
            .mark_ms
            .load(Ordering::Relaxed)
            .saturating_sub(self.source.wall_ms());
        if behind_ms > JUMP_MS {
            tracing::error!(
                clock.behind_ms = behind_ms,
                "the wall clock is behind the time that was recorded before; that time stands still until it catches up"
            );
        }
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clock")
            .field("mark_ms", &self.mark_ms)
            .field("jumped", &self.jumped)
            .finish_non_exhaustive()
    }
}

// === impl SystemTimeSource ===

impl TimeSource for SystemTimeSource {
    fn wall_ms(&self) -> i64 {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            // Before 1970: the mark stands.
            Err(_) => 0,
        }
    }

    fn boot_ms(&self) -> i64 {
        let since_boot = clock_gettime(ClockId::Boottime);
        since_boot
            .tv_sec
            .saturating_mul(1_000)
            .saturating_add(since_boot.tv_nsec / 1_000_000)
    }
}

#[cfg(test)]
mod tests;
