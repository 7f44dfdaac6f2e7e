//! The journal of what was done to libraries and tokens, and of what there is to check.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::history::{Change, History, Timeline, TokenHistory};
use crate::model::{Directory, TokenState, Which};

/// A token as those who check it know it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Its place in the journal.
    pub(crate) token: usize,
    pub(crate) token_id: String,
    pub(crate) secret: Arc<str>,
    /// Its library.
    pub(crate) library: Arc<str>,
}

/// What was done, and what there is to check.
#[derive(Default)]
pub(crate) struct Journal(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    history: History,
    targets: Vec<Vec<Target>>,
    changes: usize,
}

// === impl Journal ===

impl Journal {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap()
    }

    /// The tokens to check, of each library.
    pub(crate) fn targets(&self) -> Vec<Vec<Target>> {
        self.pages().targets.clone()
    }

    /// How often something was changed.
    pub(crate) fn changes(&self) -> usize {
        self.pages().changes
    }

    /// A library was made; its number.
    pub(crate) fn world_made(&self, made: Change<Directory>) -> usize {
        let mut pages = self.pages();
        pages.changes += 1;
        pages.history.worlds.push(Timeline(vec![made]));
        pages.targets.push(Vec::new());
        pages.targets.len() - 1
    }

    pub(crate) fn world_changed(&self, world: usize, change: Change<Directory>) {
        let mut pages = self.pages();
        pages.changes += 1;
        pages.history.worlds[world].0.push(change);
    }

    /// A token was made, and is checked from now on.
    pub(crate) fn token_made(
        &self,
        world: usize,
        pin: Option<Which>,
        made: Change<TokenState>,
        target: impl FnOnce(usize) -> Target,
    ) -> Target {
        let mut pages = self.pages();
        pages.changes += 1;
        let token = pages.history.tokens.len();
        let timeline = Timeline(vec![made]);
        pages.history.tokens.push(TokenHistory {
            world,
            pin,
            timeline,
        });
        let target = target(token);
        pages.targets[world].push(target.clone());
        target
    }

    pub(crate) fn token_changed(&self, token: usize, change: Change<TokenState>) {
        let mut pages = self.pages();
        pages.changes += 1;
        pages.history.tokens[token].timeline.0.push(change);
    }

    /// All that was done.
    pub(crate) fn history(&self) -> History {
        self.pages().history.clone()
    }

    /// What a token is known to be.
    pub(crate) fn state_of(&self, token: usize) -> TokenState {
        let pages = self.pages();
        let last = pages.history.tokens[token].timeline.0.last();
        last.expect("a token that was made").after
    }

    /// The tokens of one library that are checked.
    pub(crate) fn targets_of(&self, world: usize) -> Vec<Target> {
        self.pages().targets[world].clone()
    }

    /// No longer checks a token.
    pub(crate) fn forget(&self, world: usize, token: usize) {
        self.pages().targets[world].retain(|kept| kept.token != token);
    }

    /// No longer checks any token of a library.
    pub(crate) fn forget_all(&self, world: usize) {
        self.pages().targets[world].clear();
    }
}
