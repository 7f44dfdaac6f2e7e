//! How many watch at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::authority::directory::Uid;
use crate::authority::error::{Error, Reason};

/// Watches at once: each holds a connection's stream and up to a few hundred events.
pub(super) const SEATS: usize = 256;
/// Of those, watches by callers of one library: none keeps all others out.
pub(super) const SEATS_OF_LIBRARY: usize = 64;

/// The watches that there are, by the libraries of those who watch.
#[derive(Default, Clone)]
pub(super) struct Seats(Arc<Mutex<HashMap<Uid, usize>>>);

/// One watch, for as long as it lasts.
pub(super) struct Seat {
    seats: Seats,
    library: Uid,
}

// === impl Seats ===

impl Seats {
    /// A seat for a caller of this library, if there is one left.
    pub(super) fn take(&self, library: Uid) -> Result<Seat, Error> {
        let mut taken = self.taken();
        let all: usize = taken.values().sum();
        let own = taken.get(&library).copied().unwrap_or_default();
        if all >= SEATS || own >= SEATS_OF_LIBRARY {
            let why = "too many watch already; end a watch, or try again later";
            return Err(Error::new(Reason::LimitExceeded, why));
        }
        taken.insert(library, own + 1);
        Ok(Seat {
            seats: self.clone(),
            library,
        })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Uid, usize>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        if let Some(own) = taken.get_mut(&self.library) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.library);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_library_takes_all_seats_and_one_that_is_left_is_free() {
        let seats = Seats::default();
        let take = |library: u8| seats.take(Uid([library; 16]));
        let mut first: Vec<Seat> = (0..SEATS_OF_LIBRARY).map(|_| take(1).unwrap()).collect();
        let refused = take(1).err().unwrap();
        assert_eq!(refused.reason, Reason::LimitExceeded);
        assert!(refused.retry_after.is_some());
        first.pop();
        first.push(take(1).unwrap());

        let rest = (2..=4).flat_map(|library| (0..SEATS_OF_LIBRARY).map(move |_| library));
        let rest: Vec<Seat> = rest.map(|library| take(library).unwrap()).collect();
        assert!(take(9).is_err());
        drop(rest);
        drop(first);
        assert!(seats.taken().is_empty());
    }
}
