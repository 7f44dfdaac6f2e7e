//! Time that passes, and what every start does.

use super::caller::Presented;
use super::compare::{Agreed, same};
use super::operation::Role;
use super::records::{Comment, Event, Text, Token};
use super::run::Run;
use crate::authority::tests::stage::DAY;

/// How much a restart loads at first: all.
pub(super) const EVERYTHING: usize = 255;

/// Below this, a restart loads a part at first.
const ONLY_SOME: usize = 160;

impl Run {
    pub(super) async fn pass(&mut self, until: i64) -> Agreed {
        let long = until - self.model.now > 50 * DAY;
        self.model.now = until;
        // An operator without a good token gets in by a restart alone.
        let token = self.staff.get(&Role::Operator);
        let out = token.is_none_or(|at| !self.operates(*at, "192.0.2.1"));
        if long || out {
            self.restart(EVERYTHING, false).await
        } else {
            Ok(())
        }
    }

    /// With fewer than all tokens loaded at first, if fewer are asked for. One that is killed loses what was not written of uses.
    pub(super) async fn restart(&mut self, loaded: usize, killed: bool) -> Agreed {
        if !killed || !self.world.is_in_memory() {
            // As every stop does.
            self.tell_all_refused().await?;
            self.keep_uses().await;
        }
        self.forget_unwritten();
        // No process starts within the millisecond in which another wrote.
        self.model.now += 1;
        let now = self.now();
        self.world.reopen(now).await;
        self.model.complete = false;
        if loaded < ONLY_SOME {
            let some = 1 + self.model.tokens.len() * loaded / ONLY_SOME;
            self.world.load(some).await;
            return Ok(());
        }
        self.world.load_all().await;
        self.let_the_operator_in().await
    }

    fn operates(&self, at: usize, from: Text) -> bool {
        let by = Presented {
            token: Some(at),
            acting_for: None,
            from,
        };
        let mut needed = ["tokens:admin", "directory:admin"].into_iter();
        needed.all(|right| {
            let standing = self.model.authenticate(&by, right);
            standing.is_ok_and(|standing| standing.is_operator)
        })
    }

    /// What every start does once all tokens are loaded.
    pub(super) async fn let_the_operator_in(&mut self) -> Agreed {
        let ways = ["192.0.2.1", "10.0.0.5", "2001:db8::1"];
        let live = (0..self.model.tokens.len())
            .any(|at| ways.into_iter().any(|from| self.operates(at, from)));
        let now = self.now();
        let made = self.world.ensure_operator(now).await;
        same("an operator's token is made", &!live, &made)?;
        if !made {
            return Ok(());
        }
        let at = self.model.tokens.len();
        let revision = self.world.revision();
        let root = self.model.let_root_in(revision);
        let token = Token::of_operator(root, self.model.now, revision);
        self.model.tokens.push(token);
        self.model.events.push(Event {
            time: self.model.now,
            action: "token.bootstrap",
            library: "system",
            token: Some(at),
            user: "root",
            comment: Comment::Text("no live operator token was found at the start"),
            revision,
            ..Event::default()
        });
        self.staff.insert(Role::Operator, at);
        Ok(())
    }
}
