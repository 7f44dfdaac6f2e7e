//! Looking at many tokens of the index: a slice of them under each lock, so that the writer, and all that wait behind it, come
//! in between.

use std::sync::RwLockReadGuard;

use super::Authority;
use super::directory::Uid;
use super::error::{Error, Reason};
use super::index::{Lookup, Place, Sort, State, View};
use super::secret::TokenId;

/// Most tokens that are looked at under one lock.
pub(super) const SLICE: usize = 1000;
/// How often a look at a user's tokens begins anew, because the one that it had come to was purged.
const RESTARTS: usize = 3;

impl Authority {
    /// The index, once it holds every token.
    pub(super) fn complete_index(&self) -> Result<RwLockReadGuard<'_, State>, Error> {
        let state = self.index.read()?;
        if state.is_complete() {
            return Ok(state);
        }
        Err(not_ready())
    }

    /// Looks at the next tokens of a library, newest first, after a place: at so many at most. Says where to go on, if there
    /// is more.
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
        let mut looked = 0;
        while let Some(place) = places.next() {
            looked += 1;
            let enough = match state.token(place.id) {
                Lookup::Known(view) => !look(&view),
                _ => false,
            };
            if enough || looked == most {
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
                    kept.extend(slice.iter().filter_map(&keep));
                    last = slice.last().map(|view| view.token.id);
                    if slice.len() < SLICE || kept.len() >= enough {
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

fn not_ready() -> Error {
    Error::new(
        Reason::NotReady,
        "the tokens are still being loaded; try again",
    )
}
