//! Looking at many tokens of the index: a slice of them under each lock, so that the writer, and all that wait behind it, come
//! in between.

use std::sync::RwLockReadGuard;
use std::time::Duration;

use super::Authority;
use super::directory::Uid;
use super::error::{Error, Reason};
use super::index::{Lookup, Place, Sort, State, View};
use super::secret::TokenId;
use crate::clock::Budget;

/// Most tokens that are looked at under one lock.
pub(super) const SLICE: usize = 1000;
/// How long tokens are looked at under one lock: what a token takes depends on its rights and its networks, and the writer,
/// with every Verify behind it, waits no longer than this and the last few of them.
const HELD: Duration = Duration::from_millis(2);
/// Tokens between two looks at the time, since one may take as much as a short look at a token.
const STRIDE: usize = 4;
/// How often a look at a user's tokens begins anew, because the one that it had come to was purged.
const RESTARTS: usize = 3;

/// What may be looked at under one lock: so many tokens, for so long.
#[derive(Debug)]
pub(super) struct Look {
    most: usize,
    looked: usize,
    time: Budget,
}

impl Authority {
    /// The index, once it holds every token.
    pub(super) fn complete_index(&self) -> Result<RwLockReadGuard<'_, State>, Error> {
        let state = self.index.read()?;
        if state.is_complete() {
            return Ok(state);
        }
        Err(not_ready())
    }

    /// Looks at the next tokens of a library, newest first, after a place: at so many at most, and for a short time. Says
    /// where to go on, if there is more.
    pub(super) fn look_at_library(
        &self,
        library: Uid,
        after: Option<Place>,
        most: usize,
        mut look: impl FnMut(&View<'_>) -> bool,
    ) -> Result<Option<Place>, Error> {
        let state = self.complete_index()?;
        // A deleted one that left no token is not known any more.
        let Some(slot) = state.directory().library_of(library) else {
            return Ok(None);
        };
        let mut places = slot.tokens.after(Sort::Created, after).peekable();
        let mut turn = Look::at(most);
        while let Some(place) = places.next() {
            let enough = match state.token(place.id) {
                Lookup::Known(view) => !look(&view),
                _ => false,
            };
            if turn.is_over() || enough {
                return Ok(places.peek().map(|_| place));
            }
        }
        Ok(None)
    }

    /// What is kept of the tokens of a user, by the user's slot: of all that are there when it begins, unless it is enough.
    pub(super) async fn look_at_user<T>(
        &self,
        user: u32,
        enough: usize,
        keep: impl Fn(&View<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        'anew: for _ in 0..=RESTARTS {
            let (mut kept, mut last): (Vec<T>, Option<TokenId>) = (Vec::new(), None);
            loop {
                {
                    let state = self.complete_index()?;
                    let Some(slice) = state.some_of_user(user, last, SLICE) else {
                        continue 'anew;
                    };
                    let (mut turn, mut rest) = (Look::at(SLICE), slice.iter());
                    for view in rest.by_ref() {
                        kept.extend(keep(view));
                        last = Some(view.token.id);
                        if turn.is_over() {
                            break;
                        }
                    }
                    let is_last = slice.len() < SLICE && rest.len() == 0;
                    if is_last || kept.len() >= enough {
                        return Ok(kept);
                    }
                }
                tokio::task::yield_now().await;
            }
        }
        Err(Error::new(
            Reason::NotReady,
            "the tokens of the user change too fast to be counted; try again",
        ))
    }
}

// === impl Look ===

impl Look {
    /// Begins one at so many tokens at most.
    pub(super) fn at(most: usize) -> Look {
        Look {
            most,
            looked: 0,
            time: Budget::of(HELD),
        }
    }

    /// Counts a token that was looked at; says whether it was the last.
    pub(super) fn is_over(&mut self) -> bool {
        self.looked += 1;
        let is_long = self.looked.is_multiple_of(STRIDE) && self.time.is_spent();
        is_long || self.looked >= self.most
    }
}

fn not_ready() -> Error {
    Error::new(
        Reason::NotReady,
        "the tokens are still being loaded; try again",
    )
}
