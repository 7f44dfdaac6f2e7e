//! The tokens of a library that should be looked at.

use super::{LibraryRef, MAX_EXAMINED};
use crate::authority::caller::Caller;
use crate::authority::error::Error;
use crate::authority::index::{Place, Sort};
use crate::authority::moment::Moment;
use crate::authority::name::Name;
use crate::authority::page::{Binding, Page, PageRequest, Room, bad_page_token};
use crate::authority::review::{Finding, Found, review};
use crate::authority::slices::SLICE;
use crate::authority::{Authority, understand};

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
            Some(cursor) => Some(Place::from_cursor(&cursor).ok_or_else(bad_page_token)?),
        };
        let (mut room, mut left) = (Room::of(page), MAX_EXAMINED);
        let mut items = Vec::new();
        let next = 'page: loop {
            let mut found: Vec<(Place, Found)> = Vec::new();
            let mut examined = 0;
            let rest = self.look_at_library(library, at, left.min(SLICE), |view| {
                examined += 1;
                if let Some(finding) = review(view, now) {
                    found.push((view.token.place(Sort::Created), finding));
                }
                found.len() < room.items()
            })?;
            left -= examined;
            let places: Vec<Place> = found.iter().map(|(place, _)| *place).collect();
            let records = self.fetch_places(&places).await?;
            for ((place, found), record) in found.into_iter().zip(records) {
                // It may be gone by now.
                if let Some(record) = record {
                    if !room.takes_with(&record, found.bytes()) {
                        break 'page at;
                    }
                    let token = understand(&record)?;
                    items.push(Finding { token, found });
                }
                at = Some(place);
            }
            at = rest;
            if at.is_none() || room.is_full() || left == 0 {
                break at;
            }
            tokio::task::yield_now().await;
        };
        let next = next
            .map(|place| self.seal_page(&binding, &place.to_cursor()))
            .unwrap_or_default();
        Ok(Page { items, next })
    }
}
