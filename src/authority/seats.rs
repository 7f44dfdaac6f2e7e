//! Seats: how many live API tokens a user may have at once, where its library sets a limit.
//!
//! A token that is about to be made takes a seat before its commit is sent, and gives it back once it is known what became of
//! it: by then the index counts it, or there is none. So however many are made at once, no more than the limit are.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::Authority;
use super::directory::Uid;
use super::error::{Error, Reason};
use super::index::{Lookup, View};
use super::moment::Moment;
use super::secret::TokenId;
use super::state::is_live;
use super::token::{Token, TokenKind};
use super::transaction::Plan;
use crate::store::{Change, Precondition, Revision, StoreError};

/// The tokens that are about to be made, by user and in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(super) struct Seats(Arc<Mutex<HashMap<Uid, Vec<TokenId>>>>);

/// A seat that is held until this is dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Seats,
    user: Uid,
    token: TokenId,
}

/// The seats of a dry run of many tokens: each counts those before it, and what is really made meanwhile is not held up.
#[derive(Debug, Default)]
pub struct Rehearsal {
    pub(super) seats: Seats,
    held: Mutex<Vec<Seat>>,
}

impl Authority {
    /// Takes a seat for an API token that a plan makes, or makes live again, and has the plan hold it. Whatever makes such
    /// tokens asks here first; the plan has read the library, so that its limit still holds at the commit.
    ///
    /// # Errors
    /// [`Reason::TooManyTokens`] if the user has as many as its library allows; [`Reason::NotReady`] while there is a limit and
    /// the tokens are being loaded.
    pub(super) async fn take_seat<T>(
        &self,
        plan: &mut Plan<T>,
        token: &Token,
        now: Moment,
    ) -> Result<(), Error> {
        self.take_seat_among(&self.seats, plan, token, now).await
    }

    /// Takes the seat that the token needs which this one replaced, once this one is replaced in turn: as long as both are
    /// good it has none of its own. Without that, one seat would do for a chain of any length.
    ///
    /// # Errors
    /// As [`Authority::take_seat`].
    pub(super) async fn take_seat_of_replaced<T>(
        &self,
        plan: &mut Plan<T>,
        token: &Token,
        now: Moment,
    ) -> Result<(), Error> {
        let Some(id) = token.rotated_from else {
            return Ok(());
        };
        self.ensure_loaded(id).await?;
        match self.index.read()?.token(id) {
            Lookup::Known(replaced) if is_live(&replaced, now) => {}
            _ => return Ok(()),
        }
        let replaced = Token {
            id,
            ..token.clone()
        };
        let advice = "the one that this one replaced is still good, too: revoke it, or wait until its overlap is over";
        self.seat(&self.seats, plan, &replaced, advice, now).await
    }

    /// The same among the seats of a rehearsal, which nobody else waits for.
    pub(super) async fn take_seat_among<T>(
        &self,
        seats: &Seats,
        plan: &mut Plan<T>,
        token: &Token,
        now: Moment,
    ) -> Result<(), Error> {
        let advice = "revoke one that is no longer needed, rotate one instead";
        self.seat(seats, plan, token, advice, now).await
    }

    async fn seat<T>(
        &self,
        seats: &Seats,
        plan: &mut Plan<T>,
        token: &Token,
        advice: &str,
        now: Moment,
    ) -> Result<(), Error> {
        let (limit, user) = {
            let state = self.index.read()?;
            let slot = state.directory().library_of(token.library_uid);
            let found = slot.and_then(|slot| {
                let limit = slot.facts.as_ref()?.value.max_tokens_per_user;
                Some((limit, slot.user_named(token.user.as_str())?))
            });
            found.ok_or_else(|| Error::not_found("user"))?
        };
        if limit == 0 || token.kind != TokenKind::Api {
            return Ok(());
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (seat, ahead) = seats.take(token.user_uid, token.id)?;
        // Those ahead may be in the index by now, or not yet: they count once, either way. Those behind count this one.
        let has = self.look_at_user(user, limit, |view| {
            let other = view.token.id != token.id && !ahead.contains(&view.token.id);
            (other && takes_seat(view, now)).then_some(())
        });
        if ahead.len() + has.await?.len() >= limit {
            return Err(too_many(limit, advice));
        }
        plan.seats.push(seat);
        Ok(())
    }

    /// Commits, and gives seats back only when it is known what became of it, even if the caller has gone by then.
    pub(super) async fn commit_seated(
        &self,
        seats: Vec<Seat>,
        preconditions: Vec<Precondition>,
        changes: Vec<Change>,
    ) -> Result<Revision, StoreError> {
        if seats.is_empty() {
            return self.store.commit(preconditions, changes).await;
        }
        let store = self.store.clone();
        let committed = tokio::spawn(async move {
            let committed = store.commit(preconditions, changes).await;
            drop(seats);
            committed
        });
        committed.await.unwrap_or(Err(StoreError::Failed))
    }
}

/// Whether a token counts towards its user's limit. One that was rotated does not as long as its successor stands for it: lives,
/// and was not rotated in turn. So each that counts has at most one beside it that does not.
pub(super) fn takes_seat(view: &View<'_>, now: Moment) -> bool {
    let stands = |heir: View<'_>| heir.successor.is_none() && is_live(&heir, now);
    let counts = view.records.token.kind == TokenKind::Api && is_live(view, now);
    counts && !view.heir().is_some_and(stands)
}

fn too_many(limit: usize, advice: &str) -> Error {
    Error::new(
        Reason::TooManyTokens,
        format!(
            "the user has as many live tokens as the library's max_tokens_per_user allows, {limit}; {advice}, or raise the limit"
        ),
    )
    .with("limit", limit.to_string())
}

// === impl Seats ===

impl Seats {
    /// A seat, and the other tokens whose seats were taken before and are still held.
    fn take(&self, user: Uid, token: TokenId) -> Result<(Seat, HashSet<TokenId>), Error> {
        let mut seats = self.0.lock().map_err(|_| {
            Error::new(
                Reason::Internal,
                "the counts of tokens are not sound; the authority must be restarted",
            )
        })?;
        let of_user = seats.entry(user).or_default();
        let ahead = of_user.iter().copied().filter(|id| *id != token);
        let ahead = ahead.collect();
        of_user.push(token);
        let seat = Seat {
            seats: self.clone(),
            user,
            token,
        };
        Ok((seat, ahead))
    }
}

// === impl Rehearsal ===

impl Rehearsal {
    /// Keeps seats for as long as it goes on.
    pub(super) fn hold(&self, seats: Vec<Seat>) {
        // A list of them is sound, whoever panicked.
        let held = self.held.lock();
        held.unwrap_or_else(PoisonError::into_inner).extend(seats);
    }
}

// === impl Seat ===

impl Drop for Seat {
    fn drop(&mut self) {
        // A poisoned lock refuses every further seat, so there is none to free.
        if let Ok(mut taken) = self.seats.0.lock()
            && let Some(of_user) = taken.get_mut(&self.user)
        {
            if let Some(at) = of_user.iter().position(|token| *token == self.token) {
                of_user.remove(at);
            }
            if of_user.is_empty() {
                taken.remove(&self.user);
            }
        }
    }
}
