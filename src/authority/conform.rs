//! Bringing the tokens that there are within their library's policy, when somebody asks for it.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::task::JoinSet;

use super::Authority;
use super::caller::Authorised;
use super::change::{changed_fields, plan_for};
use super::directory::{Library, Uid, UserKind};
use super::effects::PolicyEffects;
use super::error::{Error, Reason};
use super::index::{Place, View};
use super::judge::UserFacts;
use super::keyspace::Versioned;
use super::moment::{Moment, Now};
use super::name::Name;
use super::page::{Binding, PageRequest, bad_page_token};
use super::policy::{latest_expiry, leaves_room, within_contact_apis};
use super::secret::TokenId;
use super::slices::SLICE;
use super::state::{TokenState, is_live};
use super::token::{Suspension, Token};
use super::transaction::{Call, Command, Plan};

/// Most tokens that one call looks at: one that finds few to change answers with a short page and goes on in the next.
const MAX_EXAMINED: usize = 10_000;
/// Tokens that one call changes if it does not say how many.
const DEFAULT_CHANGES: usize = 200;
/// Most tokens that one call changes.
const MAX_CHANGES: usize = 1000;
/// How many are changed at a time: enough for the store to write them together.
const AT_ONCE: usize = 16;
/// The reason of a suspension for which no person gave one.
const SUSPENDED_FOR: &str = "policy";

/// Brings the live tokens of a library within its policy.
#[derive(Debug, Clone)]
pub struct ApplyPolicy {
    /// The library; one that the caller reaches.
    pub library: Name,
    /// Says what would be changed, and changes nothing.
    pub dry_run: bool,
    /// How many tokens to change at most, and where to go on.
    pub page: PageRequest,
}

/// What a call did.
#[derive(Debug)]
pub struct Applied {
    /// The tokens that were changed, each for itself, or could not be.
    pub changes: Vec<(TokenId, Result<PolicyChange, Error>)>,
    /// Gets the next page; empty after the last.
    pub next: String,
    /// What is not within the policy now; in the last page alone.
    pub left: Option<PolicyEffects>,
}

/// A token before and after it was brought within its library's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyChange {
    /// Its user.
    pub user: Name,
    /// The fields that were changed.
    pub fields: Vec<String>,
    /// When it expired before.
    pub old_expire_time: Moment,
    /// When it expires now.
    pub new_expire_time: Moment,
}

/// Brings one token within its library's policy.
#[derive(Debug)]
pub(super) struct Conform {
    id: TokenId,
    /// What the latest plan would do; `None` if the token is within the policy already.
    change: Mutex<Option<PolicyChange>>,
}

impl Authority {
    /// Carries it out for a page of tokens, newest first.
    ///
    /// # Errors
    /// [`Reason::NotReady`] while the tokens are being loaded; what is wrong with one token is told beside the others.
    pub async fn apply_policy(
        self: &Arc<Self>,
        call: &Call,
        asked: &ApplyPolicy,
        now: Now,
    ) -> Result<Applied, Error> {
        let by = self.authorise(&call.caller, now.time)?;
        let library = self.library(&asked.library)?.value;
        let filter = format!("{}/{}", library.uid, asked.dry_run);
        let binding = Binding::new("policy", &by, filter);
        let after = match self.open_page(&binding, &asked.page)? {
            None => None,
            Some(cursor) => Some(Place::from_cursor(&cursor).ok_or_else(bad_page_token)?),
        };
        let most = match usize::try_from(asked.page.size) {
            Err(_) | Ok(0) => DEFAULT_CHANGES,
            Ok(size) => size.min(MAX_CHANGES),
        };
        let (found, next) = self
            .outside_policy(library.uid, after, most, now.time)
            .await?;
        // What is done already needs no request id to be known.
        let call = Arc::new(Call {
            request: None,
            ..call.clone()
        });
        let changes = self.conform_each(&call, found, asked.dry_run, now).await?;
        let left = match next {
            Some(_) => None,
            None => Some(self.policy_effects(&library, now.time).await?),
        };
        let seal = |place: Place| self.seal_page(&binding, &place.to_cursor());
        Ok(Applied {
            changes,
            next: next.map(seal).unwrap_or_default(),
            left,
        })
    }

    /// The tokens that are not within their library's policy: so many at most, and where to go on.
    async fn outside_policy(
        &self,
        library: Uid,
        mut at: Option<Place>,
        most: usize,
        now: Moment,
    ) -> Result<(Vec<TokenId>, Option<Place>), Error> {
        let (mut found, mut left) = (Vec::new(), MAX_EXAMINED);
        loop {
            at = self.look_at_library(library, at, left.min(SLICE), |view| {
                left -= 1;
                if is_live(view, now) && is_outside(view, now) {
                    found.push(view.token.id);
                }
                found.len() < most
            })?;
            if at.is_none() || found.len() == most || left == 0 {
                return Ok((found, at));
            }
            tokio::task::yield_now().await;
        }
    }

    /// Changes tokens, several at a time. Those that turn out to be within the policy by now are left out.
    async fn conform_each(
        self: &Arc<Self>,
        call: &Arc<Call>,
        ids: Vec<TokenId>,
        dry_run: bool,
        now: Now,
    ) -> Result<Vec<(TokenId, Result<PolicyChange, Error>)>, Error> {
        let mut running = JoinSet::new();
        let mut waiting = ids.into_iter().enumerate();
        let mut done = Vec::new();
        loop {
            while running.len() < AT_ONCE
                && let Some((number, id)) = waiting.next()
            {
                let (authority, call) = (self.clone(), call.clone());
                running.spawn(async move {
                    let changed = authority.conform(&call, id, dry_run, now).await;
                    (number, id, changed)
                });
            }
            match running.join_next().await {
                None => break,
                Some(Ok((_, _, Ok(None)))) => {}
                Some(Ok((number, id, Ok(Some(change))))) => done.push((number, id, Ok(change))),
                Some(Ok((number, id, Err(error)))) => done.push((number, id, Err(error))),
                Some(Err(_)) => {
                    let why = "a change was interrupted; repeat the call";
                    return Err(Error::new(Reason::Internal, why));
                }
            }
        }
        done.sort_unstable_by_key(|(number, ..)| *number);
        Ok(done.into_iter().map(|(_, id, done)| (id, done)).collect())
    }

    async fn conform(
        &self,
        call: &Call,
        id: TokenId,
        dry_run: bool,
        now: Now,
    ) -> Result<Option<PolicyChange>, Error> {
        let command = Conform {
            id,
            change: Mutex::default(),
        };
        if dry_run {
            self.rehearse(&call.caller, &command, now.time).await?;
        } else {
            self.perform(call, &command, now).await?;
        }
        let change = command.change.into_inner();
        Ok(change.unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Command for Conform {
    const ACTION: &'static str = "token.apply-policy";
    type Answer = Token;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<Token>, Error> {
        let before = authority.visible_token(by, self.id).await?;
        let mut plan = plan_for(&before);
        let old = &before.value;
        let (state, _) = authority.token_state(old, now)?;
        let ended = matches!(state, TokenState::Revoked | TokenState::OwnerDeleted);
        let mut token = old.clone();
        if !ended && now < old.expire_time {
            token = authority.with_owner(old, &mut plan, |library, user, _| {
                within_policy(old, library, user, by, now)
            })?;
        }
        plan.event.fields = changed_fields(old, &token);
        if token.suspension != old.suspension {
            plan.event.fields.push("state".to_owned());
            SUSPENDED_FOR.clone_into(&mut plan.event.comment);
        }
        let change = (token != *old).then(|| PolicyChange {
            user: old.user.clone(),
            fields: plan.event.fields.clone(),
            old_expire_time: old.expire_time,
            new_expire_time: token.expire_time,
        });
        *self.change.lock().unwrap_or_else(PoisonError::into_inner) = change;
        plan.replace(&before, token)?;
        Ok(plan)
    }
}

/// Whether a live token is not within its library's policy. A contact's that is suspended has nothing left to lose.
fn is_outside(view: &View<'_>, now: Moment) -> bool {
    let (Some(library), Some(user)) = (view.records.library, view.records.user) else {
        return false;
    };
    let library: &Versioned<Library> = library;
    let apis = &view.records.grant.apis;
    let narrowed = user.kind == UserKind::Contact && !within_contact_apis(apis, &library.value);
    view.token.expire_time > latest_expiry(&library.value, now)
        || narrowed && !(view.records.token.suspended && left_of(apis, &library.value).is_empty())
}

/// A token with all that its library's policy takes from it.
fn within_policy(
    old: &Token,
    library: &Library,
    user: &UserFacts,
    by: &Authorised,
    now: Moment,
) -> Token {
    let mut token = old.clone();
    token.expire_time = old.expire_time.min(latest_expiry(library, now));
    if user.kind != UserKind::Contact || within_contact_apis(&old.grant.apis, library) {
        return token;
    }
    let left = left_of(&old.grant.apis, library);
    if !left.is_empty() {
        token.grant.apis = left;
    } else if token.suspension.is_none() {
        token.suspension = Some(Suspension {
            time: now,
            suspended_by: by.on_behalf_of(),
            by_administrator: true,
            reason: SUSPENDED_FOR.to_owned(),
        });
        if leaves_room(&token).is_err()
            && let Some(suspension) = &mut token.suspension
        {
            suspension.reason.clear();
        }
    }
    token
}

/// Those of a contact's APIs that its library has for contacts; of one that names none, all of the library's.
fn left_of(apis: &[Name], library: &Library) -> Vec<Name> {
    let allowed = library.contact_apis.iter();
    allowed
        .filter(|api| apis.is_empty() || apis.contains(api))
        .cloned()
        .collect()
}
