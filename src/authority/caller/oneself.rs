//! What a caller is told of itself.

use super::{Caller, Standing, refused};
use crate::authority::Authority;
use crate::authority::directory::UserKind;
use crate::authority::error::Error;
use crate::authority::index::Lookup;
use crate::authority::keyspace::Versioned;
use crate::authority::moment::Moment;
use crate::authority::permission::Reserved;
use crate::authority::token::Token;

/// A caller, as it stands at this moment.
#[derive(Debug, Clone)]
pub struct Oneself {
    /// The token presented.
    pub token: Versioned<Token>,
    /// The kind of its user.
    pub user_kind: Option<UserKind>,
    /// The permissions in effect; of a user that is acted for, the reserved ones alone.
    pub permissions: Vec<String>,
}

impl Authority {
    /// Tells a caller who it is.
    pub async fn who_is(&self, caller: &Caller, now: Moment) -> Result<Oneself, Error> {
        let (user_kind, permissions) = self.standing(caller, now)?;
        let id = caller.token_id;
        // The uses of it, which the record does not hold, and the record: both may have to be fetched.
        self.ensure_loaded(id).await?;
        self.load_uses_of(id).await?;
        let token = self.fetch::<Token>(crate::authority::keyspace::token(id));
        let token = token.await?.ok_or_else(|| refused(None))?;
        Ok(Oneself {
            token,
            user_kind,
            permissions,
        })
    }

    fn standing(
        &self,
        caller: &Caller,
        now: Moment,
    ) -> Result<(Option<UserKind>, Vec<String>), Error> {
        let state = self.index.read()?;
        let Lookup::Known(view) = state.token(caller.token_id) else {
            return Err(refused(None));
        };
        let standing = Standing::of(state.directory(), &view, &caller.access, now)?;
        let permissions = if caller.access.acting_for.is_none() {
            let effective = view.records.rights(None).map(|rights| rights.effective());
            effective.map_or_else(Vec::new, |set| set.texts().map(str::to_owned).collect())
        } else {
            let held = standing.held.iter().map(Reserved::as_str);
            held.map(str::to_owned).collect()
        };
        Ok((view.records.user.map(|user| user.kind), permissions))
    }
}
