//! What a caller may do, as it stands at one moment.

use super::only_operators;
use crate::authority::cidr::Address;
use crate::authority::directory::{SYSTEM, Uid};
use crate::authority::error::{Error, Reason};
use crate::authority::name::Name;
use crate::authority::permission::{Reserved, ReservedSet};
use crate::authority::secret::TokenId;
use crate::authority::token::{Grant, Token};
use crate::store::Precondition;

/// A caller as it stands at this moment, and all that this was read from.
#[derive(Debug, Clone)]
pub struct Authorised {
    /// The token presented.
    pub token_id: TokenId,
    /// Its library.
    pub library: Name,
    /// Its library's uid.
    pub library_uid: Uid,
    /// The user whose rights count.
    pub user: Name,
    /// That user's uid.
    pub user_uid: Uid,
    /// The user of the token presented, if it acts for another.
    pub acting: Option<(Name, Uid)>,
    /// Where it comes from.
    pub address: Address,
    /// The reserved permissions in effect.
    pub held: ReservedSet,
    /// What the token presented is narrowed to; `None` if it acts for a user, whose rights are not narrowed.
    pub grant: Option<Grant>,
    /// Whether it may manage tokens of its own: people may, who can log in.
    pub serves_itself: bool,
    /// Every record that this was read from: what must not have changed when a command commits.
    pub basis: Vec<Precondition>,
}

// === impl Authorised ===

impl Authorised {
    /// Whether it is a user of the library `system`: its credentials hold in every library.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        self.library.as_str() == SYSTEM
    }

    /// Whether it manages the tokens of others too.
    #[must_use]
    pub fn administers(&self) -> bool {
        self.held.contains(Reserved::TokensAdmin)
    }

    /// Whether it may see a token: an administrator those of the library, a person its own, and everybody the one presented.
    #[must_use]
    pub fn may_see(&self, token: &Token) -> bool {
        if self.administers() {
            return self.is_operator() || token.library_uid == self.library_uid;
        }
        let own = token.user_uid == self.user_uid && self.serves_itself;
        (own && self.held.contains(Reserved::TokensSelf)) || self.presents(token.id)
    }

    /// Who doesn't administer names its own library and user alone: of others it is not told even whether they exist.
    pub fn demand_own(&self, library: &Name, user: Option<&Name>) -> Result<(), Error> {
        if self.administers() {
            return Ok(());
        }
        if *library != self.library {
            return Err(Error::not_found("library"));
        }
        match user {
            Some(user) if *user != self.user => Err(Error::not_found("user")),
            _ => Ok(()),
        }
    }

    /// Whether this is the token presented, in its user's own name.
    #[must_use]
    pub fn presents(&self, id: TokenId) -> bool {
        self.acting.is_none() && self.token_id == id
    }

    /// Whose rights were used, as it is recorded: `library/user`.
    #[must_use]
    pub fn on_behalf_of(&self) -> String {
        format!("{}/{}", self.library, self.user)
    }

    /// Whose token was presented, as it is recorded: `library/user`.
    #[must_use]
    pub fn actor(&self) -> String {
        let presenter = self.acting.as_ref().map_or(&self.user, |(name, _)| name);
        format!("{}/{presenter}", self.library)
    }

    /// What its request ids and page tokens are bound to.
    #[must_use]
    pub fn identity(&self) -> Vec<u8> {
        let presenter = self.acting.as_ref().map_or(self.user_uid, |(_, uid)| *uid);
        [presenter.0, self.user_uid.0].concat()
    }

    /// The grant that it may give of one that is asked for: an administrator gives others than its own, a person no more than
    /// the token presented has.
    pub fn givable(&self, asked: Grant) -> Result<Grant, Error> {
        match &self.grant {
            Some(own) if !self.administers() => asked.within(own),
            _ => Ok(asked),
        }
    }

    /// Fails unless it is an operator.
    pub fn demand_operator(&self, what: &str) -> Result<(), Error> {
        only_operators(self.is_operator(), what)
    }

    /// Fails if it holds less than it would convey; `tokens:act-as` only operators convey.
    pub fn demand_held(&self, conveyed: ReservedSet) -> Result<(), Error> {
        let act_as = ReservedSet::of(&[Reserved::TokensActAs]);
        if !self.is_operator() && !conveyed.intersect(act_as).is_empty() {
            return Err(Error::new(
                Reason::ReservedPermission,
                "only operators convey tokens:act-as; ask one",
            ));
        }
        let missing: Vec<&str> = conveyed
            .held()
            .without(self.held)
            .iter()
            .map(Reserved::as_str)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            Reason::ReservedPermission,
            format!(
                "nobody conveys a reserved permission that they don't hold: {}",
                missing.join(", ")
            ),
        ))
    }
}
