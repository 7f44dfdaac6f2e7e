//! The tokens of a library that should be looked at.

use super::tokens::{SLICE, cursor_of, place_of};
use super::{LibraryRef, MAX_EXAMINED};
use crate::authority::caller::Caller;
use crate::authority::directory::Uid;
use crate::authority::error::Error;
use crate::authority::index::{Lookup, Place, Sort};
use crate::authority::moment::Moment;
use crate::authority::name::Name;
use crate::authority::page::{Binding, Page, PageRequest, Room, bad_page_token};
use crate::authority::review::{Finding, Found, review};
use crate::authority::{Authority, understand};

/// What one look at the index found.
struct Slice {
    found: Vec<(Place, Found)>,
    /// How many it looked at.
    examined: usize,
    /// Where it stopped, if there is more.
    rest: Option<Place>,
}

impl Authority {
    /// The tokens of a library that should be looked at, newest first. A page may be shorter than asked for, or empty, and yet
    /// not the last: a call looks at 10,000 tokens at most.
    pub async fn review_tokens(
        &self,
        caller: &Caller,
        library: &Name,
        page: &PageRequest,
        now: Moment,
    ) -> Result<Page<Finding>, Error> {
        let by = self.authorise(caller, now)?;
        let library = self.uid_of(&by, &LibraryRef::Named(library.clone()))?;
        let binding = Binding::new("review", &by, library.to_string());
        let mut at = match self.open_page(&binding, page)? {
            None => None,
            Some(cursor) => Some(place_of(&cursor).ok_or_else(bad_page_token)?),
        };
        let (mut room, mut left) = (Room::of(page), MAX_EXAMINED);
        let mut items = Vec::new();
        let next = 'page: loop {
            let slice = self.find_findings(library, at, (left.min(SLICE), room.items()), now)?;
            left -= slice.examined;
            let places: Vec<Place> = slice.found.iter().map(|(place, _)| *place).collect();
            let records = self.fetch_places(&places).await?;
            for ((place, found), record) in slice.found.into_iter().zip(records) {
                // It may be gone by now.
                if let Some(record) = record {
                    if !room.takes(&record) {
                        break 'page at;
                    }
                    let token = understand(&record)?;
                    items.push(Finding { token, found });
                }
                at = Some(place);
            }
            at = slice.rest;
            if at.is_none() || room.is_full() || left == 0 {
                break at;
            }
            tokio::task::yield_now().await;
        };
        let next = next
            .map(|place| self.seal_page(&binding, &cursor_of(place)))
            .unwrap_or_default();
        Ok(Page { items, next })
    }

    /// Looks through the index, after a place: at so many tokens at most, for so many findings at most.
    fn find_findings(
        &self,
        library: Uid,
        after: Option<Place>,
        (most_examined, most_found): (usize, usize),
        now: Moment,
    ) -> Result<Slice, Error> {
        let mut slice = Slice {
            found: Vec::new(),
            examined: 0,
            rest: None,
        };
        let state = self.whole_index()?;
        let Some(slot) = state.directory().library_of(library) else {
            return Ok(slice);
        };
        let mut places = slot.tokens.after(Sort::Created, after).peekable();
        while let Some(place) = places.next() {
            slice.examined += 1;
            if let Lookup::Known(view) = state.token(place.id)
                && let Some(found) = review(&view, now)
            {
                slice.found.push((place, found));
            }
            if slice.examined == most_examined || slice.found.len() == most_found {
                slice.rest = places.peek().map(|_| place);
                break;
            }
        }
        Ok(slice)
    }
}
