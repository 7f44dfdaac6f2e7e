//! Review: which tokens should be looked at, and why.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::calendar::later;
use super::caller::{Presented, Standing};
use super::change::LIBRARIES;
use super::compare::{Agreed, same};
use super::records::{Model, Text, Token};
use super::rights::{
    held_by, in_force, is_reserved, left_by, meets, ordinary_of, reserved_of, without,
};
use super::run::Run;
use crate::authority::error::{Error, Reason};
use crate::authority::moment::Moment;
use crate::authority::page::PageRequest;
use crate::authority::review::Finding;
use crate::authority::tests::dice::Dice;
use crate::authority::tests::naive::gives;
use crate::authority::tests::stage::DAY;

#[derive(Debug, Clone)]
pub(super) struct Review {
    pub(super) library: Text,
    pub(super) page: i32,
}

/// Why a token should be looked at, what of its rights nothing needed, and when policy would have it end.
type Found = (Vec<String>, Vec<String>, Option<Moment>);

// === impl Review ===

impl Review {
    pub(super) fn any(dice: &mut Dice) -> Review {
        Review {
            library: dice.one(&["", LIBRARIES[0], LIBRARIES[0], LIBRARIES[1], "system"]),
            page: dice.one(&[0, 1, 7, 50]),
        }
    }

    fn expected(&self, model: &Model, by: &Standing) -> Result<Vec<(usize, Found)>, Reason> {
        let library = model.reach(by, self.library)?;
        let library = model.library(library).ok_or(Reason::NotFound)?;
        if !model.complete {
            return Err(Reason::NotReady);
        }
        let mine = model.tokens.iter().enumerate();
        let mine = mine.filter(|(_, token)| token.library == library);
        let found = mine.map(|(at, token)| (at, model.found(token)));
        Ok(found.filter(|(_, found)| !found.0.is_empty()).collect())
    }
}

impl Model {
    fn found(&self, token: &Token) -> Found {
        if !["ACTIVE", "SUSPENDED", "NOT_YET_VALID"].contains(&self.state(token)) {
            return Found::default();
        }
        let (library, user) = (&self.libraries[token.library], &self.users[token.user]);
        let now = self.now;
        let last = token.used.last.as_ref().map(|last| last.time);
        let good_since = token.created.max(token.not_before.unwrap_or(token.created));
        let latest = later(now, library.longest);
        let unused = if token.session {
            Vec::new()
        } else {
            self.unused_rights(token)
        };
        let heir = token.superseded.is_some();
        let open = token.grant.networks.is_empty() && library.networks.is_empty();
        let weak = token.imported.as_ref().is_some_and(|i| !i.strong);
        let reasons = [
            ("OwnerDisabled", library.disabled || user.disabled),
            ("NeverUsed", last.is_none() && now >= good_since + 7 * DAY),
            ("Unused", last.is_some_and(|last| now >= last + 90 * DAY)),
            (
                "ExpiresSoon",
                !token.session && !heir && token.expires <= now + 30 * DAY,
            ),
            ("LongerThanPolicy", token.expires > latest),
            ("MoreRightsThanUsed", !unused.is_empty()),
            ("NoIpRestriction", !token.session && open),
            ("ImportedWeak", weak && !heir),
        ];
        let reasons = reasons.into_iter().filter(|(_, holds)| *holds);
        let latest = (token.expires > latest).then_some(Moment(latest));
        (
            reasons.map(|(reason, _)| reason.to_owned()).collect(),
            unused,
            latest,
        )
    }

    /// What could be taken from a token: of what is listed, or of what its user has where all is left, what no demand needed;
    /// nothing if nothing was demanded.
    fn unused_rights(&self, token: &Token) -> Vec<String> {
        let demanded = &token.used.demanded;
        if demanded.is_empty() {
            return Vec::new();
        }
        let plain = self.plain(token);
        let had: Vec<Text> = in_force(&plain)
            .iter()
            .flat_map(|(_, user_type)| ordinary_of(&plain.types[user_type]))
            .collect();
        let ordinary = match token.grant.right {
            "CUSTOM" => ordinary_of(&token.grant.listed),
            "FULL" => had,
            _ => meets(&had, &left_by(&token.grant)),
        };
        let reserved = match token.grant.right {
            "READ_ONLY" => token.grant.keeps(),
            _ => reserved_of(&token.grant.listed),
        };
        // Whoever sets the password of another is asked for the right to its own first.
        let answers = |right: &Text, demand: &Text| {
            gives(right, demand) || (*right == "directory:admin" && *demand == "tokens:self")
        };
        let asked = |right: &Text| {
            let asked = demanded.iter().filter(|demand| is_reserved(demand));
            asked.into_iter().any(|demand| answers(right, demand))
        };
        let needed: Vec<Text> = reserved.iter().copied().filter(asked).collect();
        let kept = held_by(&needed);
        let spare = ordinary.into_iter().filter(|right| {
            let mut asked = demanded.iter().filter(|demand| !is_reserved(demand));
            !asked.any(|demand| gives(right, demand))
        });
        let spare: BTreeSet<Text> = spare.chain(without(&reserved, &kept)).collect();
        spare.into_iter().map(str::to_owned).collect()
    }
}

impl Run {
    pub(super) async fn review(&mut self, by: &Presented, review: &Review) -> Agreed {
        let described = |why: String| format!("{review:?}: {why}");
        self.model.complete = self.world.is_complete();
        let caller = self.authenticate(by, "tokens:admin").await;
        // What is looked at was used for the call itself, too.
        let standing = self.model.authenticate(by, "tokens:admin");
        let expected = standing.and_then(|by| review.expected(&self.model, &by));
        let told = match caller {
            Ok(caller) => self.reviewed(&caller, review).await,
            Err(error) => Err(error),
        };
        if self.refused(&expected, &told).map_err(described)? {
            return Ok(());
        }
        let (Ok(mut expected), Ok(told)) = (expected, told) else {
            return Ok(());
        };
        self.counts.done("review");
        expected
            .sort_by_key(|(at, _)| (Reverse(self.model.tokens[*at].created), self.world.ids[*at]));
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(at, found)| (self.world.ids[at], found))
            .collect();
        let told: Vec<_> = told
            .into_iter()
            .map(|finding| {
                let mut unused = finding.found.unused_permissions;
                unused.sort_unstable();
                let reasons = finding.found.reasons.iter();
                let reasons = reasons.map(|reason| format!("{reason:?}")).collect();
                let found: Found = (reasons, unused, finding.found.latest_expire_time);
                (finding.token.value.id, found)
            })
            .collect();
        same("the findings", &expected, &told).map_err(described)
    }

    /// All pages.
    async fn reviewed(
        &self,
        caller: &crate::authority::caller::Caller,
        review: &Review,
    ) -> Result<Vec<Finding>, Error> {
        let library = caller.reach(review.library)?;
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let page = PageRequest {
                size: review.page,
                token,
            };
            let (authority, now) = (&self.world.authority, Moment(self.model.now));
            let page = authority
                .review_tokens(caller, &library, &page, now)
                .await?;
            all.extend(page.items);
            token = page.next;
            if token.is_empty() {
                return Ok(all);
            }
        }
    }
}
