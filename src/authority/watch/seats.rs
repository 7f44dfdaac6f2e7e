//! How many watch at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::authority::directory::Uid;
use crate::authority::error::{Error, Reason};

/// Watches at once: each holds a connection's stream, and up to half a MiB of what it has found in the log.
const SEATS: usize = 256;
/// Of those, operators always find so many: no libraries together keep them out.
const SEATS_OF_OPERATORS: usize = 16;
/// Watches by callers of one library: none keeps all others out.
const SEATS_OF_LIBRARY: usize = 32;

/// The watches that there are, by the libraries of those who watch.
#[derive(Default, Clone)]
pub(super) struct Seats(Arc<Mutex<HashMap<Whose, usize>>>);

/// One watch, for as long as it lasts.
pub(super) struct Seat {
    seats: Seats,
    whose: Whose,
}

/// Who watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    /// An operator.
    Operators,
    /// A caller of a library.
    Library(Uid),
}

// === impl Seats ===

impl Seats {
    /// A seat, if there is one left.
    pub(super) fn take(&self, whose: Whose) -> Result<Seat, Error> {
        let mut taken = self.taken();
        let all: usize = taken.values().sum();
        let of = |whose| taken.get(&whose).copied().unwrap_or_default();
        let (own, operators): (usize, usize) = (of(whose), of(Whose::Operators));
        let is_full = match whose {
            Whose::Operators => all >= SEATS,
            Whose::Library(_) => {
                // What operators have not taken of theirs stays free.
                let kept = SEATS_OF_OPERATORS.saturating_sub(operators);
                own >= SEATS_OF_LIBRARY || all + kept >= SEATS
            }
        };
        if is_full {
            let why = "too many watch already; end a watch, or try again later";
            return Err(Error::new(Reason::LimitExceeded, why));
        }
        taken.insert(whose, own + 1);
        Ok(Seat {
            seats: self.clone(),
            whose,
        })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Whose, usize>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        if let Some(own) = taken.get_mut(&self.whose) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.whose);
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
        let take = |library: u8| seats.take(Whose::Library(Uid([library; 16])));
        let mut first: Vec<Seat> = (0..SEATS_OF_LIBRARY).map(|_| take(1).unwrap()).collect();
        let refused = take(1).err().unwrap();
        assert_eq!(refused.reason, Reason::LimitExceeded);
        assert!(refused.retry_after.is_some());
        first.pop();
        first.push(take(1).unwrap());

        // However many libraries watch, operators find their seats, and may have all that are left.
        let rest: Vec<Seat> = (2..20)
            .flat_map(|n| std::iter::from_fn(move || Some(n)).take(32))
            .map_while(|library| take(library).ok())
            .collect();
        assert_eq!(first.len() + rest.len(), SEATS - SEATS_OF_OPERATORS);
        assert!(take(30).is_err());
        let operator = || seats.take(Whose::Operators);
        let operators: Vec<Seat> = (0..SEATS_OF_OPERATORS)
            .map(|_| operator().unwrap())
            .collect();
        assert!(operator().is_err());
        drop(rest);
        let more: Vec<Seat> = std::iter::from_fn(|| operator().ok()).collect();
        let taken = first.len() + operators.len() + more.len();
        assert_eq!(taken, SEATS);
        drop((first, operators, more));
        assert!(seats.taken().is_empty());
    }
}
