//! Tokens of another system: imported, and verified in their own form.

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use ring::digest::{SHA256, digest};

use super::caller::{Presented, Standing};
use super::compare::Agreed;
use super::records::{Comment, Effect, Imported, Model, Text, Token};
use super::rights::reserved_of;
use super::run::Run;
use super::token_changes::CreateToken;
use crate::authority::error::{Error, Reason};
use crate::authority::import::{self, Cut, ForeignString};
use crate::authority::keys::Digest;
use crate::authority::moment::Moment;
use crate::authority::password::SlowHash;
use crate::authority::tests::dice::Dice;
use crate::authority::token::Token as Told;
use crate::authority::transaction::Done;

/// More libraries with imported tokens are not looked through for a string.
const MOST_LIBRARIES: usize = 16;

/// What is known of a string.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Form {
    /// A string that was drawn at random.
    Strong,
    /// The digest of one that is said to have been.
    Digest,
    /// A cheap Argon2 hash, and its locator.
    Hash,
    /// A string that somebody made up.
    Weak,
    /// The same, with nothing that could find it.
    Uncut,
}

#[derive(Debug, Clone)]
pub(super) struct ImportToken {
    pub(super) token: CreateToken,
    pub(super) form: Form,
    /// Which one of its library.
    pub(super) number: usize,
    pub(super) dry_run: bool,
}

// === impl Form ===

impl Form {
    fn string(self, library: usize, number: usize) -> String {
        match self {
            Form::Strong => format!("Zq3Xv8LmT1yRk6Wd0NpJ5bHs9CgAf2UeQo7Ei4Bt{library}x{number}"),
            Form::Digest => format!("drawn-elsewhere-{library}-{number}"),
            Form::Hash => format!("shop{library}-{number}.summer-of-2019"),
            Form::Weak | Form::Uncut => format!("shop{library}-{number}.autumn-of-2019"),
        }
    }

    fn imported(self, library: usize, number: usize) -> Imported {
        let strong = matches!(self, Form::Strong | Form::Digest);
        let found_by = if strong {
            self.string(library, number)
        } else {
            format!("shop{library}-{number}")
        };
        Imported { strong, found_by }
    }

    fn asked(self, library: usize, number: usize) -> import::Form {
        let (text, locator) = (
            self.string(library, number),
            format!("shop{library}-{number}"),
        );
        match self {
            Form::Digest => {
                let bytes = digest(&SHA256, text.as_bytes());
                let hex = |hex: String, byte: &u8| format!("{hex}{byte:02x}");
                let hex = bytes.as_ref().iter().fold(String::new(), hex);
                import::Form::Sha256(Digest::parse(&hex).unwrap(), None)
            }
            Form::Hash => {
                let params = Params::new(64, 1, 1, None).unwrap();
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
                let hash = argon2.hash_password_with_salt(text.as_bytes(), b"0123456789abcdef");
                let hash = SlowHash::foreign(&hash.unwrap().to_string()).unwrap();
                import::Form::Argon2(hash, Some(locator))
            }
            _ => import::Form::Plaintext(ForeignString::parse(text).unwrap()),
        }
    }
}

// === impl ImportToken ===

impl ImportToken {
    pub(super) fn any(dice: &mut Dice) -> ImportToken {
        use Form::{Digest, Hash, Strong, Uncut, Weak};
        let mut token = CreateToken::any(dice);
        if dice.chance(85) {
            token
                .listed
                .retain(|listed| reserved_of(&[listed]).is_empty());
        }
        ImportToken {
            token,
            form: dice.weighted(&[
                (40, Strong),
                (30, Digest),
                (40, Hash),
                (1, Weak),
                (2, Uncut),
            ]),
            number: dice.roll() % 12,
            dry_run: dice.chance(15),
        }
    }

    fn expected(&self, model: &Model, by: &Standing) -> Result<(usize, Effect), Reason> {
        let library = model.reach(by, self.token.library)?;
        let at = model.library(library).ok_or(Reason::NotFound)?;
        model.tokens_allowed(at)?;
        if self.form == Form::Uncut {
            return Err(Reason::InvalidFields);
        }
        let mut effect = self.token.draft(model, by, library)?;
        let token = &mut effect.tokens[0].1;
        if !reserved_of(&token.grant.listed).is_empty() {
            return Err(Reason::InvalidFields);
        }
        let imported = self.form.imported(at, self.number);
        let known = |other: &Token| {
            let other = other.imported.as_ref().filter(|_| other.library == at);
            other == Some(&imported)
        };
        if model.tokens.iter().any(known) {
            return Err(Reason::AlreadyImported);
        }
        model.take_seat(at, token.user)?;
        let strength = if imported.strong { "strong" } else { "weak" };
        (token.sealed_under, token.imported) = (None, Some(imported));
        effect.answer.secret = None;
        let mut event = effect.event.take().unwrap_or_default();
        event.comment = Comment::Text(strength);
        model.sign(&mut event, by, "token.import");
        effect.event = Some(event);
        Ok((at, effect))
    }
}

impl Model {
    /// Why an imported token is not found by its string, if it is not: in no library that is meant, or where none has any.
    pub(super) fn misses(&self, token: &Token, scope: Option<usize>, named: Text) -> Option<Text> {
        let named = (!named.is_empty()).then(|| self.library(named));
        let meant = |library: usize| match (scope, named) {
            (Some(scope), _) => library == scope,
            (None, Some(named)) => named == Some(library),
            (None, None) => true,
        };
        let mut imported = self.tokens.iter().filter(|t| t.imported.is_some());
        if meant(token.library) {
            None
        } else if imported.any(|t| meant(t.library)) {
            Some("NOT_FOUND")
        } else {
            Some("MALFORMED")
        }
    }
}

impl Run {
    pub(super) async fn import(&mut self, by: &Presented, import: &ImportToken) -> Agreed {
        let described = |why: String| format!("{import:?}: {why}");
        let with_any = |at: &usize| {
            let mut tokens = self.model.tokens.iter();
            tokens.any(|token| token.library == *at && token.imported.is_some())
        };
        if (0..self.model.libraries.len()).filter(with_any).count() >= MOST_LIBRARIES {
            return Ok(());
        }
        self.world.load_all().await;
        self.model.complete = true;
        let standing = self.model.authenticate(by, "tokens:admin");
        let expected = standing.and_then(|standing| import.expected(&self.model, &standing));
        let told = self.imported(by, import).await;
        if self.refused(&expected, &told).map_err(described)? {
            return Ok(());
        }
        let (Ok((at, effect)), Ok(done)) = (expected, told) else {
            return Ok(());
        };
        if import.dry_run {
            return Ok(());
        }
        self.counts.done("token.import");
        let id = done.answer.as_ref().map(|told| told.value.id);
        self.world.ids.extend(id);
        self.world
            .secrets
            .push(import.form.string(at, import.number));
        let answer = self.carried_out(effect, &done);
        self.compare_done(&answer, &done).map_err(described)
    }

    async fn imported(
        &mut self,
        by: &Presented,
        import: &ImportToken,
    ) -> Result<Done<Told>, Error> {
        let caller = self.authenticate(by, "tokens:admin").await?;
        let library = caller.reach(import.token.library)?;
        let (now, call) = (self.now(), self.call_of(caller, None));
        let authority = &self.world.authority;
        let into = authority.import_into(&call.caller, &library, Moment(self.model.now))?;
        let at = self.model.library(library.as_str()).unwrap();
        let asked = import::ImportToken {
            token: import.token.asked(&self.model, library),
            form: import.form.asked(at, import.number),
            cut: (import.form != Form::Uncut).then_some(Cut::Separator(b'.')),
            declared_bits: if import.form == Form::Digest { 128 } else { 0 },
        };
        let placed = authority.place_import(&asked, into)?;
        let rehearsal = import.dry_run.then(import::Rehearsal::default);
        authority
            .import_token(&call, &asked, &placed, rehearsal.as_ref(), now)
            .await
    }
}
