//! Whose turn it is to go over the log: the store's writer reads for those who do, between commits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::authority::directory::Uid;

/// How many go over the log at once.
const AT_ONCE: usize = 4;
/// Of those, callers of one library. Of these, too, no more stand in the line that all wait in.
const OF_LIBRARY: usize = 2;

/// The turns that there are.
pub(super) struct Turns {
    all: Arc<Semaphore>,
    libraries: Mutex<HashMap<Uid, Weak<Semaphore>>>,
}

/// One turn, for as long as it is kept.
pub(super) struct Turn {
    _of_all: Option<OwnedSemaphorePermit>,
    _of_library: Option<OwnedSemaphorePermit>,
}

// === impl Turns ===

impl Turns {
    /// Waits for a turn: those of a library one after the other, and then in one line with those of the others.
    pub(super) async fn take(&self, library: Uid) -> Turn {
        // Neither is ever closed.
        let of_library = self.of(library).acquire_owned().await.ok();
        let of_all = self.all.clone().acquire_owned().await.ok();
        Turn {
            _of_all: of_all,
            _of_library: of_library,
        }
    }

    fn of(&self, library: Uid) -> Arc<Semaphore> {
        // Nothing panics while it is held.
        let libraries = self.libraries.lock();
        let mut libraries = libraries.unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = libraries.get(&library).and_then(Weak::upgrade) {
            return known;
        }
        libraries.retain(|_, turns| turns.strong_count() > 0);
        let new = Arc::new(Semaphore::new(OF_LIBRARY));
        libraries.insert(library, Arc::downgrade(&new));
        new
    }
}

impl Default for Turns {
    fn default() -> Self {
        Turns {
            all: Arc::new(Semaphore::new(AT_ONCE)),
            libraries: Mutex::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn no_library_has_all_turns_and_those_of_many_come_one_after_the_other() {
        let turns = Turns::default();
        let take = async |library: u8| {
            let turn = turns.take(Uid([library; 16]));
            tokio::time::timeout(Duration::from_millis(20), turn).await
        };
        let (first, second) = (take(1).await.unwrap(), take(1).await.unwrap());
        assert!(take(1).await.is_err(), "a third turn of one library");
        let third = take(2).await.unwrap();
        drop(first);
        let fourth = take(1).await.unwrap();
        let fifth = take(3).await.unwrap();
        assert!(take(3).await.is_err(), "a fifth turn");
        drop(second);
        let last = take(3).await.unwrap();
        drop((third, fourth, fifth, last));
        take(4).await.unwrap();
        assert_eq!(turns.libraries.lock().unwrap().len(), 1);
    }
}
