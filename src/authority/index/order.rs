//! The orders in which a library lists its tokens. Each is kept, so that a page costs what it examines and no more.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::tokens::Packed;
use crate::authority::moment::Moment;
use crate::authority::secret::TokenId;

/// What tokens are listed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sort {
    /// When they were made: the newest first.
    #[default]
    Created,
    /// When they expire: the soonest first.
    Expires,
}

/// A place in an order: after all of a lower rank, and within a rank by the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// What the order sorts by, turned so that what comes first is lowest.
    pub rank: i64,
    /// The token.
    pub id: TokenId,
}

/// The tokens of a library in each order: about 36 bytes of a token for each.
#[derive(Default)]
pub struct Orders {
    created: BTreeSet<Place>,
    expires: BTreeSet<Place>,
}

// === impl Sort ===

impl Sort {
    /// The rank of what was made, or expires, at this moment.
    #[must_use]
    pub fn rank(self, time: Moment) -> i64 {
        match self {
            // Turns the order round, without an overflow at either end.
            Sort::Created => !time.0,
            Sort::Expires => time.0,
        }
    }
}

// === impl Place ===

impl Place {
    /// The last place that this rank can have.
    #[must_use]
    pub fn last_of(rank: i64) -> Place {
        Place {
            rank,
            id: TokenId([u8::MAX; 16]),
        }
    }

    /// As a page token holds it.
    #[must_use]
    pub fn to_cursor(self) -> Vec<u8> {
        [&self.rank.to_be_bytes()[..], &self.id.0].concat()
    }

    /// The inverse.
    #[must_use]
    pub fn from_cursor(cursor: &[u8]) -> Option<Place> {
        let (rank, id) = cursor.split_at_checked(8)?;
        Some(Place {
            rank: i64::from_be_bytes(rank.try_into().ok()?),
            id: TokenId(id.try_into().ok()?),
        })
    }
}

// === impl Orders ===

impl Orders {
    /// The places that follow this one; all if there is none.
    pub fn after(&self, sort: Sort, place: Option<Place>) -> impl Iterator<Item = Place> + '_ {
        let start = place.map_or(Bound::Unbounded, Bound::Excluded);
        let order = match sort {
            Sort::Created => &self.created,
            Sort::Expires => &self.expires,
        };
        order.range((start, Bound::Unbounded)).copied()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.created.len()
    }

    /// The ids of all its tokens, newest first.
    pub fn ids(&self) -> impl Iterator<Item = TokenId> + '_ {
        self.created.iter().map(|place| place.id)
    }

    /// A token was made, changed or forgotten.
    pub(super) fn replace(&mut self, before: Option<&Packed>, now: Option<&Packed>) {
        for (sort, order) in [
            (Sort::Created, &mut self.created),
            (Sort::Expires, &mut self.expires),
        ] {
            let (before, now) = (before.map(|p| p.place(sort)), now.map(|p| p.place(sort)));
            if before == now {
                continue;
            }
            if let Some(place) = before {
                order.remove(&place);
            }
            order.extend(now);
        }
    }

    /// Bytes allocated: a B-tree keeps its leaves of 11 about two thirds full.
    pub(super) fn bytes(&self) -> usize {
        (self.created.len() + self.expires.len()) * size_of::<Place>() * 3 / 2
    }
}
