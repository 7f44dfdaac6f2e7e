//! Importing: tokens that another system issued go on working, in the form in which they always were presented.
//!
//! | kept of | found by | proved by |
//! |---|---|---|
//! | a strong string, or a digest that is declared strong | the whole string | its HMAC tag |
//! | a weak string or digest | a locator: the public part that a cut yields | Argon2id until its first use, then its tag |
//! | another system's Argon2 hash | a locator | that hash, sealed, until its first use, then its tag |
//!
//! An id is a keyed hash of what finds the token, so there is one token of a string, or of a locator, in a library.

mod cuts;
mod first_use;
mod place;
mod strength;
mod string;
mod verify;

use std::sync::Arc;

use async_trait::async_trait;

pub use self::cuts::Cuts;
pub(super) use self::first_use::FirstUses;
pub use self::place::Placed;
pub use self::string::{Cut, ForeignString};
pub use super::seats::Rehearsal;

use super::Authority;
use super::caller::{Authorised, Caller};
use super::directory::Uid;
use super::error::{Error, Reason};
use super::hashers::Work;
use super::index::Lookup;
use super::issue::{CreateToken, Proof};
use super::keys::{Digest, HmacKeys, Tag};
use super::keyspace::{self, Versioned};
use super::moment::{Moment, Now};
use super::name::Name;
use super::password::SlowHash;
use super::policy::tokens_allowed;
use super::seats::Seats;
use super::secret;
use super::token::{ImportStrength, Imported, Token, Unproven};
use super::transaction::{Call, Command, Done, Plan};
use crate::store::Revision;

/// A token to be imported.
#[derive(Debug, Clone)]
pub struct ImportToken {
    /// What it shall be, for a user that is named.
    pub token: CreateToken,
    /// What is known of its string.
    pub form: Form,
    /// How strings are cut that the whole of them does not find.
    pub cut: Option<Cut>,
    /// The bits of entropy that the other system is said to have given it.
    pub declared_bits: u32,
}

/// What is known of the string of a token.
#[derive(Clone)]
pub enum Form {
    /// The string.
    Plaintext(ForeignString),
    /// Its digest, and the part of it that finds it.
    Sha256(Digest, Option<String>),
    /// Its Argon2 hash, and the part of it that finds it.
    Argon2(SlowHash, Option<String>),
}

/// A token that is placed, and what its string must match.
struct Import<'a> {
    asked: &'a ImportToken,
    placed: &'a Placed,
    tag: Tag,
    unproven: Option<Unproven>,
    seats: Seats,
    /// What it is proved by.
    keys: Arc<HmacKeys>,
}

impl Authority {
    /// The uid of a library that tokens may be imported into.
    pub fn import_into(&self, caller: &Caller, library: &Name, now: Moment) -> Result<Uid, Error> {
        self.authorise(caller, now)?;
        let library = self.library(library)?;
        tokens_allowed(&library.value)?;
        Ok(library.value.uid)
    }

    /// Imports a token, or in a rehearsal only finds out whether it could be.
    ///
    /// # Errors
    /// [`Reason::AlreadyImported`] with the id of the token that there is; otherwise as [`CreateToken`].
    pub async fn import_token(
        &self,
        call: &Call,
        asked: &ImportToken,
        placed: &Placed,
        rehearsal: Option<&Rehearsal>,
        now: Now,
    ) -> Result<Done<Token>, Error> {
        let keys = self.hmac_keys()?;
        let mut import = Import {
            asked,
            placed,
            tag: unmatched_tag(&keys)?,
            unproven: None,
            // What is only looked at takes no seat from what is made.
            seats: rehearsal.map_or_else(Seats::default, |r| r.seats.clone()),
            keys: keys.clone(),
        };
        // Everything is checked before anything is hashed.
        let by = self.authorise(&call.caller, now.time)?;
        let plan = import.plan(self, &by, now.time).await?;
        if let Some(rehearsal) = rehearsal {
            return Ok(rehearsed(plan, rehearsal));
        }
        // It holds a seat, which is the import's own to take.
        drop(plan);
        import.seats = self.seats.clone();
        (import.tag, import.unproven) = self.prove_import(asked, placed, &keys).await?;
        self.perform(call, &import, now).await
    }

    /// What the string of a token must prove, or match until its first use.
    async fn prove_import(
        &self,
        asked: &ImportToken,
        placed: &Placed,
        keys: &HmacKeys,
    ) -> Result<(Tag, Option<Unproven>), Error> {
        let digest = match &asked.form {
            Form::Plaintext(string) => string.digest(),
            Form::Sha256(digest, _) => digest.clone(),
            Form::Argon2(hash, _) => {
                let place = keyspace::token(placed.id);
                let sealed = keys.seal_imported(&place, &hash.to_string())?;
                return Ok((unmatched_tag(keys)?, Some(Unproven::Sealed(sealed))));
            }
        };
        if placed.strength == ImportStrength::Strong {
            return Ok((keys.imported_tag(placed.library, &digest), None));
        }
        let tag = unmatched_tag(keys)?;
        let place = (placed.library, placed.id);
        let peppered = keys.imported_pepper(tag.key_version, place, &digest);
        let peppered = peppered.ok_or_else(no_key)?;
        let make = move || SlowHash::make(peppered.as_ref());
        let hash = self.hashers.run(Work::Import, make).await??;
        Ok((tag, Some(Unproven::Hashed(hash))))
    }
}

#[async_trait]
impl Command for Import<'_> {
    const ACTION: &'static str = "token.import";
    type Answer = Token;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<Token>, Error> {
        let asked = &self.asked.token;
        let owner = asked.owner(by)?;
        let prove = |_: &_| {
            Ok(Proof {
                id: self.placed.id,
                tag: self.tag,
                sealed_secret: Vec::new(),
                imported: Some(Imported {
                    strength: self.placed.strength,
                    cut: self.placed.cut,
                    unproven: self.unproven.clone(),
                }),
            })
        };
        let (mut plan, token) = asked.draft(authority, by, owner, prove, now)?;
        if plan.logged_in != self.placed.library {
            // It was made again under the same name since.
            return Err(Error::not_found("library"));
        }
        self.asked.refuse_repeated_string()?;
        refuse_reserved(&token)?;
        self.refuse_second(authority).await?;
        self.use_cut(authority, &mut plan)?;
        plan.preconditions.push(self.keys.unrotated());
        authority
            .take_seat_among(&self.seats, &mut plan, &token, now)
            .await?;
        plan.create(token)?;
        plan.event.comment = match self.placed.strength {
            ImportStrength::Strong => "strong".to_owned(),
            ImportStrength::Weak => "weak".to_owned(),
        };
        Ok(plan)
    }
}

// === impl Form ===

impl Form {
    /// The digest of the whole string, where it is known.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Form::Plaintext(string) => Some(string.digest()),
            Form::Sha256(digest, _) => Some(digest.clone()),
            Form::Argon2(..) => None,
        }
    }
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Form::Plaintext(_) => "Plaintext(...)",
            Form::Sha256(..) => "Sha256(...)",
            Form::Argon2(..) => "Argon2(...)",
        })
    }
}

// === impl Import ===

impl Import<'_> {
    /// One string, or one locator, is one token of a library.
    async fn refuse_second(&self, authority: &Authority) -> Result<(), Error> {
        let id = self.placed.id;
        authority.ensure_loaded(id).await?;
        match authority.index.read()?.token(id) {
            // What the store holds of it was loaded before.
            Lookup::Unknown | Lookup::NotLoaded => Ok(()),
            Lookup::Known(_) | Lookup::Damaged => Err(self.placed.already(id)),
        }
    }

    /// Has Verify look for such tokens. Of two imports that change how it does, one plans anew.
    fn use_cut(&self, authority: &Authority, plan: &mut Plan<Token>) -> Result<(), Error> {
        let library = self.placed.library;
        let known = {
            let state = authority.index.read()?;
            let imports = state.directory().imports_of(library);
            imports.map(|i| i.readable().cloned()).transpose()?
        };
        let (before, revision) = match known {
            Some(known) => (Some(known.value), known.revision),
            None => (None, Revision(0)),
        };
        let cuts = before.clone().unwrap_or_else(|| Cuts::none(library));
        let cuts = cuts.with(self.placed.cut)?;
        if before.as_ref() != Some(&cuts) {
            plan.put_at(cuts, revision)?;
        }
        Ok(())
    }
}

/// Imported tokens are no credentials of this authority's own API, so what governs it has no place in their grants.
pub(super) fn refuse_reserved(token: &Token) -> Result<(), Error> {
    if token.imported.is_none() || token.grant.permissions.reserved.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(
        "permissions",
        "may list no reserved permission for an imported token: it is no credential of this authority",
    ))
}

/// What an import would come to.
fn rehearsed(plan: Plan<Token>, rehearsal: &Rehearsal) -> Done<Token> {
    rehearsal.hold(plan.seats);
    Done {
        answer: plan.answer.map(|value| Versioned {
            value,
            revision: Revision(0),
        }),
        secret: None,
        warnings: plan.warnings,
        clamped: plan.clamped,
        revision: Revision(0),
    }
}

/// A tag that nothing matches, of the newest key.
fn unmatched_tag(keys: &HmacKeys) -> Result<Tag, Error> {
    Ok(Tag {
        bytes: secret::random()?,
        key_version: keys.newest(),
    })
}

fn no_key() -> Error {
    Error::new(Reason::Internal, "there is no key to import tokens with")
}
