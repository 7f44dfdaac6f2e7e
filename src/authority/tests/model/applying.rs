//! What a policy hits, and bringing the tokens that there are within it.

use std::cmp::Reverse;

use super::calendar::later;
use super::caller::{Presented, Standing};
use super::change::{Change, LIBRARIES, changed};
use super::compare::{Agreed, same};
use super::libraries::UpdateLibrary;
use super::records::{Comment, Effect, Event, Library, Model, Suspended, Text, Token};
use super::run::Run;
use crate::authority::conform::{self, PolicyChange};
use crate::authority::effects::{Hits, PolicyEffects};
use crate::authority::error::{Error, Reason};
use crate::authority::keyspace;
use crate::authority::moment::Moment;
use crate::authority::page::PageRequest;
use crate::authority::secret::TokenId;
use crate::authority::tests::dice::Dice;
use crate::authority::tests::samples::name;
use crate::authority::token::Token as Told;

/// Examples that are told of each kind.
const EXAMPLES: usize = 20;

#[derive(Debug, Clone)]
pub(super) struct ApplyPolicy {
    pub(super) library: Text,
    pub(super) dry_run: bool,
    pub(super) page: i32,
}

/// A token that is not within its library's policy, as it is within it, and which fields that changes.
type Conformed = (usize, Token, Vec<Text>);

// === impl ApplyPolicy ===

impl ApplyPolicy {
    pub(super) fn any(dice: &mut Dice) -> ApplyPolicy {
        ApplyPolicy {
            library: dice.one(&["", LIBRARIES[0], LIBRARIES[0], LIBRARIES[1]]),
            dry_run: dice.chance(30),
            page: dice.one(&[0, 1, 3, 50]),
        }
    }

    /// The newest first.
    fn expected(&self, model: &Model, by: &Standing) -> Result<(usize, Vec<Conformed>), Reason> {
        let library = model.reach(by, self.library)?;
        let library = model.library(library).ok_or(Reason::NotFound)?;
        if !model.complete {
            return Err(Reason::NotReady);
        }
        let mine = model.tokens.iter().enumerate();
        let mine = mine.filter(|(_, token)| token.library == library && model.is_live(token));
        let conformed = mine.map(|(at, token)| (at, model.within_policy(by, token)));
        let outside = conformed.filter(|(at, token)| *token != model.tokens[*at]);
        let outside = outside.map(|(at, after)| {
            let before = &model.tokens[at];
            let fields = changed(&[
                ("expire_time", before.expires != after.expires),
                ("apis", before.grant.apis != after.grant.apis),
                ("state", before.suspended != after.suspended),
            ]);
            (at, after, fields)
        });
        Ok((library, outside.collect()))
    }
}

impl Model {
    /// A live token with all that its library's policy takes from it.
    fn within_policy(&self, by: &Standing, token: &Token) -> Token {
        let library = &self.libraries[token.library];
        let mut after = token.clone();
        after.expires = token.expires.min(later(self.now, library.longest));
        if !self.passes_apis(token, library) {
            return after;
        }
        let mut left = library.contact_apis.clone();
        left.retain(|api| token.grant.apis.is_empty() || token.grant.apis.contains(api));
        if !left.is_empty() {
            after.grant.apis = left;
        } else if token.suspended.is_none() {
            after.suspended = Some(Suspended {
                by: self.name_of(by.user),
                by_administrator: true,
                reason: "policy",
            });
        }
        after
    }

    /// Whether it is a contact's that is good for an API that is not for contacts.
    fn passes_apis(&self, token: &Token, policy: &Library) -> bool {
        let apis = &token.grant.apis;
        let within = apis.iter().all(|api| policy.contact_apis.contains(api));
        self.users[token.user].kind == "CONTACT" && (apis.is_empty() || !within)
    }

    /// Compares what a policy hits.
    fn compare_effects(
        &self,
        run: &Run,
        library: usize,
        policy: &Library,
        told: &PolicyEffects,
    ) -> Agreed {
        let live: Vec<usize> = (0..self.tokens.len())
            .filter(|at| self.tokens[*at].library == library && self.is_live(&self.tokens[*at]))
            .collect();
        same("how many are live", &live.len(), &(told.examined as usize))?;
        let latest = later(self.now, policy.longest);
        let ids = |hit: &dyn Fn(&Token) -> bool| -> Vec<TokenId> {
            let hit = live.iter().filter(|at| hit(&self.tokens[**at]));
            hit.map(|at| run.world.ids[*at]).collect()
        };
        let over = ids(&|token| token.expires > latest);
        compare_hits("too long", &over, &told.over_lifetime)?;
        let apis = ids(&|token| self.passes_apis(token, policy));
        compare_hits("good for other APIs", &apis, &told.outside_apis)?;
        let apart = ids(&|token| Model::lie_apart(&token.grant.networks, &policy.networks));
        compare_hits("used from nowhere", &apart, &told.outside_cidrs)?;
        let crowded = (0..self.users.len()).filter(|user| {
            let mine = live.iter().map(|at| &self.tokens[*at]);
            let has = mine.filter(|token| token.user == *user && self.takes_seat(token));
            policy.limit > 0 && has.count() > policy.limit as usize
        });
        let crowded: Vec<_> = crowded.map(|user| name(self.users[user].name)).collect();
        compare_hits("users with too many", &crowded, &told.users_over_limit)
    }
}

fn compare_hits<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: &[T],
    told: &Hits<T>,
) -> Agreed {
    let known = told.examples.iter().all(|hit| expected.contains(hit));
    let counts = (expected.len(), expected.len().min(EXAMPLES));
    same(what, &counts, &(told.count as usize, told.examples.len()))?;
    same(what, &true, &known)
}

impl Run {
    /// Rehearses a change of a library, and compares what it would hit.
    pub(super) async fn try_policy(&mut self, by: &Presented, update: &UpdateLibrary) -> Agreed {
        let described = |why: String| format!("rehearse {update:?}: {why}");
        self.model.complete = self.world.is_complete();
        let standing = self.model.authenticate(by, UpdateLibrary::RIGHT);
        let expected = standing.and_then(|standing| {
            if update.is_for_operators() {
                standing.demand_operator()?;
            }
            let library = self.model.reach(&standing, update.library)?;
            let mut effect = update.expected(&self.model, &standing, library)?;
            if !self.model.complete {
                return Err(Reason::NotReady);
            }
            let at = self.model.library(library).unwrap();
            let after = effect.libraries.pop().map(|(_, after)| after);
            Ok((at, after.unwrap_or(self.model.libraries[at].clone())))
        });
        let told = self.rehearsed(by, update).await;
        if self.refused(&expected, &told).map_err(described)? {
            return Ok(());
        }
        let (Ok((at, after)), Ok((told, effects))) = (expected, told) else {
            return Ok(());
        };
        self.counts.done("policy.try");
        Model::compare_library(&after, &told)
            .and_then(|()| self.model.compare_effects(self, at, &after, &effects))
            .map_err(described)
    }

    async fn rehearsed(
        &mut self,
        by: &Presented,
        update: &UpdateLibrary,
    ) -> Result<(crate::authority::directory::Library, PolicyEffects), Error> {
        let caller = self.authenticate(by, UpdateLibrary::RIGHT).await?;
        if update.is_for_operators() {
            caller.demand_operator("do this")?;
        }
        let library = caller.reach(update.library)?;
        let (command, now) = (
            update.command(&self.world, &self.model, library),
            Moment(self.model.now),
        );
        let authority = &self.world.authority;
        let proposed = authority.rehearse(&caller, &command, now).await?.unwrap();
        let effects = authority.policy_effects(&proposed, now).await?;
        Ok((proposed, effects))
    }

    pub(super) async fn apply_policy(&mut self, by: &Presented, apply: &ApplyPolicy) -> Agreed {
        let described = |why: String| format!("{apply:?}: {why}");
        self.model.complete = self.world.is_complete();
        let standing = self.model.authenticate(by, "tokens:admin");
        let contact = standing.as_ref();
        if contact.is_ok_and(|by| self.model.users[by.user].kind == "CONTACT") {
            // It may shut itself out on the way.
            return Ok(());
        }
        let expected = standing.and_then(|by| Ok((apply.expected(&self.model, &by)?, by)));
        let told = self.applied(by, apply).await;
        if self.refused(&expected, &told).map_err(described)? {
            return Ok(());
        }
        let (Ok(((library, mut outside), standing)), Ok((changes, left))) = (expected, told) else {
            return Ok(());
        };
        outside
            .sort_by_key(|(at, ..)| (Reverse(self.model.tokens[*at].created), self.world.ids[*at]));
        let expected: Vec<_> = outside
            .iter()
            .map(|(at, after, fields)| {
                let before = &self.model.tokens[*at];
                let change = PolicyChange {
                    user: name(self.model.users[before.user].name),
                    fields: fields.iter().map(|field| (*field).to_owned()).collect(),
                    old_expire_time: Moment(before.expires),
                    new_expire_time: Moment(after.expires),
                };
                (self.world.ids[*at], change)
            })
            .collect();
        same("the changes", &expected, &changes).map_err(described)?;
        if !apply.dry_run && !outside.is_empty() {
            self.counts.done("token.apply-policy");
            self.conformed(&standing, outside).await;
        }
        let policy = &self.model.libraries[library];
        let left = left.ok_or_else(|| described("what is left is not told".to_owned()))?;
        let left = self.model.compare_effects(self, library, policy, &left);
        left.map_err(described)
    }

    /// Each of them is changed by a commit of its own, in whatever order.
    async fn conformed(&mut self, by: &Standing, outside: Vec<Conformed>) {
        let mut effects = Vec::new();
        for (at, token, fields) in outside {
            let place = keyspace::token(self.world.ids[at]);
            let found = self.world.authority.fetch::<Told>(place).await;
            let revision = found.unwrap().unwrap().revision.0;
            let mut event = Event {
                comment: Comment::Text(if fields.contains(&"state") {
                    "policy"
                } else {
                    ""
                }),
                fields,
                ..self.model.event_of(at)
            };
            self.model.sign(&mut event, by, "token.apply-policy");
            let effect = Effect {
                tokens: vec![(at, token)],
                event: Some(event),
                ..Effect::default()
            };
            effects.push((revision, effect));
        }
        effects.sort_by_key(|(revision, _)| *revision);
        for (revision, effect) in effects {
            self.model.apply(effect, revision);
        }
    }

    /// All pages.
    async fn applied(
        &mut self,
        by: &Presented,
        apply: &ApplyPolicy,
    ) -> Result<(Vec<(TokenId, PolicyChange)>, Option<PolicyEffects>), Error> {
        let caller = self.authenticate(by, "tokens:admin").await?;
        let library = caller.reach(apply.library)?;
        let (call, mut token) = (self.call_of(caller, None), String::new());
        let mut changes = Vec::new();
        loop {
            let asked = conform::ApplyPolicy {
                library: library.clone(),
                dry_run: apply.dry_run,
                page: PageRequest {
                    size: apply.page,
                    token,
                },
            };
            let authority = &self.world.authority;
            let applied = authority.apply_policy(&call, &asked, self.now()).await?;
            for (id, change) in applied.changes {
                changes.push((id, change?));
            }
            token = applied.next;
            if token.is_empty() {
                return Ok((changes, applied.left));
            }
        }
    }
}
