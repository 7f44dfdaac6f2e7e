//! The state of a token, as administrators see it.

use super::Authority;
use super::error::{Error, Reason};
use super::index::{Lookup, View};
use super::moment::Moment;
use super::secret::TokenId;
use super::token::{Revocation, RevocationReason, Token};

/// The state of a token, as a list shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenState {
    /// Good, as far as the token itself is concerned.
    Active,
    /// Suspended.
    Suspended,
    /// Its `not_before` is still to come.
    NotYetValid,
    /// Its `expire_time` has passed, or it is a session that was idle for too long.
    Expired,
    /// Revoked.
    Revoked,
    /// Its user or library was deleted.
    OwnerDeleted,
}

impl Authority {
    /// The state of a token that is in the index, as far as the token and its owner are concerned, and its revocation if it
    /// is revoked; a deleted owner stands before what could be mended.
    pub fn token_state(
        &self,
        token: &Token,
        now: Moment,
    ) -> Result<(TokenState, Option<Revocation>), Error> {
        let state = self.index.read()?;
        let Lookup::Known(view) = state.token(token.id) else {
            return Err(Error::new(
                Reason::NotReady,
                "the tokens are still being loaded; try again",
            ));
        };
        // The record may be older than the index, which is what counts.
        Ok((TokenState::of(&view, now), revocation(token, &view, now)))
    }

    /// Whether a token is revoked, by whatever means.
    pub(super) fn is_revoked(&self, token: &Token, now: Moment) -> Result<bool, Error> {
        let (state, _) = self.token_state(token, now)?;
        Ok(state == TokenState::Revoked)
    }

    /// Sees to it that the index knows a token, if the store does.
    pub(super) async fn ensure_loaded(&self, id: TokenId) -> Result<(), Error> {
        if matches!(self.index.read()?.token(id), Lookup::NotLoaded) {
            self.load_missed(id).await?;
        }
        Ok(())
    }
}

// === impl TokenState ===

impl TokenState {
    /// All of them.
    pub const ALL: [TokenState; 6] = [
        TokenState::Active,
        TokenState::Suspended,
        TokenState::NotYetValid,
        TokenState::Expired,
        TokenState::Revoked,
        TokenState::OwnerDeleted,
    ];

    /// The state that a token has once it is made.
    #[must_use]
    pub fn of_new(token: &Token, now: Moment) -> TokenState {
        if token.suspension.is_some() {
            TokenState::Suspended
        } else if token.not_before.is_some_and(|start| now < start) {
            TokenState::NotYetValid
        } else {
            TokenState::Active
        }
    }

    /// The state of a token that the index knows.
    #[must_use]
    pub fn of(view: &View<'_>, now: Moment) -> TokenState {
        let owned = view.records.library.is_some() && view.records.user.is_some();
        match &view.records.token {
            token if token.is_revoked(now) => TokenState::Revoked,
            _ if !owned => TokenState::OwnerDeleted,
            token if token.suspended => TokenState::Suspended,
            token if now < token.not_before => TokenState::NotYetValid,
            token if token.has_expired(view.records.library, now) => TokenState::Expired,
            _ => TokenState::Active,
        }
    }
}

/// Whether a token can still be used, now or once it is resumed: it has not ended, and has an owner.
pub(super) fn is_live(view: &View<'_>, now: Moment) -> bool {
    let state = TokenState::of(view, now);
    let ended = matches!(state, TokenState::Revoked | TokenState::OwnerDeleted);
    !ended && now < view.token.expire_time
}

/// Why a token is revoked: for itself, by another that took its place, or together with others.
fn revocation(token: &Token, view: &View<'_>, now: Moment) -> Option<Revocation> {
    let superseded = || {
        let succession = token.succession.as_ref().filter(|s| now >= s.until)?;
        Some(Revocation {
            time: succession.until,
            reason: RevocationReason::Superseded,
            revoked_by: succession.rotated_by.clone(),
            comment: format!("{} took its place", succession.superseded_by),
        })
    };
    let together = || {
        let watermark = view.watermark?;
        Some(Revocation {
            time: watermark.time,
            reason: watermark.reason,
            revoked_by: watermark.revoked_by.clone(),
            comment: watermark.comment.clone(),
        })
    };
    token
        .revocation
        .clone()
        .or_else(together)
        .or_else(superseded)
}
