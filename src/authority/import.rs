//! Importing: tokens that another system issued go on working, in the form in which they always were presented.
//!
//! | kept of | found by | proved by |
//! |---|---|---|
//! | a strong string, or a digest that is declared strong | the whole string | its HMAC tag |
//! | a weak string or digest | a locator: the public part that a cut yields | Argon2id until its first use, then its tag |
//! | another system's Argon2 hash | a locator | that hash, sealed, until its first use, then its tag |
//!
//! An id is a keyed hash of what finds the token, so there is one token of a string, or of a locator, in a library.

mod strength;
mod string;
mod verify;

use async_trait::async_trait;

pub use self::string::{Cut, ForeignString};
pub(super) use self::verify::FirstUses;

use super::Authority;
use super::caller::{Authorised, Caller};
use super::directory::Uid;
use super::error::{Error, Reason};
use super::hashers::Work;
use super::index::Lookup;
use super::issue::{CreateToken, Proof};
use super::keys::{Digest, Found, Tag};
use super::keyspace::{self, Versioned};
use super::moment::{Moment, Now};
use super::name::Name;
use super::password::SlowHash;
use super::policy::tokens_allowed;
use super::secret::{self, TokenId};
use super::token::{ImportStrength, Imported, Token, Unproven};
use super::transaction::{Call, Command, Done, Plan};
use crate::store::Revision;

/// Most cuts in use in a library: Verify tries each.
const MAX_CUTS: usize = 8;

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

/// Where a token is to be kept, and how it is found.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Its id, by which two of one string or one locator are told.
    pub id: TokenId,
    /// How hard its string is to guess.
    pub strength: ImportStrength,
    cut: Option<Cut>,
    library: Uid,
}

/// A token that is placed, and what its string must match.
struct Import<'a> {
    asked: &'a ImportToken,
    placed: &'a Placed,
    tag: Tag,
    unproven: Option<Unproven>,
}

impl Authority {
    /// The uid of a library that tokens may be imported into.
    pub fn import_into(&self, caller: &Caller, library: &Name, now: Moment) -> Result<Uid, Error> {
        self.authorise(caller, now)?;
        if !self.index.read()?.is_complete() {
            // Which cuts are in use is not known yet.
            return Err(Error::new(
                Reason::NotReady,
                "the tokens are still being loaded; try again",
            ));
        }
        let library = self.library(library)?;
        tokens_allowed(&library.value)?;
        Ok(library.value.uid)
    }

    /// Finds out how hard a token is to guess, and how it will be found.
    ///
    /// # Errors
    /// [`Reason::InvalidFields`] if it is weak and nothing but the whole string would find it.
    pub fn place_import(&self, asked: &ImportToken, library: Uid) -> Result<Placed, Error> {
        let declared = strength::of_bits(asked.declared_bits);
        let (strength, digest, locator) = match &asked.form {
            Form::Plaintext(string) => (strength::of(string.expose()), Some(string.digest()), None),
            Form::Sha256(digest, locator) => (declared, Some(digest.clone()), locator.as_ref()),
            Form::Argon2(_, locator) => (declared, None, locator.as_ref()),
        };
        let whole = digest.filter(|_| strength == ImportStrength::Strong);
        let (cut, id) = if let Some(digest) = whole {
            (None, self.newest_id(library, Found::Whole(&digest)))
        } else {
            let locator = match &asked.form {
                Form::Plaintext(string) => asked.locator_of(string)?,
                Form::Sha256(..) | Form::Argon2(..) => asked.locator_given(locator)?,
            };
            (asked.cut, self.newest_id(library, Found::Locator(locator)))
        };
        Ok(Placed {
            id: id.ok_or_else(no_key)?,
            strength,
            cut,
            library,
        })
    }

    /// Imports a token, or only finds out whether it could be.
    ///
    /// # Errors
    /// [`Reason::AlreadyImported`] with the id of the token that there is; otherwise as [`CreateToken`].
    pub async fn import_token(
        &self,
        call: &Call,
        asked: &ImportToken,
        placed: &Placed,
        dry_run: bool,
        now: Now,
    ) -> Result<Done<Token>, Error> {
        let mut import = Import {
            asked,
            placed,
            tag: self.unmatched_tag()?,
            unproven: None,
        };
        // Everything is checked before anything is hashed.
        let by = self.authorise(&call.caller, now.time)?;
        let plan = import.plan(self, &by, now.time).await?;
        if dry_run {
            return Ok(Done {
                answer: plan.answer.map(|value| Versioned {
                    value,
                    revision: Revision(0),
                }),
                secret: None,
                warnings: plan.warnings,
                clamped: plan.clamped,
                revision: Revision(0),
            });
        }
        // It holds a seat, which is the import's own to take.
        drop(plan);
        (import.tag, import.unproven) = self.prove_import(asked, placed).await?;
        self.perform(call, &import, now).await
    }

    fn newest_id(&self, library: Uid, found: Found<'_>) -> Option<TokenId> {
        self.keys.imported_ids(library, found).next()
    }

    /// A tag that nothing matches, of the newest key.
    fn unmatched_tag(&self) -> Result<Tag, Error> {
        Ok(Tag {
            bytes: secret::random()?,
            key_version: self.keys.newest(),
        })
    }

    /// What the string of a token must prove, or match until its first use.
    async fn prove_import(
        &self,
        asked: &ImportToken,
        placed: &Placed,
    ) -> Result<(Tag, Option<Unproven>), Error> {
        let digest = match &asked.form {
            Form::Plaintext(string) => string.digest(),
            Form::Sha256(digest, _) => digest.clone(),
            Form::Argon2(hash, _) => {
                let place = keyspace::token(placed.id);
                let sealed = self.keys.seal_imported(&place, &hash.to_string())?;
                return Ok((self.unmatched_tag()?, Some(Unproven::Sealed(sealed))));
            }
        };
        if placed.strength == ImportStrength::Strong {
            return Ok((self.keys.imported_tag(placed.library, &digest), None));
        }
        let tag = self.unmatched_tag()?;
        let place = (placed.library, placed.id);
        let peppered = self.keys.imported_pepper(tag.key_version, place, &digest);
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
        self.refuse_second(authority)?;
        authority.take_seat(&mut plan, &token, now).await?;
        plan.create(token)?;
        plan.event.comment = match self.placed.strength {
            ImportStrength::Strong => "strong".to_owned(),
            ImportStrength::Weak => "weak".to_owned(),
        };
        Ok(plan)
    }
}

// === impl ImportToken ===

impl ImportToken {
    fn locator_of<'a>(&self, string: &'a ForeignString) -> Result<&'a str, Error> {
        let cut = self.cut.ok_or_else(|| {
            Error::invalid(
                "plaintext",
                "is weak: give the batch a separator or a prefix_length, so that the part before it finds the token",
            )
        })?;
        cut.locator(string.expose()).ok_or_else(|| {
            Error::invalid(
                "plaintext",
                "is weak, and the batch's separator or prefix_length does not cut it: 4 to 64 characters before, 8 or more behind",
            )
        })
    }

    fn locator_given<'a>(&self, locator: Option<&'a String>) -> Result<&'a str, Error> {
        let cut = self.cut.ok_or_else(|| {
            Error::invalid(
                "locator",
                "must find the token, for it is weak or an Argon2 hash: give the batch a separator or a prefix_length as well",
            )
        })?;
        locator
            .map(String::as_str)
            .filter(|locator| cut.may_yield(locator))
            .ok_or_else(|| {
                Error::invalid(
                    "locator",
                    "must be what the batch's separator or prefix_length cuts off: 4 to 64 printable characters",
                )
            })
    }

    /// Names and reasons are shown: the string itself has no place there.
    fn refuse_repeated_string(&self) -> Result<(), Error> {
        let Form::Plaintext(string) = &self.form else {
            return Ok(());
        };
        for (field, text) in [
            ("display_name", &self.token.display_name),
            ("description", &self.token.description),
        ] {
            if text.contains(string.expose()) {
                return Err(Error::invalid(field, "must not hold the token itself"));
            }
        }
        Ok(())
    }
}

// === impl Form ===

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
    /// One string, or one locator, is one token of a library; and Verify tries few cuts.
    fn refuse_second(&self, authority: &Authority) -> Result<(), Error> {
        let state = authority.index.read()?;
        match state.token(self.placed.id) {
            Lookup::Unknown => {}
            Lookup::NotLoaded => {
                return Err(Error::new(
                    Reason::NotReady,
                    "the tokens are still being loaded; try again",
                ));
            }
            Lookup::Known(_) | Lookup::Damaged => return Err(self.placed.already()),
        }
        let Some(cut) = self.placed.cut else {
            return Ok(());
        };
        let slot = state.directory().library_of(self.placed.library);
        let in_use = slot.map(|slot| slot.imports.cuts().collect::<Vec<_>>());
        let in_use = in_use.unwrap_or_default();
        if in_use.contains(&cut) || in_use.len() < MAX_CUTS {
            return Ok(());
        }
        let named: Vec<String> = in_use.iter().map(ToString::to_string).collect();
        Err(Error::invalid(
            "locator",
            format!(
                "must be cut in one of the {MAX_CUTS} ways that the library uses: {}",
                named.join(", ")
            ),
        ))
    }
}

// === impl Placed ===

impl Placed {
    /// There is one of this string, or of this locator.
    #[must_use]
    pub fn already(&self) -> Error {
        let (why, same) = match self.cut {
            None => ("the token was imported before", true),
            Some(_) => ("a token with this locator was imported before", false),
        };
        Error::new(Reason::AlreadyImported, format!("{why}: {}", self.id))
            .with("token_id", self.id.to_string())
            .with("same", same.to_string())
    }

    /// Two of one string, or of one locator, stand in one call.
    #[must_use]
    pub fn twice(&self) -> Error {
        Error::new(
            Reason::AlreadyImported,
            "the token, or one with its locator, stands earlier in this call",
        )
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

fn no_key() -> Error {
    Error::new(Reason::Internal, "there is no key to import tokens with")
}
