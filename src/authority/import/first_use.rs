//! The first use of a weak token: proved slowly, counted as a guess until it is, and the last of its kind.

use tokio::sync::Mutex;

use super::verify::Presented;
use crate::authority::Authority;
use crate::authority::directory::Uid;
use crate::authority::error::{Error, Reason};
use crate::authority::hashers::Work;
use crate::authority::keys::Digest;
use crate::authority::keyspace::{self, Stored, Versioned};
use crate::authority::moment::Moment;
use crate::authority::password::SlowHash;
use crate::authority::retag::tagged;
use crate::authority::secret::TokenId;
use crate::authority::token::{Token, Unproven};

/// A first use waits for another of the same token, and now and then for that of another one.
const SHARDS: usize = 64;

/// One lock for each of the shards of the tokens: many calls with a token that is new to this authority hash it once.
pub(in crate::authority) struct FirstUses([Mutex<()>; SHARDS]);

/// What a first use comes to.
enum Outcome {
    /// The string of a token that was made then.
    Right(Moment),
    /// Another string.
    Wrong,
    /// There is no such token any more.
    Gone,
}

impl Authority {
    /// Whether a text is the string of a token that was not used before; when that was made, if it is. Its next use is proved
    /// by a tag.
    pub(super) async fn first_use(
        &self,
        (id, library): (TokenId, Uid),
        presented: &Presented<'_>,
    ) -> Result<Option<Moment>, Error> {
        let (guess, now) = (presented.guess_at(id), presented.now);
        // Who may not guess waits for nobody, and nothing is read for it.
        self.guesses.ask(guess, now)?;
        let _turn = self.first_uses.turn(id).await;
        // One at a time is counted, so that many right ones at once do not use up what they get back.
        let attempt = self.guesses.attempt(guess, now)?;
        let proven = self.prove_first_use(id, library, presented).await;
        if !matches!(proven, Ok(Outcome::Wrong)) {
            self.guesses.forgive(&attempt);
        }
        Ok(match proven? {
            Outcome::Right(made) => Some(made),
            Outcome::Wrong | Outcome::Gone => None,
        })
    }

    async fn prove_first_use(
        &self,
        id: TokenId,
        library: Uid,
        presented: &Presented<'_>,
    ) -> Result<Outcome, Error> {
        let digest = &presented.digest;
        let Some(found) = self.fetch::<Token>(keyspace::token(id)).await? else {
            return Ok(Outcome::Gone);
        };
        let made = found.value.create_time;
        let imported = found.value.imported.as_ref();
        let Some(unproven) = imported.and_then(|imported| imported.unproven.as_ref()) else {
            // Somebody else's was the first, meanwhile.
            let expected = Some((found.value.tag.short(), found.value.tag.key_version));
            let right = self.hmac_keys()?.proves_imported(library, digest, expected);
            return Ok(if right {
                Outcome::Right(made)
            } else {
                Outcome::Wrong
            });
        };
        let matches = self.matches_slowly(&found.value, unproven, presented.text, digest);
        if !matches.await? {
            return Ok(Outcome::Wrong);
        }
        if self.keep_tag(found, digest).await.is_err() {
            tracing::info!(token.id = %id, "the first use of an imported token left no tag");
        }
        Ok(Outcome::Right(made))
    }

    async fn matches_slowly(
        &self,
        token: &Token,
        unproven: &Unproven,
        text: &str,
        digest: &Digest,
    ) -> Result<bool, Error> {
        let version = token.tag.key_version;
        let lost = || {
            Error::new(
                Reason::Internal,
                "what an imported token must match is lost",
            )
        };
        match unproven {
            Unproven::Hashed(hash) => {
                let place = (token.library_uid, token.id);
                let peppered = self.hmac_keys()?.imported_pepper(version, place, digest);
                let (hash, peppered) = (hash.clone(), peppered.ok_or_else(lost)?);
                let work = move || hash.matches(peppered.as_ref());
                self.hashers.run(Work::Presented, work).await
            }
            Unproven::Sealed(sealed) => {
                let opened = self
                    .hmac_keys()?
                    .open_imported(version, &token.key(), sealed);
                let hash = opened.and_then(|text| SlowHash::foreign(&text).ok());
                let hash = hash.ok_or_else(lost)?;
                let text = zeroize::Zeroizing::new(text.to_owned());
                let work = move || hash.matches(text.as_bytes());
                self.hashers.run(Work::Presented, work).await
            }
        }
    }

    /// Keeps the tag of a string that has proved right, in place of what it matched. If it fails, the next use is another first
    /// one, and no verdict waits for that.
    async fn keep_tag(&self, mut found: Versioned<Token>, digest: &Digest) -> Result<(), Error> {
        let keys = self.hmac_keys()?;
        if let Some(imported) = &mut found.value.imported {
            imported.unproven = None;
        }
        let tag = keys.imported_tag(found.value.library_uid, digest);
        let (unchanged, change) = tagged(found, tag);
        let unchanged = vec![unchanged, keys.unrotated()];
        self.store.commit(unchanged, vec![change]).await?;
        Ok(())
    }
}

// === impl FirstUses ===

impl FirstUses {
    async fn turn(&self, id: TokenId) -> tokio::sync::MutexGuard<'_, ()> {
        self.0[usize::from(id.0[0]) % SHARDS].lock().await
    }
}

impl Default for FirstUses {
    fn default() -> Self {
        FirstUses(std::array::from_fn(|_| Mutex::default()))
    }
}
