//! Tokens to be imported.

use super::known;
use super::token::create_token;
use crate::authority::error::{Error, Faults, Reason};
use crate::authority::import::{Cut, ForeignString, Form, ImportToken};
use crate::authority::keys::Digest;
use crate::authority::name::Name;
use crate::authority::password::SlowHash;
use crate::authority::token::ImportStrength;
use crate::proto::v1;

/// Most tokens that one call imports.
const MAX_IMPORTED: usize = 1000;
/// Most bits that a string of 1,024 characters can be said to have, rounded down.
const MAX_DECLARED_BITS: u32 = 1024;

/// What holds for all items of a call.
#[derive(Debug, Clone, Copy)]
pub(in crate::grpc) struct Terms {
    cut: Option<Cut>,
    declared_bits: u32,
}

/// What holds for all items, once it is sound.
pub(in crate::grpc) fn import_terms(message: &v1::ImportTokensRequest) -> Result<Terms, Error> {
    let v1::ImportTokensRequest {
        library: _,
        items,
        declared_entropy_bits,
        separator,
        prefix_length,
        dry_run: _,
        request_id: _,
    } = message;
    let mut faults = Faults::default();
    if items.is_empty() {
        faults.add("items", "must hold at least one token");
    }
    if *declared_entropy_bits > MAX_DECLARED_BITS {
        faults.add("declared_entropy_bits", "must be at most 1024");
    }
    let cut = match (separator.as_str(), *prefix_length) {
        ("", 0) => None,
        ("", length) => faults.take("prefix_length", Cut::prefix(length)),
        (mark, 0) => faults.take("separator", Cut::separator(mark)),
        (_, _) => {
            faults.add("prefix_length", "must not be given together with separator");
            None
        }
    };
    faults.check()?;
    if items.len() > MAX_IMPORTED {
        let why = format!("a call imports at most {MAX_IMPORTED} tokens; send more calls");
        return Err(Error::new(Reason::LimitExceeded, why));
    }
    Ok(Terms {
        cut,
        declared_bits: *declared_entropy_bits,
    })
}

/// One item. Its user is named, for who imports is seldom whose tokens they are.
pub(in crate::grpc) fn import_token(
    item: v1::ImportItem,
    terms: Terms,
    library: &Name,
) -> Result<ImportToken, Error> {
    let v1::ImportItem {
        plaintext,
        sha256,
        argon2_phc,
        locator,
        user,
        display_name,
        description,
        expire_time,
        lifetime,
        not_before,
        suspended,
        department,
        user_type,
        access_right,
        permissions,
        apis,
        allowed_cidrs,
    } = item;
    let mut faults = Faults::default();
    if user.is_empty() {
        faults.add("user", "must be given");
    }
    let plain = !plaintext.is_empty();
    let form = match (plain, sha256.as_str(), argon2_phc.as_str()) {
        (true, "", "") => faults
            .take("plaintext", ForeignString::parse(plaintext))
            .map(Form::Plaintext),
        (false, text, "") if !text.is_empty() => {
            let digest = faults.take("sha256", Digest::parse(text));
            digest.map(|digest| Form::Sha256(digest, given(&locator)))
        }
        (false, "", text) if !text.is_empty() => {
            let hash = faults.take("argon2_phc", SlowHash::foreign(text));
            hash.map(|hash| Form::Argon2(hash, given(&locator)))
        }
        _ => {
            faults.add(
                "plaintext",
                "or sha256 or argon2_phc must be given, exactly one of them",
            );
            None
        }
    };
    if plain && !locator.is_empty() {
        faults.add(
            "locator",
            "must not be given with plaintext, which tells it",
        );
    }
    let token = create_token(
        v1::CreateTokenRequest {
            library: String::new(),
            user,
            display_name,
            description,
            expire_time,
            lifetime,
            not_before,
            suspended,
            department,
            user_type,
            access_right,
            permissions,
            apis,
            allowed_cidrs,
            request_id: String::new(),
        },
        library.clone(),
    );
    let token = match token {
        Ok(token) => Some(token),
        Err(error) => {
            for violation in error.violations {
                faults.add(violation.field, violation.description);
            }
            None
        }
    };
    faults.check()?;
    match (token, form) {
        (Some(token), Some(form)) => Ok(ImportToken {
            token,
            form,
            cut: terms.cut,
            declared_bits: terms.declared_bits,
        }),
        _ => Err(Error::invalid("plaintext", "must be given")),
    }
}

pub(in crate::grpc) fn import_strength(strength: Option<ImportStrength>) -> v1::ImportStrength {
    match strength {
        None => v1::ImportStrength::Unspecified,
        Some(ImportStrength::Strong) => v1::ImportStrength::Strong,
        Some(ImportStrength::Weak) => v1::ImportStrength::Weak,
    }
}

/// The strength that a list is of; `None` for all tokens.
pub(super) fn listed_strength(faults: &mut Faults, number: i32) -> Option<ImportStrength> {
    match known::<v1::ImportStrength>(faults, "imported", number)? {
        v1::ImportStrength::Unspecified => None,
        v1::ImportStrength::Strong => Some(ImportStrength::Strong),
        v1::ImportStrength::Weak => Some(ImportStrength::Weak),
    }
}

fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
