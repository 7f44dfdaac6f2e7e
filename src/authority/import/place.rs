//! Where a token that is imported is kept: its id is made of what finds it.

use super::strength;
use super::string::{Cut, ForeignString};
use super::{Form, ImportToken};
use crate::authority::Authority;
use crate::authority::directory::Uid;
use crate::authority::error::{Error, Reason};
use crate::authority::keys::Found;
use crate::authority::secret::TokenId;
use crate::authority::token::ImportStrength;

/// Where a token is to be kept, and how it is found.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Its id, by which two of one string or one locator are told.
    pub id: TokenId,
    /// How hard its string is to guess.
    pub strength: ImportStrength,
    pub(super) cut: Option<Cut>,
    pub(super) library: Uid,
}

impl Authority {
    /// Finds out how hard a token is to guess, and how it will be found.
    ///
    /// # Errors
    /// [`Reason::InvalidFields`] if it is weak and nothing but the whole string would find it.
    pub fn place_import(&self, asked: &ImportToken, library: Uid) -> Result<Placed, Error> {
        let declared = strength::of_bits(asked.declared_bits);
        let (strength, locator) = match &asked.form {
            Form::Plaintext(string) => (strength::of(string.expose()), None),
            Form::Sha256(_, locator) | Form::Argon2(_, locator) => (declared, locator.as_ref()),
        };
        let whole = asked
            .form
            .digest()
            .filter(|_| strength == ImportStrength::Strong);
        let id = |found: Found<'_>| self.keys.imported_id(library, found);
        let (cut, id) = if let Some(digest) = whole {
            (None, id(Found::Whole(&digest)))
        } else {
            let locator = match &asked.form {
                Form::Plaintext(string) => asked.locator_of(string)?,
                Form::Sha256(..) | Form::Argon2(..) => asked.locator_given(locator)?,
            };
            (asked.cut, id(Found::Locator(locator)))
        };
        Ok(Placed {
            id,
            strength,
            cut,
            library,
        })
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

    /// Names and reasons are shown: the string itself has no place there, nor has the part that proves it.
    pub(super) fn refuse_repeated_string(&self) -> Result<(), Error> {
        let Form::Plaintext(string) = &self.form else {
            return Ok(());
        };
        let string = string.expose();
        let rest = self.cut.and_then(|cut| cut.split(string));
        let rest = rest.map_or(string, |(_, rest)| rest);
        for (field, text) in [
            ("display_name", &self.token.display_name),
            ("description", &self.token.description),
        ] {
            if text.contains(string) || text.contains(rest) {
                return Err(Error::invalid(
                    field,
                    "must not hold the token itself, nor the part of it that proves it",
                ));
            }
        }
        Ok(())
    }
}

// === impl Placed ===

impl Placed {
    /// There is one of this string, or of this locator.
    pub(super) fn already(&self, id: TokenId) -> Error {
        let (why, same) = match self.cut {
            None => ("the token was imported before", true),
            Some(_) => ("a token with this locator was imported before", false),
        };
        Error::new(Reason::AlreadyImported, format!("{why}: {id}"))
            .with("token_id", id.to_string())
            .with("same", same.to_string())
    }

    /// Two of one string, or of one locator, stand in one call.
    #[must_use]
    pub fn twice() -> Error {
        Error::new(
            Reason::AlreadyImported,
            "the token, or one with its locator, stands earlier in this call",
        )
    }
}
