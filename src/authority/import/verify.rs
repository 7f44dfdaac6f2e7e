//! Verify of a string that is no token of this authority's own form: it may be one that was imported.
//!
//! There is no table from strings to tokens: the ids that a string may have are computed from it, and looked up like any
//! other. The right string of a token that was used before is proved by one HMAC. A weak one that was not is proved slowly:
//! counted as a guess, on the hashers' threads, and once, since its first use leaves a tag.

use super::string::{Cut, ForeignString};
use crate::authority::Authority;
use crate::authority::directory::Uid;
use crate::authority::error::Error;
use crate::authority::guess::{Counted, Guess};
use crate::authority::index::{Imports, Lookup, View};
use crate::authority::judge::{Demand, Verdict};
use crate::authority::keys::{Digest, Found};
use crate::authority::moment::Moment;
use crate::authority::secret::TokenId;
use crate::authority::state::is_live;
use crate::authority::verify::{Judgement, Scope, damaged};
use crate::store::Revision;

/// Most libraries in which a string is looked for where none is named.
const MAX_LIBRARIES: usize = 1024;
/// Most ids that a string is looked for by: an HMAC each, so that the longest look-up takes half a
/// millisecond. A verifier with a library of its own, or that names one, needs nine.
const MAX_IDS: usize = 1024;
/// Ids after which the others that this thread serves get their turn.
const MANY_IDS: usize = 64;
/// Most tokens that a string is compared with slowly, where several libraries know its locator.
const MAX_SLOW: usize = 16;
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
#[derive(Default)]
struct Sighting {
    /// The best of those that are proved by their tags.
    proved: Option<Proved>,
    /// Those that wait for their first use.
    unproven: Vec<(TokenId, Uid)>,
    /// One whose locator is right, and whose string is not.
    missed: Option<TokenId>,
}

/// A token whose string this is.
struct Proved {
    /// Two libraries may know one string: what is good there stands before what could be, and that before what has ended.
    rank: (bool, bool),
    judgement: Judgement,
}

/// Who presents a string, to whom, and what for.
pub(super) struct Presented<'a> {
    pub(super) text: &'a str,
    pub(super) digest: Digest,
    demand: &'a Demand,
    scope: Scope,
    pub(super) now: Moment,
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
        let presented = Presented {
            text,
            digest: Digest::of(text),
            demand,
            scope,
            now,
        };
        let candidates = self.candidates(&presented, &reach);
        if candidates.len() > MANY_IDS {
            tokio::task::yield_now().await;
        }
        for candidate in &candidates {
            self.ensure_loaded(candidate.id).await?;
        }
        let Sighting {
            mut proved,
            unproven,
            missed,
        } = self.sight(&candidates, &presented)?;
        let mut refused = reach.uncertain;
        for (id, library) in unproven.into_iter().take(MAX_SLOW) {
            if proved.as_ref().is_some_and(Proved::is_live) {
                break;
            }
            match self.first_use((id, library), &presented).await {
                Ok(Some(made)) => proved = Proved::better(proved, self.used(id, made, &presented)?),
                Ok(None) => {}
                // That one can't be guessed at now: another may still be it.
                Err(error) => refused = Some(error),
            }
        }
        if let Some(Proved { judgement, .. }) = proved {
            return Ok(judgement);
        }
        if let Some(id) = missed {
            // Found by a locator and wrong: a guess, which stays counted.
            self.guesses.attempt(presented.guess_at(id), now)?;
        }
        match refused {
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
            (Scope::All, None) => directory.imports().take(MAX_LIBRARIES).collect(),
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

    /// The ids that a string may have. Strong tokens, which are found by the whole of it, come first in every library.
    fn candidates(&self, presented: &Presented<'_>, reach: &Reach) -> Vec<Candidate> {
        let whole = Found::Whole(&presented.digest);
        let strong = reach.libraries.iter().map(|(uid, _)| (*uid, whole, None));
        let weak = reach.libraries.iter().flat_map(|(uid, cuts)| {
            cuts.iter().filter_map(|cut| {
                let locator = cut.locator(presented.text)?;
                Some((*uid, Found::Locator(locator), Some(*cut)))
            })
        });
        let ways = strong.chain(weak).take(MAX_IDS);
        ways.map(|(library, found, cut)| {
            let id = self.keys.imported_id(library, found);
            Candidate { id, library, cut }
        })
        .collect()
    }

    /// Looks at the candidates, all at one revision: the right string is found before any guess is counted, so that no guesser
    /// locks it out.
    fn sight(
        &self,
        candidates: &[Candidate],
        presented: &Presented<'_>,
    ) -> Result<Sighting, Error> {
        let state = self.index.read()?;
        let keys = state.hmac_keys();
        let (mut sighting, mut compared) = (Sighting::default(), false);
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
                sighting.unproven.push((candidate.id, candidate.library));
                continue;
            }
            compared = true;
            let expected = Some((token.tag, token.key_version()));
            let digest = &presented.digest;
            if keys.proves_imported(candidate.library, digest, expected) {
                let tag = || keys.imported_tag(candidate.library, digest);
                let proved = (token.tag, token.key_version());
                self.retags.note(candidate.id, proved, keys, tag);
                let found = Proved::of(&view, presented, state.revision());
                sighting.proved = Proved::better(sighting.proved, found);
            } else if candidate.cut.is_some() {
                sighting.missed = Some(candidate.id);
            }
        }
        if !compared {
            // What is not there takes as long.
            let _ = keys.proves_imported(Uid([0; 16]), &presented.digest, None);
        }
        Ok(sighting)
    }

    /// What its first use made of a token, if it is still the one that was proved, and no other of the same locator since.
    fn used(&self, id: TokenId, made: Moment, presented: &Presented<'_>) -> Result<Proved, Error> {
        let state = self.index.read()?;
        let revision = state.revision();
        Ok(match state.token(id) {
            Lookup::Known(view) if view.token.create_time == made => {
                Proved::of(&view, presented, revision)
            }
            _ => Proved {
                rank: (false, false),
                judgement: Judgement::unseen(Verdict::NotFound, revision),
            },
        })
    }
}

// === impl Presented ===

impl Presented<'_> {
    /// What it counts for if it is not the string of this token.
    pub(super) fn guess_at(&self, id: TokenId) -> Guess {
        let client = match self.demand.client_ip {
            Some(address) => Counted::client(address),
            None => Counted::verifier(self.scope),
        };
        Guess::at_token(id, client)
    }
}

// === impl Proved ===

impl Proved {
    fn of(view: &View<'_>, presented: &Presented<'_>, revision: Revision) -> Proved {
        let (demand, now) = (presented.demand, presented.now);
        let judgement = Judgement::of(Some(view), demand, presented.scope, now, revision);
        let is_valid = judgement.verdict == Verdict::Valid;
        Proved {
            rank: (is_valid, is_live(view, now)),
            judgement,
        }
    }

    fn is_live(&self) -> bool {
        self.rank.1
    }

    fn better(before: Option<Proved>, other: Proved) -> Option<Proved> {
        let stays = before.filter(|before| before.rank >= other.rank);
        stays.or(Some(other))
    }
}
