//! Instructions: what a library tells whoever uses one of its tokens, with the token's own data filled in.

use super::Authority;
use super::directory::Uid;
use super::error::Error;
use super::keyspace;
use super::token::Token;
use crate::proto::store::UsageRecord;
use crate::store::Change;

impl Authority {
    /// The instructions of a library, as they were written; empty if there are none.
    pub async fn instructions(&self, library: Uid) -> Result<String, Error> {
        let found = self.store.get(vec![keyspace::usage(library)]).await?.pop();
        let Some(found) = found.flatten() else {
            return Ok(String::new());
        };
        Ok(keyspace::unframe::<UsageRecord>(&found)?.text)
    }

    /// How to use a token: the instructions of its library, in which `{token_id}`, `{user}`, `{library}` and `{expire_time}`
    /// stand for the token's own. Empty if there are none.
    pub async fn usage(&self, token: &Token) -> Result<String, Error> {
        let has_usage = self
            .index
            .read()?
            .directory()
            .library_of(token.library_uid)
            .and_then(|library| library.facts.as_ref())
            .is_some_and(|library| library.value.has_usage);
        if !has_usage {
            return Ok(String::new());
        }
        let text = self.instructions(token.library_uid).await?;
        Ok(text
            .replace("{token_id}", &token.id.to_string())
            .replace("{user}", token.user.as_str())
            .replace("{library}", token.library.as_str())
            .replace("{expire_time}", &token.expire_time.to_string()))
    }
}

/// Writes or removes the instructions of a library.
pub(super) fn change(library: Uid, text: &str) -> Change {
    let place = keyspace::usage(library);
    if text.is_empty() {
        return Change::Delete(place);
    }
    let record = UsageRecord {
        text: text.to_owned(),
    };
    Change::Put(place, keyspace::frame(&record))
}
