//! What a library's policy hits: the live tokens, and the users, that are not within it.

use std::collections::HashMap;

use super::Authority;
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

/// Examples of each kind.
const EXAMPLES: usize = 20;

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
    /// What this policy of a library hits, whether it is its own or one that is only proposed.
    ///
    /// # Errors
    /// [`super::error::Reason::NotReady`] while the tokens are being loaded.
    pub async fn policy_effects(
        &self,
        policy: &Library,
        now: Moment,
    ) -> Result<PolicyEffects, Error> {
        let mut effects = PolicyEffects::default();
        let mut by_user: HashMap<u32, u32> = HashMap::new();
        let latest = latest_expiry(policy, now);
        let mut at = None;
        loop {
            at = self.look_at_library(policy.uid, at, SLICE, |view| {
                if is_live(view, now) {
                    effects.count(view, policy, latest);
                    if takes_seat(view, now) {
                        *by_user.entry(view.token.user).or_default() += 1;
                    }
                }
                true
            })?;
            if at.is_none() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let limit = policy.max_tokens_per_user;
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

// === impl PolicyEffects ===

impl PolicyEffects {
    fn count(&mut self, view: &View<'_>, policy: &Library, latest: Moment) {
        let (id, grant) = (view.token.id, view.records.grant);
        self.examined = self.examined.saturating_add(1);
        if view.token.expire_time > latest {
            self.over_lifetime.add(|| id);
        }
        let contact = view
            .records
            .user
            .is_some_and(|user| user.kind == UserKind::Contact);
        if contact && !within_contact_apis(&grant.apis, policy) {
            self.outside_apis.add(|| id);
        }
        if used_from_nowhere(grant, policy) {
            self.outside_cidrs.add(|| id);
        }
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
