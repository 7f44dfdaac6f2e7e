//! The tokens of a library, filtered and sorted. What the index tells is filtered there; texts are read from the records.

use super::MAX_EXAMINED;
use super::filter::{TokenFilter, Wanted};
use crate::authority::caller::Caller;
use crate::authority::directory::{Uid, User};
use crate::authority::error::Error;
use crate::authority::index::{Lookup, Place, View};
use crate::authority::keyspace::{self, Versioned};
use crate::authority::moment::Moment;
use crate::authority::page::{Binding, Page, PageRequest, Room, bad_page_token};
use crate::authority::secret::TokenId;
use crate::authority::slices::{Look, SLICE};
use crate::authority::token::Token;
use crate::authority::{Authority, understand};

/// Most records that are fetched at once, for the same reason.
const FETCHED: usize = 250;

/// What one look at the index found.
struct Slice {
    /// The places of what is wanted.
    found: Vec<Place>,
    /// How many it looked at.
    examined: usize,
    /// Where it stopped, if there is more.
    rest: Option<Place>,
}

impl Authority {
    /// One token.
    pub async fn get_token(
        &self,
        caller: &Caller,
        id: TokenId,
        now: Moment,
    ) -> Result<Versioned<Token>, Error> {
        let by = self.authorise(caller, now)?;
        let token = self.visible_token(&by, id).await?;
        self.load_uses_of(id).await?;
        Ok(token)
    }

    /// The user whose rights a token carries; `None` if it was deleted.
    pub async fn user_of(&self, token: &Token) -> Result<Option<Versioned<User>>, Error> {
        let place = keyspace::user(token.library_uid, &token.user);
        let found = self.fetch::<User>(place).await?;
        // Another one of the same name is not it.
        Ok(found.filter(|user| user.value.uid == token.user_uid))
    }

    /// The customer that a token's library belongs to; empty if it belongs to none, or was deleted.
    pub fn tenant_of(&self, token: &Token) -> Result<String, Error> {
        let state = self.index.read()?;
        let library = state.directory().library_of(token.library_uid);
        let facts = library.and_then(|library| library.facts.as_ref());
        Ok(facts
            .map(|library| library.value.tenant_id.clone())
            .unwrap_or_default())
    }

    /// The tokens of a library that a filter leaves, in its order. A page may be shorter than asked for, or empty, and yet not
    /// the last: a call looks at 10,000 tokens at most.
    pub async fn list_tokens(
        &self,
        caller: &Caller,
        filter: &TokenFilter,
        page: &PageRequest,
        now: Moment,
    ) -> Result<Page<Versioned<Token>>, Error> {
        let by = self.authorise(caller, now)?;
        let filter = &filter.within_reach(&by)?;
        let library = self.uid_of(&by, &filter.library)?;
        // A name may be that of another library by the next page. The debug form names and delimits every field.
        let binding = Binding::new("tokens", &by, format!("{library}/{filter:?}"));
        let mut at = match self.open_page(&binding, page)? {
            None => None,
            Some(cursor) => Some(Place::from_cursor(&cursor).ok_or_else(bad_page_token)?),
        };
        let wanted = Wanted::new(filter, now);
        let own = self.places_of_user(library, &wanted).await?;
        let (mut room, mut left) = (Room::of(page), MAX_EXAMINED);
        let mut items = Vec::new();
        let next = 'page: loop {
            let fetched = if wanted.reads_records() {
                FETCHED
            } else {
                FETCHED.min(room.items())
            };
            let among = (library, own.as_deref());
            let slice = self.find_tokens(among, &wanted, at, (left.min(SLICE), fetched))?;
            left -= slice.examined;
            let records = self.fetch_places(&slice.found).await?;
            for (place, record) in slice.found.iter().zip(records) {
                if room.is_full() {
                    break 'page at;
                }
                // It may be gone by now, or have another text.
                if let Some(record) = record {
                    let token = understand::<Token>(&record)?;
                    if wanted.admits_texts(&token.value) {
                        if !room.takes(&record) {
                            break 'page at;
                        }
                        items.push(token);
                    }
                }
                at = Some(*place);
            }
            at = slice.rest;
            if at.is_none() || room.is_full() || left == 0 {
                break at;
            }
            tokio::task::yield_now().await;
        };
        tracing::debug!(
            examined = MAX_EXAMINED - left,
            found = items.len(),
            "listed tokens"
        );
        let next = next
            .map(|place| self.seal_page(&binding, &place.to_cursor()))
            .unwrap_or_default();
        Ok(Page { items, next })
    }

    /// The places of the filter's user alone, in order, where these are fewer to look at than the library's.
    async fn places_of_user(
        &self,
        library: Uid,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Vec<Place>>, Error> {
        let user = {
            let state = self.complete_index()?;
            let slot = state.directory().library_of(library);
            slot.and_then(|slot| {
                let user = slot.user_named(wanted.user()?.as_str())?;
                let has = state.count_of_user(user);
                (has <= MAX_EXAMINED && has < slot.tokens.count() / 2).then_some(user)
            })
        };
        let Some(user) = user else {
            return Ok(None);
        };
        let place = |view: &View<'_>| Some(view.token.place(wanted.sort()));
        let mut places = self.look_at_user(user, usize::MAX, place).await?;
        places.sort_unstable();
        places.dedup();
        Ok(Some(places))
    }

    /// Filters over the index, among the tokens of a library or these of it, after a place: looks at so many at most, for a
    /// short time, and finds so many at most.
    fn find_tokens(
        &self,
        (library, among): (Uid, Option<&[Place]>),
        wanted: &Wanted<'_>,
        after: Option<Place>,
        (most_examined, most_found): (usize, usize),
    ) -> Result<Slice, Error> {
        let mut slice = Slice {
            found: Vec::new(),
            examined: 0,
            rest: None,
        };
        let state = self.complete_index()?;
        // A deleted one that left no token is not known any more.
        let Some(slot) = state.directory().library_of(library) else {
            return Ok(slice);
        };
        let user = match wanted.user() {
            None => None,
            Some(name) => Some(
                slot.user_named(name.as_str())
                    .ok_or_else(|| Error::not_found("user"))?,
            ),
        };
        let (begin, last) = wanted.stretch(after);
        let places: Box<dyn Iterator<Item = Place>> = match among {
            Some(places) => {
                let ahead = places.partition_point(|place| Some(*place) <= begin);
                Box::new(places.iter().skip(ahead).copied())
            }
            None => Box::new(slot.tokens.after(wanted.sort(), begin)),
        };
        let mut places = places.take_while(|place| place.rank <= last).peekable();
        let mut turn = Look::at(most_examined);
        while let Some(place) = places.next() {
            slice.examined += 1;
            if let Lookup::Known(view) = state.token(place.id)
                && wanted.admits(&view, user)
            {
                slice.found.push(place);
            }
            if turn.is_over() || slice.found.len() == most_found {
                slice.rest = places.peek().map(|_| place);
                break;
            }
        }
        Ok(slice)
    }

    pub(super) async fn fetch_places(
        &self,
        places: &[Place],
    ) -> Result<Vec<Option<crate::store::Record>>, Error> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let keys = places.iter().map(|place| keyspace::token(place.id));
        Ok(self.store.get(keys.collect()).await?)
    }
}
