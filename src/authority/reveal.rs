//! Showing a secret again, in libraries that want it: sealed under a key of the library's own, which is destroyed with all
//! that it sealed when the library wants it no longer.

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::Authority;
use super::caller::Authorised;
use super::change::{plan_for, refuse_revoked};
use super::directory::{Library, SecretDisplay, Uid};
use super::error::{Error, Reason};
use super::keys::RevealKey;
use super::keyspace;
use super::moment::Moment;
use super::name::Name;
use super::rotate::demand_secret;
use super::secret::{self, Secret, TokenId};
use super::token::{Token, TokenKind};
use super::transaction::{Command, Plan};
use crate::proto::store::KeyRecord;
use crate::store::{Change, StoreError};

/// Shows a token's secret again.
#[derive(Debug, Clone)]
pub struct RevealToken {
    /// The token.
    pub id: TokenId,
}

#[async_trait]
impl Command for RevealToken {
    const ACTION: &'static str = "token.reveal";
    /// A second sealed copy would outlive the key that seals the first.
    const KEEPS_ANSWER: bool = false;
    type Answer = Token;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<Token>, Error> {
        let token = authority.visible_token(by, self.id).await?;
        demand_secret(by, &token.value)?;
        refuse_revoked(authority, &token.value, now)?;
        // Read first: if it is switched back meanwhile, this commits nothing.
        let library = authority.library(&token.value.library);
        let library = library.map_err(|error| match error.reason {
            // Its key was destroyed with it.
            Reason::NotFound => not_kept(),
            _ => error,
        })?;
        let key = authority.reveal_key(&token.value.library).await?;
        let place = keyspace::token(self.id);
        let opened = key.and_then(|key| key.open(&place, &token.value.sealed_secret, self.id));
        let secret = opened.ok_or_else(not_kept)?;
        let mut plan = plan_for(&token);
        plan.read(&token);
        plan.read(&library);
        plan.secret = Some(secret.to_secret_string());
        plan.unchanged_at = token.revision;
        plan.answer = Some(token.value);
        // Nothing changes, and it is known who saw it.
        plan.leaves_event = true;
        Ok(plan)
    }
}

fn not_kept() -> Error {
    Error::new(
        Reason::NotRevealable,
        "the secret was shown when the token was made, and is not kept; rotate the token for a new one",
    )
}

impl Authority {
    /// The key that seals a library's secrets; `None` if it shows them once.
    pub(super) async fn reveal_key(&self, library: &Name) -> Result<Option<RevealKey>, Error> {
        let Ok(library) = self.library(library) else {
            return Ok(None);
        };
        if library.value.secret_display == SecretDisplay::Once {
            return Ok(None);
        }
        let place = keyspace::reveal_key(library.value.uid);
        let found = self.store.get(vec![place.clone()]).await?.pop().flatten();
        let Some(found) = found else {
            // It was switched back since.
            return Ok(None);
        };
        let record: KeyRecord = keyspace::unframe(&found)?;
        let bytes = self.root.unwrap(&place, &record.wrapped);
        let bytes = bytes.ok_or(StoreError::Damaged(place))?;
        Ok(Some(RevealKey::new(&bytes)))
    }

    /// What makes or destroys a library's key when it begins or ceases to show secrets again.
    pub(super) fn reveal_change(
        &self,
        library: Uid,
        before: SecretDisplay,
        after: SecretDisplay,
        now: Moment,
    ) -> Result<Option<Change>, Error> {
        let place = keyspace::reveal_key(library);
        match (before, after) {
            (SecretDisplay::Once, SecretDisplay::Revealable) => {
                let key = secret::random::<32>().map(Zeroizing::new)?;
                let record = KeyRecord {
                    wrapped: self.root.wrap(&place, key.as_ref())?,
                    create_time: now.0,
                };
                Ok(Some(Change::Put(place, keyspace::frame(&record))))
            }
            (SecretDisplay::Revealable, SecretDisplay::Once) => Ok(Some(Change::Delete(place))),
            _ => Ok(None),
        }
    }
}

/// A new token's secret as it is kept in its record: sealed, or not at all.
pub(super) fn sealed(
    key: Option<&RevealKey>,
    library: &Library,
    kind: TokenKind,
    secret: &Secret,
) -> Result<Vec<u8>, Error> {
    let kept = library.secret_display == SecretDisplay::Revealable && kind == TokenKind::Api;
    match key.filter(|_| kept) {
        Some(key) => Ok(key.seal(&keyspace::token(secret.id), secret)?),
        None => Ok(Vec::new()),
    }
}
