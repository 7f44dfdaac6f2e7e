//! What the writer and its callers both see: whether it goes on, how far it is, and since when it has been at its work.

use std::{
    future::pending,
    io,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::store::{Revision, StoreError};

/// Longest that one piece of work may take. sled waits for ever if its own I/O thread panics, so that a hang is a failure
/// too; network volumes are known to stall for half a minute and to come back.
const STALL_LIMIT: Duration = Duration::from_mins(1);
/// How often that is looked at.
const STALL_CHECK: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Shared {
    state: watch::Sender<State>,
    head: AtomicU64,
    working_since: Mutex<Option<Instant>>,
}

/// Whether calls are carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Running,
    /// Closed, on request.
    Stopped,
    /// For this reason nothing can be acknowledged any more.
    Failed(String),
}

// === impl Shared ===

impl Shared {
    pub(super) fn new(head: Revision) -> Shared {
        Shared {
            state: watch::Sender::new(State::Running),
            head: AtomicU64::new(head.0),
            working_since: Mutex::new(None),
        }
    }

    /// The newest durable revision that the follower has seen.
    pub(super) fn head(&self) -> Result<Revision, StoreError> {
        if self.is_running() {
            Ok(Revision(self.head.load(Ordering::Acquire)))
        } else {
            Err(StoreError::Failed)
        }
    }

    pub(super) fn set_head(&self, head: Revision) {
        self.head.store(head.0, Ordering::Release);
    }

    pub(super) fn is_running(&self) -> bool {
        *self.state.borrow() == State::Running
    }

    /// The first end counts: a store that failed does not become one that was closed.
    fn end(&self, end: State) {
        self.state.send_if_modified(|state| {
            let first = *state == State::Running;
            if first {
                *state = end;
            }
            first
        });
    }

    pub(super) fn stop(&self) {
        self.end(State::Stopped);
    }

    pub(super) fn fail(&self, reason: String) {
        self.end(State::Failed(reason));
    }

    /// Waits for a failure; pending for ever if the store is closed instead.
    pub(super) async fn failure(&self) -> String {
        self.stopped().await;
        let reason = match &*self.state.borrow() {
            State::Failed(reason) => Some(reason.clone()),
            State::Running | State::Stopped => None,
        };
        match reason {
            Some(reason) => reason,
            None => pending().await,
        }
    }

    /// Waits until calls are carried out no longer, for whatever reason.
    pub(super) async fn stopped(&self) {
        let mut state = self.state.subscribe();
        // An error would mean that there is no sender, and the sender is here.
        let _ = state.wait_for(|state| *state != State::Running).await;
    }

    /// The writer begins a piece of work (`true`), or waits for the next.
    pub(super) fn set_working(&self, working: bool) {
        *self
            .working_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = working.then(Instant::now);
    }

    fn has_stalled(&self, limit: Duration) -> bool {
        let since = *self
            .working_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() > limit)
    }
}

// === the watchdog ===

/// Makes a writer that hangs a failure. It ends within [`STALL_CHECK`] of the store.
pub(super) fn start_watchdog(shared: &Arc<Shared>) -> io::Result<()> {
    let shared = Arc::downgrade(shared);
    thread::Builder::new()
        .name("store-watchdog".to_owned())
        .spawn(move || watch(&shared))?;
    Ok(())
}

fn watch(shared: &Weak<Shared>) {
    loop {
        thread::sleep(STALL_CHECK);
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if !shared.is_running() {
            return;
        }
        if shared.has_stalled(STALL_LIMIT) {
            shared.fail(format!(
                "the writer has hung for {} s",
                STALL_LIMIT.as_secs()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_work_that_takes_too_long_is_a_stall() {
        let shared = Shared::new(Revision(0));
        assert!(
            !shared.has_stalled(Duration::ZERO),
            "an idle writer may idle"
        );
        shared.set_working(true);
        thread::sleep(Duration::from_millis(2));
        assert!(shared.has_stalled(Duration::from_millis(1)));
        assert!(!shared.has_stalled(STALL_LIMIT));
        shared.set_working(false);
        assert!(!shared.has_stalled(Duration::ZERO));
    }

    #[tokio::test]
    async fn the_first_end_counts() {
        let shared = Shared::new(Revision(0));
        shared.fail("the disk is gone".to_owned());
        shared.stop();
        shared.fail("and so on".to_owned());
        assert_eq!(shared.failure().await, "the disk is gone");
        assert_eq!(shared.head(), Err(StoreError::Failed));
    }
}
