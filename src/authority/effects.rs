//! What a library's policy hits: the live tokens, and the users, that are not within it.

use std::collections::HashMap;
use std::time::Duration;

use super::Authority;
use super::cidr::Cidr;
use super::directory::{Library, UserKind};
use super::error::Error;
use super::index::View;
use super::moment::Moment;
use super::name::Name;
use super::policy::{latest_expiry, used_from_nowhere, within_contact_apis};
use super::seats::takes_seat;
use super::secret::TokenId;
use super::slices::SLICE;
use super::state::is_live;
use super::token::Grant;
use crate::clock::Budget;

/// Examples of each kind.
const EXAMPLES: usize = 20;
/// How long tokens are looked at, all told: a change of the policy is committed by then, and its caller waits for the answer.
const LOOKED: Duration = Duration::from_secs(3);
/// Most lists of networks of which is remembered whether the library's leave them anything. Tokens of one purpose share
/// theirs, and 64 with 64 are 4,096 comparisons.
const REMEMBERED: usize = 1000;

/// What a policy hits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyEffects {
    /// How many live tokens were looked at.
    pub examined: u32,
    /// Those that last longer than `max_lifetime`, from now.
    pub over_lifetime: Hits<TokenId>,
    /// Contacts' tokens that are good for an API that is not among `contact_apis`.
    pub outside_apis: Hits<TokenId>,
    /// Those that can't be used from anywhere: they and the library allow no address in common.
    pub outside_cidrs: Hits<TokenId>,
    /// Users with more live API tokens than `max_tokens_per_user`.
    pub users_over_limit: Hits<Name>,
    /// Time was up before all were looked at: the rest may hold more of everything.
    pub incomplete: bool,
}

/// What a policy hits, as it is being found.
struct Finding<'a> {
    policy: &'a Library,
    latest: Moment,
    now: Moment,
    effects: PolicyEffects,
    /// Seats taken, by user.
    by_user: HashMap<u32, u32>,
    /// Whether networks are good for nothing under the policy.
    nowhere: HashMap<Vec<Cidr>, bool>,
}

/// What is hit in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hits<T> {
    /// How many.
    pub count: u32,
    /// Some of them, 20 at most.
    pub examples: Vec<T>,
}

impl Authority {
    /// What this policy of a library hits, whether it is its own or one that is only proposed: as much of it as is found in 3
    /// seconds, the newest tokens first.
    ///
    /// # Errors
    /// [`super::error::Reason::NotReady`] while the tokens are being loaded.
    pub async fn policy_effects(
        &self,
        policy: &Library,
        now: Moment,
    ) -> Result<PolicyEffects, Error> {
        self.policy_effects_within(LOOKED, policy, now).await
    }

    pub(super) async fn policy_effects_within(
        &self,
        time: Duration,
        policy: &Library,
        now: Moment,
    ) -> Result<PolicyEffects, Error> {
        let (budget, mut finding) = (Budget::of(time), Finding::begin(policy, now));
        let mut at = None;
        loop {
            if budget.is_spent() {
                finding.effects.incomplete = true;
                break;
            }
            at = self.look_at_library(policy.uid, at, SLICE, |view| {
                finding.look(view);
                true
            })?;
            if at.is_none() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let limit = policy.max_tokens_per_user;
        let Finding {
            mut effects,
            by_user,
            ..
        } = finding;
        let mut over: Vec<(u32, u32)> = by_user
            .into_iter()
            .filter(|(_, has)| limit > 0 && *has > limit)
            .map(|(user, has)| (has, user))
            .collect();
        over.sort_unstable_by(|a, b| b.cmp(a));
        let state = self.index.read()?;
        for (_, user) in over {
            let user = state.directory().user(user);
            effects.users_over_limit.add(|| user.user.clone());
        }
        Ok(effects)
    }
}

// === impl Finding ===

impl<'a> Finding<'a> {
    fn begin(policy: &'a Library, now: Moment) -> Finding<'a> {
        Finding {
            policy,
            latest: latest_expiry(policy, now),
            now,
            effects: PolicyEffects::default(),
            by_user: HashMap::new(),
            nowhere: HashMap::new(),
        }
    }

    fn look(&mut self, view: &View<'_>) {
        if !is_live(view, self.now) {
            return;
        }
        let (id, grant) = (view.token.id, view.records.grant);
        let effects = &mut self.effects;
        effects.examined = effects.examined.saturating_add(1);
        if view.token.expire_time > self.latest {
            effects.over_lifetime.add(|| id);
        }
        let contact = view
            .records
            .user
            .is_some_and(|user| user.kind == UserKind::Contact);
        if contact && !within_contact_apis(&grant.apis, self.policy) {
            effects.outside_apis.add(|| id);
        }
        if takes_seat(view, self.now) {
            *self.by_user.entry(view.token.user).or_default() += 1;
        }
        if self.is_used_from_nowhere(grant) {
            self.effects.outside_cidrs.add(|| id);
        }
    }

    fn is_used_from_nowhere(&mut self, grant: &Grant) -> bool {
        if let Some(known) = self.nowhere.get(&grant.allowed_cidrs) {
            return *known;
        }
        let found = used_from_nowhere(grant, self.policy);
        if self.nowhere.len() < REMEMBERED {
            self.nowhere.insert(grant.allowed_cidrs.clone(), found);
        }
        found
    }
}

// === impl Hits ===

impl<T> Hits<T> {
    fn add(&mut self, example: impl FnOnce() -> T) {
        self.count = self.count.saturating_add(1);
        if self.examples.len() < EXAMPLES {
            self.examples.push(example());
        }
    }
}

impl<T> Default for Hits<T> {
    fn default() -> Self {
        Hits {
            count: 0,
            examples: Vec::new(),
        }
    }
}
