//! Tokens of another system are imported, and go on working as they always were presented.

mod afterwards;
mod first_use;
mod knowing;
mod libraries;
mod refusals;
mod seats;
mod starting;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use ring::digest::{SHA256, digest};

use super::commands::{create_library, create_token, create_user, create_user_type};
use super::lifecycle::{a_year, extend, revoke, suspend, update_token};
use super::samples::{granted, name, named};
use super::stage::{DAY, Stage};
use crate::authority::error::{Error, Reason};
use crate::authority::import::{Cut, ForeignString, Form, ImportToken, Rehearsal};
use crate::authority::issue::CreateToken;
use crate::authority::judge::{Demand, Verdict};
use crate::authority::keys::Digest;
use crate::authority::keyspace::{self, Versioned};
use crate::authority::list::TokenFilter;
use crate::authority::page::PageRequest;
use crate::authority::password::SlowHash;
use crate::authority::permission::Reserved;
use crate::authority::reveal::RevealToken;
use crate::authority::rotate::RotateToken;
use crate::authority::secret::{Secret, TokenId};
use crate::authority::token::{ImportStrength, Token};
use crate::authority::transaction::{Call, Done};
use crate::authority::{Caller, Judgement, Scope};

/// 40 digits drawn at random, as strings of other systems look.
pub(super) const STRONG: &str = "Zq3Xv8LmT1yRk6Wd0NpJ5bHs9CgAf2UeQo7Ei4Bt";
/// What somebody made up.
pub(super) const WEAK: &str = "shop7.summer-of-2019";
const DOT: Cut = Cut::Separator(b'.');

pub(super) fn plaintext(text: &str) -> Form {
    Form::Plaintext(ForeignString::parse(text.to_owned()).unwrap())
}

fn hex(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    digest
        .as_ref()
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn sha256(text: &str, locator: Option<&str>) -> Form {
    Form::Sha256(
        Digest::parse(&hex(text)).unwrap(),
        locator.map(str::to_owned),
    )
}

/// As another system hashes: cheaply, so that tests are quick.
fn phc(text: &str, kind: Algorithm) -> String {
    let params = Params::new(64, 1, 1, None).unwrap();
    let argon2 = Argon2::new(kind, Version::V0x10, params);
    let hash = argon2.hash_password_with_salt(text.as_bytes(), b"0123456789abcdef");
    hash.unwrap().to_string()
}

fn argon2(text: &str, locator: &str) -> Form {
    let hash = SlowHash::foreign(&phc(text, Algorithm::Argon2id)).unwrap();
    Form::Argon2(hash, Some(locator.to_owned()))
}

pub(super) fn import(form: Form) -> ImportToken {
    ImportToken {
        token: create_token("jane"),
        form,
        cut: Some(DOT),
        declared_bits: 0,
    }
}

fn declared(form: Form, bits: u32) -> ImportToken {
    ImportToken {
        declared_bits: bits,
        ..import(form)
    }
}

async fn call(stage: &Stage, user: &str) -> Call {
    Call {
        caller: stage
            .authenticate(user, Reserved::TokensAdmin)
            .await
            .unwrap(),
        call_id: "call-1".to_owned(),
        request: None,
    }
}

pub(super) async fn try_import(
    stage: &Stage,
    user: &str,
    asked: &ImportToken,
    dry_run: bool,
) -> Result<Done<Token>, Error> {
    let call = call(stage, user).await;
    let now = stage.now();
    let into = stage
        .authority
        .import_into(&call.caller, &asked.token.library, now.time)?;
    let placed = stage.authority.place_import(asked, into)?;
    let rehearsal = dry_run.then(Rehearsal::default);
    stage
        .authority
        .import_token(&call, asked, &placed, rehearsal.as_ref(), now)
        .await
}

pub(super) async fn imported(stage: &Stage, asked: &ImportToken) -> Versioned<Token> {
    let done = try_import(stage, "adam", asked, false).await;
    done.unwrap().answer.unwrap()
}

async fn refused(stage: &Stage, asked: &ImportToken) -> Error {
    let commits = stage
        .store
        .commits
        .load(std::sync::atomic::Ordering::SeqCst);
    let error = try_import(stage, "adam", asked, false).await.unwrap_err();
    let dry = try_import(stage, "adam", asked, true).await.unwrap_err();
    assert_eq!(error, dry, "a dry run finds the same");
    let after = stage
        .store
        .commits
        .load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(commits, after, "nothing was written");
    error
}

fn strength(token: &Token) -> ImportStrength {
    token.imported.as_ref().unwrap().strength
}

async fn judged(stage: &Stage, text: &str, scope: Scope) -> Result<Judgement, Error> {
    let demand = Demand::default();
    let caller = match scope {
        Scope::All => None,
        Scope::Library(_) => {
            let root = stage.authenticate("root", Reserved::TokensVerify).await;
            Some(Caller {
                scope,
                ..root.unwrap()
            })
        }
    };
    stage
        .authority
        .verify(text, &demand, caller.as_ref(), stage.now())
        .await
}

#[tokio::test]
async fn each_form_is_accepted_as_it_was_presented_and_no_form_stands_for_the_string() {
    let stage = Stage::new().await;
    let phc_text = phc("shop8.by-another-system", Algorithm::Argon2id);
    for (asked, string, kept, expected) in [
        (
            import(plaintext(STRONG)),
            STRONG,
            hex(STRONG),
            ImportStrength::Strong,
        ),
        (
            declared(sha256("a-digest-declared-strong", None), 128),
            "a-digest-declared-strong",
            hex("a-digest-declared-strong"),
            ImportStrength::Strong,
        ),
        (
            import(plaintext(WEAK)),
            WEAK,
            hex(WEAK),
            ImportStrength::Weak,
        ),
        (
            import(sha256("shop9.digest-of-unknown", Some("shop9"))),
            "shop9.digest-of-unknown",
            hex("shop9.digest-of-unknown"),
            ImportStrength::Weak,
        ),
        (
            import(argon2("shop8.by-another-system", "shop8")),
            "shop8.by-another-system",
            phc_text,
            ImportStrength::Weak,
        ),
    ] {
        let token = imported(&stage, &asked).await.value;
        assert_eq!(strength(&token), expected, "{string}");
        // Passing the hash is not presenting the string.
        for other in [
            kept.as_str(),
            &string[1..],
            &format!("{string}x"),
            &string.to_uppercase(),
        ] {
            assert_eq!(stage.verdict(other).await, Verdict::NotFound, "{other}");
        }
        let first = judged(&stage, string, Scope::All).await.unwrap();
        assert_eq!(first.verdict, Verdict::Valid, "{string}");
        let seen = first.seen.unwrap();
        assert_eq!((seen.token_id, seen.user), (token.id, name("jane")));
        assert_eq!(stage.verdict(string).await, Verdict::Valid, "again");
        stage.later(3_600_000);
    }
    assert_eq!(stage.newest_event("acme").await.action, "token.import");
}

#[tokio::test]
async fn every_kind_of_argon2_is_taken() {
    let stage = Stage::new().await;
    for (kind, locator) in [
        (Algorithm::Argon2d, "shopd"),
        (Algorithm::Argon2i, "shopi"),
        (Algorithm::Argon2id, "shopx"),
    ] {
        let string = format!("{locator}.some-password");
        let hash = SlowHash::foreign(&phc(&string, kind)).unwrap();
        imported(
            &stage,
            &import(Form::Argon2(hash, Some(locator.to_owned()))),
        )
        .await;
        assert_eq!(stage.verdict(&string).await, Verdict::Valid, "{locator}");
    }
}

#[tokio::test]
async fn without_imported_tokens_in_reach_a_foreign_string_is_malformed_and_nothing_is_looked_up() {
    let stage = Stage::new().await;
    assert_eq!(stage.verdict(STRONG).await, Verdict::Malformed);
    stage.done("root", &create_library("rival")).await;
    imported(&stage, &import(plaintext(STRONG))).await;
    let uid = |library: &str| stage.authority.library(&name(library)).unwrap().value.uid;
    for (scope, verdict) in [
        (Scope::All, Verdict::Valid),
        (Scope::Library(uid("acme")), Verdict::Valid),
        // It has none, so a string of another system means nothing to it.
        (Scope::Library(uid("rival")), Verdict::Malformed),
    ] {
        assert_eq!(
            judged(&stage, STRONG, scope).await.unwrap().verdict,
            verdict
        );
    }
    let demand = |library: &str| Demand {
        library: Some(name(library)),
        ..Demand::default()
    };
    for (library, verdict) in [
        ("acme", Verdict::Valid),
        ("rival", Verdict::Malformed),
        ("nowhere", Verdict::Malformed),
    ] {
        let demand = demand(library);
        let judged = stage.authority.verify(STRONG, &demand, None, stage.now());
        assert_eq!(judged.await.unwrap().verdict, verdict, "{library}");
    }
    // What can't be such a string is malformed as ever.
    for text in [
        "",
        "short",
        "with a space in it",
        "tka_and-so-on-and-so-on",
        "schlüssel-wort",
        &"x".repeat(1025),
    ] {
        assert_eq!(stage.verdict(text).await, Verdict::Malformed, "{text}");
    }
}

#[tokio::test]
async fn the_same_string_is_another_token_in_another_library() {
    let stage = Stage::new().await;
    stage.done("root", &create_library("rival")).await;
    for command in ["clerk"] {
        let user_type = crate::authority::user_types::CreateUserType {
            library: name("rival"),
            ..create_user_type(command, &["orders:*"])
        };
        stage.done("root", &user_type).await;
    }
    let user = crate::authority::users::CreateUser {
        library: name("rival"),
        ..create_user("jane", &["clerk"])
    };
    stage.done("root", &user).await;
    let rival = |form| ImportToken {
        token: CreateToken {
            library: name("rival"),
            ..create_token("jane")
        },
        ..import(form)
    };
    let mut ids = Vec::new();
    for text in [STRONG, WEAK] {
        ids.push(imported(&stage, &import(plaintext(text))).await.value.id);
        let there = try_import(&stage, "root", &rival(plaintext(text)), false).await;
        ids.push(there.unwrap().answer.unwrap().value.id);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    let uid = stage.authority.library(&name("rival")).unwrap().value.uid;
    for text in [STRONG, WEAK] {
        let judged = judged(&stage, text, Scope::Library(uid)).await.unwrap();
        assert_eq!(judged.seen.unwrap().library, name("rival"));
    }
    // Neither administers the other.
    let error = try_import(
        &stage,
        "adam",
        &rival(plaintext("another-one-of-them")),
        false,
    )
    .await;
    assert!(error.is_err());
}

/// The record of a token.
async fn kept(stage: &Stage, id: TokenId) -> Token {
    stage.stored(keyspace::token(id)).await.unwrap()
}
