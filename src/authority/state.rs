//! The state of a token, as administrators see it.

use super::Authority;
use super::error::Error;
use super::index::View;
use super::judge::TokenFacts;
use super::moment::Moment;
use super::token::Token;

/// The state of a token, as a list shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
        let facts = TokenFacts {
            kind: token.kind,
            not_before: token.not_before.unwrap_or(Moment(i64::MIN)),
            expire_time: token.expire_time,
            suspended: token.suspension.is_some(),
            revoked_from: token.is_revoked(now).then_some(now),
        };
        Ok(TokenState::judge(&facts, owned, now))
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

    /// The state of a token that the index knows.
    #[must_use]
    pub fn of(view: &View<'_>, now: Moment) -> TokenState {
        let owned = view.records.library.is_some() && view.records.user.is_some();
        TokenState::judge(&view.records.token, owned, now)
    }

    fn judge(token: &TokenFacts, owned: bool, now: Moment) -> TokenState {
        match token {
            _ if token.is_revoked(now) => TokenState::Revoked,
            _ if !owned => TokenState::OwnerDeleted,
            _ if token.suspended => TokenState::Suspended,
            _ if now < token.not_before => TokenState::NotYetValid,
            _ if now >= token.expire_time => TokenState::Expired,
            _ => TokenState::Active,
        }
    }
}
