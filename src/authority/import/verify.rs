//! Verify of a string that is no token of this authority's own form: it may be one that was imported.
//!
//! There is no table from strings to tokens: the ids that a string may have are computed from it, and looked up like any
//! other. The right string of a token that was used before is proved by one HMAC. A weak one that was not is proved slowly:
//! counted as a guess, on the hashers' threads, and once, since its first use leaves a tag.

use tokio::sync::Mutex;

use super::string::{Cut, ForeignString};
use crate::authority::Authority;
use crate::authority::directory::Uid;
use crate::authority::error::{Error, Reason};
use crate::authority::guess::Counted;
use crate::authority::hashers::Work;
use crate::authority::index::{Imports, Lookup, View};
use crate::authority::judge::{Demand, Verdict};
use crate::authority::keys::{Digest, Found};
use crate::authority::keyspace::{self, Stored, Versioned};
use crate::authority::moment::Moment;
use crate::authority::password::SlowHash;
use crate::authority::secret::TokenId;
use crate::authority::token::{Imported, Token, Unproven};
use crate::authority::verify::{Judgement, Scope, damaged};
use crate::store::{Change, Precondition, Revision};

/// Most libraries in which a string is looked for: each costs an HMAC, and one more for each cut in use.
const MAX_LIBRARIES: usize = 16;
/// A first use waits for another of the same token, and now and then for that of another one.
const SHARDS: usize = 64;

/// One lock for each of the shards of the tokens: many calls with a token that is new to this authority hash it once.
pub(in crate::authority) struct FirstUses([Mutex<()>; SHARDS]);

/// Where a string may be found.
struct Reach {
    libraries: Vec<(Uid, Vec<Cut>)>,
    /// Why it may be found otherwise too: a record that would tell can't be read.
    uncertain: Option<Error>,
    revision: Revision,
}

/// A token that a string may be.
struct Candidate {
    id: TokenId,
    library: Uid,
    /// What finds it.
    cut: Option<Cut>,
}

/// What a look at all candidates comes to.
enum Sighting {
    /// One of them is proved.
    Proved(Box<Judgement>),
    /// None is proved by its tag.
    Unproved {
        /// Those that wait for their first use.
        unproven: Vec<(TokenId, Uid)>,
        /// One whose locator is right, and whose string is not.
        missed: Option<TokenId>,
    },
}

impl Authority {
    /// Judges a text that is not of this authority's form.
    ///
    /// # Errors
    /// [`Reason::LimitExceeded`] if a weak token was guessed at too often; [`Reason::RecordDamaged`] if it can't be said whether
    /// there is a token of this text.
    pub(in crate::authority) async fn verify_imported(
        &self,
        text: &str,
        demand: &Demand,
        scope: Scope,
        now: Moment,
    ) -> Result<Judgement, Error> {
        let reach = self.reach(demand, scope)?;
        if reach.libraries.is_empty() || !ForeignString::has_form(text) {
            return Ok(Judgement::unseen(Verdict::Malformed, reach.revision));
        }
        if reach.libraries.len() > MAX_LIBRARIES {
            return Err(Error::invalid(
                "library",
                "must be named: more libraries have imported tokens than one call looks through",
            ));
        }
        let digest = Digest::of(text);
        let candidates = self.candidates(text, &digest, &reach);
        for candidate in &candidates {
            self.ensure_loaded(candidate.id).await?;
        }
        let sighting = self.sight(&candidates, &digest, |view, revision| {
            Judgement::of(Some(view), demand, scope, now, revision)
        })?;
        let (unproven, missed) = match sighting {
            Sighting::Proved(judgement) => return Ok(*judgement),
            Sighting::Unproved { unproven, missed } => (unproven, missed),
        };
        let client = match demand.client_ip {
            Some(address) => Counted::client(address),
            None => Counted::verifier(scope),
        };
        for (id, library) in unproven {
            if let Some(made) = self
                .first_use((id, library), text, &digest, client, now)
                .await?
            {
                let state = self.index.read()?;
                let revision = state.revision();
                let view = match state.token(id) {
                    // The one that was proved, and no other of the same locator since.
                    Lookup::Known(view) if view.token.create_time == made => Some(view),
                    _ => None,
                };
                return Ok(Judgement::of(view.as_ref(), demand, scope, now, revision));
            }
        }
        if let Some(id) = missed {
            // Found by a locator and wrong: a guess, which stays counted.
            self.guesses
                .attempt(Counted::imported(id), Some(client), now)?;
        }
        match reach.uncertain {
            Some(error) => Err(error),
            None => Ok(Judgement::unseen(Verdict::NotFound, reach.revision)),
        }
    }

    /// The libraries that a verifier may mean, and how their imported tokens are found.
    fn reach(&self, demand: &Demand, scope: Scope) -> Result<Reach, Error> {
        let state = self.index.read()?;
        let directory = state.directory();
        let known = |library| Some((library, directory.imports_of(library)?));
        let found: Vec<(Uid, &Imports)> = match (scope, &demand.library) {
            (Scope::Library(uid), _) => known(uid).into_iter().collect(),
            (Scope::All, Some(name)) => {
                let named = directory.library_named(name.as_str());
                named.and_then(|slot| known(slot.uid)).into_iter().collect()
            }
            (Scope::All, None) => directory.imports().take(MAX_LIBRARIES + 1).collect(),
        };
        Ok(Reach {
            uncertain: found
                .iter()
                .find_map(|(_, imports)| imports.readable().err()),
            libraries: found
                .into_iter()
                .map(|(library, imports)| (library, imports.cuts().to_vec()))
                .collect(),
            revision: state.revision(),
        })
    }

    fn candidates(&self, text: &str, digest: &Digest, reach: &Reach) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (library, cuts) in &reach.libraries {
            let mut add = |found: Found<'_>, cut| {
                let ids = self.keys.imported_ids(*library, found);
                candidates.extend(ids.map(|id| Candidate {
                    id,
                    library: *library,
                    cut,
                }));
            };
            add(Found::Whole(digest), None);
            for cut in cuts {
                if let Some(locator) = cut.locator(text) {
                    add(Found::Locator(locator), Some(*cut));
                }
            }
        }
        candidates
    }

    /// Looks at the candidates, all at one revision: the right string is found before any guess is counted, so that no guesser
    /// locks it out.
    fn sight(
        &self,
        candidates: &[Candidate],
        digest: &Digest,
        judge: impl Fn(&View<'_>, Revision) -> Judgement,
    ) -> Result<Sighting, Error> {
        let state = self.index.read()?;
        let (mut unproven, mut missed, mut compared) = (Vec::new(), None, false);
        for candidate in candidates {
            let view = match state.token(candidate.id) {
                Lookup::Known(view) => view,
                // What the store holds of it was loaded before.
                Lookup::Unknown | Lookup::NotLoaded => continue,
                Lookup::Damaged => return Err(damaged()),
            };
            let token = view.token;
            let is_it = token.imported().is_some()
                && token.cut() == candidate.cut
                && view.library.uid == candidate.library;
            if !is_it {
                continue;
            }
            if token.is_unproven() {
                unproven.push((candidate.id, candidate.library));
                continue;
            }
            compared = true;
            let expected = Some((token.tag, token.key_version()));
            if self
                .keys
                .proves_imported(candidate.library, digest, expected)
            {
                let judgement = judge(&view, state.revision());
                return Ok(Sighting::Proved(Box::new(judgement)));
            }
            if candidate.cut.is_some() {
                missed = Some(candidate.id);
            }
        }
        if !compared {
            // What is not there takes as long.
            let _ = self.keys.proves_imported(Uid([0; 16]), digest, None);
        }
        Ok(Sighting::Unproved { unproven, missed })
    }

    /// Whether a text is the string of a token that was not used before; when that was made, if it is. Its next use is proved
    /// by a tag.
    async fn first_use(
        &self,
        (id, library): (TokenId, Uid),
        text: &str,
        digest: &Digest,
        client: Counted,
        now: Moment,
    ) -> Result<Option<Moment>, Error> {
        let _turn = self.first_uses.turn(id).await;
        let Some(found) = self.fetch::<Token>(keyspace::token(id)).await? else {
            return Ok(None);
        };
        let unproven = found.value.imported.as_ref();
        let Some(unproven) = unproven.and_then(|imported| imported.unproven.as_ref()) else {
            // Somebody else's was the first, meanwhile.
            let tag = found.value.tag;
            let expected = Some((tag.short(), tag.key_version));
            let proven = self.keys.proves_imported(library, digest, expected);
            if !proven {
                self.guesses
                    .attempt(Counted::imported(id), Some(client), now)?;
            }
            return Ok(proven.then_some(found.value.create_time));
        };
        let attempt = self
            .guesses
            .attempt(Counted::imported(id), Some(client), now)?;
        let matches = self
            .matches_slowly(&found.value, unproven, text, digest)
            .await;
        if !matches!(matches, Ok(false)) {
            self.guesses.forgive(&attempt);
        }
        if !matches? {
            return Ok(None);
        }
        let made = found.value.create_time;
        self.keep_tag(found, digest).await;
        Ok(Some(made))
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
                let peppered = self.keys.imported_pepper(version, place, digest);
                let (hash, peppered) = (hash.clone(), peppered.ok_or_else(lost)?);
                let work = move || hash.matches(peppered.as_ref());
                self.hashers.run(Work::Presented, work).await
            }
            Unproven::Sealed(sealed) => {
                let opened = self.keys.open_imported(version, &token.key(), sealed);
                let hash = opened.and_then(|text| SlowHash::foreign(&text).ok());
                let hash = hash.ok_or_else(lost)?;
                let text = zeroize::Zeroizing::new(text.to_owned());
                let work = move || hash.matches(text.as_bytes());
                self.hashers.run(Work::Presented, work).await
            }
        }
    }

    /// Keeps the tag of a string that has proved right, in place of what it matched. No administrative change: no event, and
    /// its etag stays. If it fails, the next use is another first one, and no verdict waits for that.
    async fn keep_tag(&self, found: Versioned<Token>, digest: &Digest) {
        let etag = found.etag();
        let Versioned { value, revision } = found;
        let token = Token {
            tag: self.keys.imported_tag(value.library_uid, digest),
            imported: value.imported.map(|imported| Imported {
                unproven: None,
                ..imported
            }),
            etag: Some(etag),
            ..value
        };
        let unchanged = vec![Precondition::At(token.key(), revision)];
        let change = Change::Put(token.key(), keyspace::encode(&token));
        if self.store.commit(unchanged, vec![change]).await.is_err() {
            tracing::info!(token.id = %token.id, "the first use of an imported token left no tag");
        }
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
