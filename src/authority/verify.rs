//! Verify, the hot path: memory only. Parse, look up, one HMAC, the judge.

use super::Authority;
use super::caller::Caller;
use super::directory::{Assignment, Uid, UserKind};
use super::error::{Error, Reason};
use super::grant::Rights;
use super::index::{Lookup, State, Successor, View};
use super::judge::{self, Demand, Verdict};
use super::keyspace;
use super::moment::{Moment, Now};
use super::name::Name;
use super::secret::{Secret, TokenId};
use super::token::TokenKind;
use super::uses::{Note, Service};
use crate::store::{Load, Revision};

/// Most look-ups of tokens that are not loaded yet, at once: beyond them the answer is to try again.
pub(super) const MAX_MISSES: usize = 64;

/// Whose tokens a verifier may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    All,
    /// Those of this library; any other is `NOT_FOUND` to it.
    Library(Uid),
}

/// The answer to Verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What was found.
    pub verdict: Verdict,
    /// The revision of the state that it was judged by.
    pub revision: Revision,
    /// Whose token it is, once its secret has proved right.
    pub seen: Option<Seen>,
}

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The token.
    pub token_id: TokenId,
    /// What it is for.
    pub kind: TokenKind,
    /// Its library.
    pub library: Name,
    /// The uid of that.
    pub library_uid: Uid,
    /// The customer that the library belongs to; empty if it is deleted.
    pub tenant_id: String,
    /// Its user.
    pub user: Name,
    /// The kind of that user; `None` if it is deleted.
    pub user_kind: Option<UserKind>,
    /// The first moment at which it is no longer good.
    pub expire_time: Moment,
    /// When VALID: the assignments in force.
    pub assignments: Vec<Assignment>,
    /// When VALID: the permissions in effect.
    pub permissions: Vec<String>,
    /// When VALID: the only customer whose data may be shown.
    pub data_owner: String,
    /// Which token took its place.
    pub successor: Option<Successor>,
}

impl Authority {
    /// Judges a secret string for a demand of this caller, or of an anonymous one, and notes the use in memory.
    ///
    /// # Errors
    /// Only where it could not be checked: the store or the index can't answer now.
    pub async fn verify(
        &self,
        text: &str,
        demand: &Demand,
        caller: Option<&Caller>,
        now: Now,
    ) -> Result<Judgement, Error> {
        let scope = caller.map_or(Scope::All, |caller| caller.scope);
        let time = now.time;
        let judgement = match Secret::parse(text) {
            Ok(secret) => {
                let judge = |_: &State, view: Option<&View<'_>>, revision| {
                    Judgement::of(view, demand, scope, time, revision)
                };
                self.with_proven(&secret, judge).await?
            }
            Err(_) => self.verify_imported(text, demand, scope, time).await?,
        };
        if let Some(seen) = &judgement.seen {
            self.uses.note(&Note {
                id: seen.token_id,
                library: seen.library_uid,
                is_session: seen.kind == TokenKind::Session,
                verdict: judgement.verdict,
                demanded: &demand.permissions,
                right: None,
                client_ip: demand.client_ip,
                by: caller.map_or(Service::Anonymous, Caller::service),
                time: self.logged(now),
                ahead: now.ahead(),
            });
        }
        Ok(judgement)
    }

    /// Looks up the token that a secret proves, and asks about it; about none where there is none, or the proof fails.
    pub(super) async fn with_proven<T>(
        &self,
        secret: &Secret,
        ask: impl Fn(&State, Option<&View<'_>>, Revision) -> T,
    ) -> Result<T, Error> {
        if let Some(answer) = self.ask(secret, false, &ask)? {
            return Ok(answer);
        }
        self.load_missed(secret.id).await?;
        // What the store holds of it is in the index now: what is still not there does not exist.
        self.ask(secret, true, &ask)?
            .ok_or_else(|| Error::new(Reason::Internal, "a look-up was not final"))
    }

    /// One look-up; `None` if the token must be loaded first.
    fn ask<T>(
        &self,
        secret: &Secret,
        is_final: bool,
        ask: &impl Fn(&State, Option<&View<'_>>, Revision) -> T,
    ) -> Result<Option<T>, Error> {
        let state = self.index.read()?;
        let (tried, found) = state.tried(secret.id);
        let is_known = match found {
            Lookup::Known(()) => true,
            Lookup::Unknown => false,
            Lookup::NotLoaded if is_final => false,
            Lookup::NotLoaded => return Ok(None),
            Lookup::Damaged => return Err(damaged()),
        };
        // Nothing more is looked up before the proof: how long a refusal takes must not tell whether there is such an id.
        // What another system issued is proved by its own string alone.
        let minted = tried.filter(|token| token.imported().is_none());
        let expected = minted.map(|token| (token.tag, token.key_version()));
        let keys = state.hmac_keys();
        let proven = keys.proves(secret, expected);
        let view = tried
            .filter(|_| proven & is_known)
            .map(|token| state.view(token));
        if let Some(view) = &view {
            let by = (view.token.tag, view.token.key_version());
            let tag = || keys.tag(secret);
            self.retags.note(view.token.id, by, keys, tag);
        }
        Ok(Some(ask(&state, view.as_ref(), state.revision())))
    }

    pub(super) async fn load_missed(&self, id: TokenId) -> Result<(), Error> {
        let _place = self.misses.try_acquire().map_err(|_| {
            Error::new(
                Reason::NotReady,
                "the tokens are still being loaded; try again",
            )
        })?;
        match self.store.load(Load::One(keyspace::token(id))).await {
            Err(crate::store::StoreError::Damaged(key)) => {
                self.index.mark_damaged(&key);
                return Err(damaged());
            }
            other => other.map(drop)?,
        }
        // A session may be judged by its last use.
        if self.index.read()?.is_session(id) {
            self.load_uses_of(id).await?;
        }
        Ok(())
    }
}

// === impl Judgement ===

impl Judgement {
    /// About a text that is no token.
    pub(super) fn unseen(verdict: Verdict, revision: Revision) -> Judgement {
        Judgement {
            verdict,
            revision,
            seen: None,
        }
    }

    pub(super) fn of(
        view: Option<&View<'_>>,
        demand: &Demand,
        scope: Scope,
        now: Moment,
        revision: Revision,
    ) -> Judgement {
        let visible = view.filter(|v| match scope {
            Scope::All => true,
            Scope::Library(uid) => v.library.uid == uid,
        });
        let Some(view) = visible else {
            return Judgement::unseen(Verdict::NotFound, revision);
        };
        let judged = judge::judge(view.records, demand, now);
        let seen = Some(Seen::of(view, judged.as_ref().ok()));
        Judgement {
            verdict: judged.err().unwrap_or(Verdict::Valid),
            revision,
            seen,
        }
    }
}

// === impl Seen ===

impl Seen {
    fn of(view: &View<'_>, rights: Option<&Rights<'_>>) -> Seen {
        let (library, user) = (view.records.library, view.records.user);
        Seen {
            token_id: view.token.id,
            kind: view.records.token.kind,
            library: view.library.library.clone(),
            library_uid: view.library.uid,
            tenant_id: library
                .map(|l| l.value.tenant_id.clone())
                .unwrap_or_default(),
            user: view.user.user.clone(),
            user_kind: user.map(|u| u.kind),
            expire_time: view.token.expire_time,
            assignments: rights
                .map(|r| r.assignments().cloned().collect())
                .unwrap_or_default(),
            permissions: rights
                .map(|r| r.effective().texts().map(str::to_owned).collect())
                .unwrap_or_default(),
            data_owner: rights
                .and(user)
                .map(|u| u.data_owner.clone())
                .unwrap_or_default(),
            successor: view.successor.copied(),
        }
    }
}

pub(super) fn damaged() -> Error {
    Error::new(
        Reason::RecordDamaged,
        "the token's record can't be read; an operator finds its key in the log",
    )
}
