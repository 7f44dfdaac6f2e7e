//! The state of a token, as administrators see it.

use super::Authority;
use super::error::Error;
use super::moment::Moment;
use super::token::Token;

/// The state of a token, as a list shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    /// Good, as far as the token itself is concerned.
    Active,
    /// Suspended.
    Suspended,
    /// Its `not_before` is still to come.
    NotYetValid,
    /// Its `expire_time` has passed.
    Expired,
    /// Revoked.
    Revoked,
    /// Its user or library was deleted.
    OwnerDeleted,
}

impl Authority {
    /// The state of a token, as far as the token and its owner are concerned; a deleted owner stands before what could be mended.
    pub fn token_state(&self, token: &Token, now: Moment) -> Result<TokenState, Error> {
        let state = self.index.read()?;
        let library = state.directory().library_named(token.library.as_str());
        let owned = library
            .filter(|l| l.uid == token.library_uid)
            .and_then(|l| l.user_named(token.user.as_str()))
            .is_some_and(|user| state.directory().user(user).uid == token.user_uid);
        Ok(match token {
            _ if token.is_revoked(now) => TokenState::Revoked,
            _ if !owned => TokenState::OwnerDeleted,
            _ if token.suspension.is_some() => TokenState::Suspended,
            _ if token.not_before.is_some_and(|start| now < start) => TokenState::NotYetValid,
            _ if now >= token.expire_time => TokenState::Expired,
            _ => TokenState::Active,
        })
    }
}
