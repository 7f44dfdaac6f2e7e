//! What a policy and a user allow of a token.

use super::calendar::later;
use super::caller::Standing;
use super::records::{Grant, Model, Text, Token};
use super::rights::{held_by, is_reserved, narrower, ordinary_of, reserved_of, without};
use crate::authority::error::Reason;

impl Model {
    pub(super) fn tokens_allowed(&self, library: usize) -> Result<(), Reason> {
        match &self.libraries[library] {
            library if !library.tokens_enabled => Err(Reason::TokensNotEnabled),
            library if library.disabled => Err(Reason::OwnerDisabled),
            _ => Ok(()),
        }
    }

    pub(super) fn demand_owned(&self, token: &Token) -> Result<(), Reason> {
        if self.is_owned(token) {
            Ok(())
        } else {
            Err(Reason::OwnerDisabled)
        }
    }

    /// Whether a token may last longer, by whomever.
    pub(super) fn demand_prolonging(&self, by: &Standing, token: &Token) -> Result<(), Reason> {
        let dead = token.expires <= self.now && !by.administers();
        if dead || token.session || token.superseded.is_some() {
            return Err(Reason::TokenState);
        }
        self.demand_owned(token)?;
        self.tokens_allowed(token.library)
    }

    pub(super) fn check_grant(
        &self,
        grant: &Grant,
        library: usize,
        user: usize,
    ) -> Result<(), Reason> {
        let (library, user) = (&self.libraries[library], &self.users[user]);
        let foreign = grant
            .apis
            .iter()
            .any(|api| !library.contact_apis.contains(api));
        let bad = [
            grant.lists_in_vain(),
            grant.pin.is_some_and(|pin| !user.assigned.contains(&pin)),
            user.kind == "CONTACT" && (grant.apis.is_empty() || foreign),
        ];
        if bad.contains(&true) {
            Err(Reason::InvalidFields)
        } else {
            Ok(())
        }
    }

    pub(super) fn longer_than_suggested(&self, library: usize, end: i64) -> Option<Text> {
        let suggested = later(self.now, self.libraries[library].suggested);
        (end > suggested).then_some("the token lasts longer")
    }

    /// Whether no address is in both the networks of a token and those of its library.
    pub(super) fn lie_apart(own: &[Text], required: &[Text]) -> bool {
        let mut pairs = own
            .iter()
            .flat_map(|a| required.iter().map(move |b| (a, b)));
        let restricted = !own.is_empty() && !required.is_empty();
        restricted && !pairs.any(|(a, b)| narrower(a, b).is_some())
    }

    pub(super) fn nowhere(&self, grant: &Grant, library: usize) -> Option<Text> {
        let required = &self.libraries[library].networks;
        Model::lie_apart(&grant.networks, required).then_some("no address is in both")
    }

    /// Whether it can still be used, now or once it is resumed.
    pub(super) fn is_live(&self, token: &Token) -> bool {
        !self.is_revoked(token) && self.is_owned(token) && self.now < token.expires
    }

    /// Whether it counts towards its user's limit: not if another stands for it.
    pub(super) fn takes_seat(&self, token: &Token) -> bool {
        let heir = token.superseded.as_ref();
        let heir = heir.map(|(heir, ..)| &self.tokens[*heir]);
        let stands = |heir: &Token| heir.superseded.is_none() && self.is_live(heir);
        !token.session && self.is_live(token) && !heir.is_some_and(stands)
    }

    /// One more API token of a user comes to life.
    pub(super) fn take_seat(&self, library: usize, user: usize) -> Result<(), Reason> {
        let limit = self.libraries[library].limit;
        if limit == 0 {
            return Ok(());
        }
        if !self.complete {
            return Err(Reason::NotReady);
        }
        let mine = self.tokens.iter().filter(|token| token.user == user);
        let has = mine.filter(|token| self.takes_seat(token)).count();
        if has >= limit as usize {
            return Err(Reason::TooManyTokens);
        }
        Ok(())
    }

    /// A warning if something is listed that the user has nothing of.
    /// What a user's types give that a grant leaves.
    fn had_by(&self, grant: &Grant, user: usize) -> Vec<Text> {
        let user = &self.users[user];
        let counted = user.assigned.iter();
        let counted = counted.filter(|pair| grant.pin.is_none_or(|pin| pin == **pair));
        let types = counted.filter_map(|(_, name)| self.user_type(user.library, name));
        types
            .flat_map(|t| self.user_types[t].permissions.clone())
            .collect()
    }

    /// Whether all that its user has must be listed, and nothing is.
    pub(super) fn unlisted(&self, grant: &Grant, user: usize) -> Option<Text> {
        let has = self.had_by(grant, user);
        let only_reserved = !has.is_empty() && has.iter().all(|right| is_reserved(right));
        (grant.listed.is_empty() && only_reserved).then_some("the token may do nothing")
    }

    pub(super) fn in_vain(&self, grant: &Grant, user: usize) -> Option<Text> {
        let has = self.had_by(grant, user);
        let meets = |a: &str, b: &str| {
            let parts = a.split(':').zip(b.split(':'));
            parts
                .into_iter()
                .all(|(a, b)| a == b || a == "*" || b == "*")
        };
        let missing = ordinary_of(&grant.listed)
            .iter()
            .any(|listed| !has.iter().any(|h| !is_reserved(h) && meets(h, listed)));
        let unheld = !without(&reserved_of(&grant.listed), &held_by(&has)).is_empty();
        (missing || unheld).then_some("the user does not have")
    }
}
