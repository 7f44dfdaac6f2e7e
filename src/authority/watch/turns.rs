//! Whose turn it is to go over the log: the store's writer reads for those who do, between commits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::authority::directory::Uid;

/// How many read at once.
const AT_ONCE: usize = 4;
/// How many callers of one library are under way: each remembers what it has found so far. No more of them stand in the line
/// that all wait in, either.
const OF_LIBRARY: usize = 2;

/// The places and turns that there are.
pub(super) struct Turns {
    all: Arc<Semaphore>,
    libraries: Mutex<HashMap<Uid, Weak<Semaphore>>>,
}

/// A place among those of a library who are under way, for as long as it is kept.
pub(super) struct Place {
    _of_library: Option<OwnedSemaphorePermit>,
}

/// One turn to read, for as long as it is kept.
pub(super) struct Turn {
    _of_all: Option<OwnedSemaphorePermit>,
}

// === impl Turns ===

impl Turns {
    /// Waits for a place: those of a library come one after the other.
    pub(super) async fn place(&self, library: Uid) -> Place {
        // It is never closed.
        let of_library = self.of(library).acquire_owned().await.ok();
        Place {
            _of_library: of_library,
        }
    }

    /// Waits for a turn, in one line with those of all libraries. Only who has a place stands in it.
    pub(super) async fn take(&self, _place: &Place) -> Turn {
        // It is never closed.
        let of_all = self.all.clone().acquire_owned().await.ok();
        Turn { _of_all: of_all }
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
        let soon = Duration::from_millis(20);
        let place = async |library: u8| {
            let place = turns.place(Uid([library; 16]));
            tokio::time::timeout(soon, place).await
        };
        let take = async |place| tokio::time::timeout(soon, turns.take(place)).await;
        let (first, second) = (place(1).await.unwrap(), place(1).await.unwrap());
        assert!(place(1).await.is_err(), "a third place of one library");
        let (third, fourth) = (place(2).await.unwrap(), place(2).await.unwrap());
        let fifth = place(3).await.unwrap();
        let one = take(&first).await.unwrap();
        let others = [
            take(&second).await.unwrap(),
            take(&third).await.unwrap(),
            take(&fourth).await.unwrap(),
        ];
        assert!(take(&fifth).await.is_err(), "a fifth turn");
        // It is the turn that is given up between reads, and not the place.
        drop(one);
        let last = take(&fifth).await.unwrap();
        assert!(place(1).await.is_err());
        drop(first);
        place(1).await.unwrap();
        drop((others, last, second, third, fourth, fifth));
        place(4).await.unwrap();
        assert_eq!(turns.libraries.lock().unwrap().len(), 1);
    }
}
