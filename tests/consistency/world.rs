//! Libraries under change, and the journal of what was done to them.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use token_authority::proto::v1::{
    Assignment, CreateLibraryRequest, CreateTokenRequest, CreateUserRequest, CreateUserTypeRequest,
    LibraryState, ResumeTokenRequest, RevokeTokenRequest, SuspendTokenRequest,
    UpdateLibraryRequest, UpdateUserRequest, UpdateUserTypeRequest, UserState,
};

use crate::harness::Clients;
use crate::history::{Change, History, Timeline, TokenHistory};
use crate::model::{Directory, Rights, TokenState, Which};
use crate::number;

const USER: &str = "app";

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

/// A library that one client changes, one change after the other.
pub(crate) struct World {
    number: usize,
    library: Arc<str>,
    operator: Clients,
    journal: Arc<Journal>,
    state: Directory,
    mark: u32,
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

    /// A token that was never made.
    pub(crate) fn add_unknown(&self, world: &World, secret: &str) -> Target {
        let never = Change {
            sent: world.began(),
            answered: world.began(),
            revision: 0,
            after: TokenState::Unknown,
        };
        self.add(world, (String::new(), secret), None, never)
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

    fn add(
        &self,
        world: &World,
        (token_id, secret): (String, &str),
        pin: Option<Which>,
        made: Change<TokenState>,
    ) -> Target {
        let mut pages = self.pages();
        pages.changes += 1;
        let token = pages.history.tokens.len();
        pages.history.tokens.push(TokenHistory {
            world: world.number,
            pin,
            timeline: Timeline(vec![made]),
        });
        let target = Target {
            token,
            token_id,
            secret: secret.into(),
            library: Arc::clone(&world.library),
        };
        pages.targets[world.number].push(target.clone());
        target
    }
}

// === impl World ===

impl World {
    /// Makes a library with a user and two user types.
    pub(crate) async fn new(operator: &Clients, journal: &Arc<Journal>, name: &str) -> World {
        let mut operator = operator.clone();
        let state = Directory::new();
        let library = CreateLibraryRequest {
            library: name.to_owned(),
            tokens_enabled: true,
            ..Default::default()
        };
        operator
            .directory
            .create_library(library)
            .await
            .expect("a library");
        for which in [Which::A, Which::B] {
            let user_type = CreateUserTypeRequest {
                library: name.to_owned(),
                user_type: which.name().to_owned(),
                permissions: state.rights(which).permissions(),
                ..Default::default()
            };
            operator
                .directory
                .create_user_type(user_type)
                .await
                .expect("a user type");
        }
        let user = CreateUserRequest {
            library: name.to_owned(),
            user: USER.to_owned(),
            assignments: assignments(state.assigned),
            ..Default::default()
        };
        let sent = Instant::now();
        let made = operator
            .directory
            .create_user(user)
            .await
            .expect("a user")
            .into_inner();
        let first = change(sent, &made.user.expect("the user").etag, state);
        let number = {
            let mut pages = journal.pages();
            pages.changes += 1;
            pages.history.worlds.push(Timeline(vec![first]));
            pages.targets.push(Vec::new());
            pages.targets.len() - 1
        };
        World {
            number,
            library: name.into(),
            operator,
            journal: Arc::clone(journal),
            state,
            mark: state.a.mark.max(state.b.mark),
        }
    }

    pub(crate) fn number(&self) -> usize {
        self.number
    }

    pub(crate) fn state(&self) -> Directory {
        self.state
    }

    /// When it was made.
    fn began(&self) -> Instant {
        self.journal.pages().history.worlds[self.number].0[0].sent
    }

    /// The tokens of the library that are to be checked.
    pub(crate) fn targets(&self) -> Vec<Target> {
        self.journal.pages().targets[self.number].clone()
    }

    /// What a token is known to be.
    pub(crate) fn state_of(&self, token: usize) -> TokenState {
        let pages = self.journal.pages();
        let last = pages.history.tokens[token].timeline.0.last();
        last.expect("a token that was made").after
    }

    /// No longer checks any of its tokens.
    pub(crate) fn retire(&self) {
        self.journal.pages().targets[self.number].clear();
    }

    /// No longer checks a token.
    pub(crate) fn forget(&self, target: &Target) {
        let targets = &mut self.journal.pages().targets[self.number];
        targets.retain(|kept| kept.token != target.token);
    }

    fn changed(&mut self, sent: Instant, etag: &str, after: Directory) {
        self.state = after;
        let change = change(sent, etag, after);
        let mut pages = self.journal.pages();
        pages.changes += 1;
        pages.history.worlds[self.number].0.push(change);
    }

    pub(crate) async fn grant(&mut self, which: Which, reads: bool, opens_vault: bool) {
        self.mark += 1;
        let rights = Rights {
            reads,
            opens_vault,
            mark: self.mark,
        };
        let request = UpdateUserTypeRequest {
            library: self.library.to_string(),
            user_type: which.name().to_owned(),
            permissions: rights.permissions(),
            ..Default::default()
        };
        let sent = Instant::now();
        let answer = self.operator.directory.update_user_type(request).await;
        let changed = answer
            .expect("a change")
            .into_inner()
            .user_type
            .expect("the user type");
        self.changed(sent, &changed.etag, self.state.with(which, rights));
    }

    pub(crate) async fn assign(&mut self, assigned: Option<Which>) {
        let request = UpdateUserRequest {
            assignments: assignments(assigned),
            clear: assigned
                .is_none()
                .then(|| "assignments".to_owned())
                .into_iter()
                .collect(),
            ..self.user()
        };
        self.change_user(
            request,
            Directory {
                assigned,
                ..self.state
            },
        )
        .await;
    }

    pub(crate) async fn disable_user(&mut self, user_disabled: bool) {
        let state = if user_disabled {
            UserState::Disabled
        } else {
            UserState::Active
        };
        let request = UpdateUserRequest {
            state: Some(state.into()),
            ..self.user()
        };
        self.change_user(
            request,
            Directory {
                user_disabled,
                ..self.state
            },
        )
        .await;
    }

    pub(crate) async fn disable_library(&mut self, library_disabled: bool) {
        let state = if library_disabled {
            LibraryState::Disabled
        } else {
            LibraryState::Active
        };
        let request = UpdateLibraryRequest {
            library: self.library.to_string(),
            state: Some(state.into()),
            ..Default::default()
        };
        let sent = Instant::now();
        let answer = self.operator.directory.update_library(request).await;
        let changed = answer
            .expect("a change")
            .into_inner()
            .library
            .expect("the library");
        self.changed(
            sent,
            &changed.etag,
            Directory {
                library_disabled,
                ..self.state
            },
        );
    }

    fn user(&self) -> UpdateUserRequest {
        UpdateUserRequest {
            library: self.library.to_string(),
            user: USER.to_owned(),
            ..Default::default()
        }
    }

    async fn change_user(&mut self, request: UpdateUserRequest, after: Directory) {
        let sent = Instant::now();
        let answer = self.operator.directory.update_user(request).await;
        let changed = answer
            .expect("a change")
            .into_inner()
            .user
            .expect("the user");
        self.changed(sent, &changed.etag, after);
    }

    /// Makes a token, pinned to what the user has or not.
    pub(crate) async fn create_token(&self, pinned: bool) -> Target {
        let pin = self.state.assigned.filter(|_| pinned);
        let request = CreateTokenRequest {
            library: self.library.to_string(),
            user: USER.to_owned(),
            display_name: "checked".to_owned(),
            user_type: pin.map(|which| which.name().to_owned()).unwrap_or_default(),
            ..Default::default()
        };
        let sent = Instant::now();
        let mut admin = self.operator.admin.clone();
        let made = admin
            .create_token(request)
            .await
            .expect("a token")
            .into_inner();
        let token = made.token.expect("the token");
        let change = change(sent, &token.etag, TokenState::Active);
        self.journal
            .add(self, (token.token_id, &made.secret), pin, change)
    }

    pub(crate) async fn suspend(&self, target: &Target) {
        let request = SuspendTokenRequest {
            token_id: target.token_id.clone(),
            ..Default::default()
        };
        let sent = Instant::now();
        let answer = self.operator.admin.clone().suspend_token(request).await;
        let token = answer
            .expect("a change")
            .into_inner()
            .token
            .expect("the token");
        let change = change(sent, &token.etag, TokenState::Suspended);
        self.journal.token_changed(target.token, change);
    }

    pub(crate) async fn resume(&self, target: &Target) {
        let request = ResumeTokenRequest {
            token_id: target.token_id.clone(),
            ..Default::default()
        };
        let sent = Instant::now();
        let answer = self.operator.admin.clone().resume_token(request).await;
        let token = answer
            .expect("a change")
            .into_inner()
            .token
            .expect("the token");
        let change = change(sent, &token.etag, TokenState::Active);
        self.journal.token_changed(target.token, change);
    }

    pub(crate) async fn revoke(&self, target: &Target) {
        revoke(&self.operator, &self.journal, target).await;
    }
}

/// Ends a token for good.
pub(crate) async fn revoke(operator: &Clients, journal: &Journal, target: &Target) {
    let request = RevokeTokenRequest {
        token_id: target.token_id.clone(),
        ..Default::default()
    };
    let sent = Instant::now();
    let answer = operator.admin.clone().revoke_token(request).await;
    let answer = answer.expect("a revocation").into_inner();
    let change = change(sent, &answer.revision, TokenState::Revoked);
    journal.token_changed(target.token, change);
}

/// A change that is answered now.
fn change<T>(sent: Instant, revision: &str, after: T) -> Change<T> {
    Change {
        sent,
        answered: Instant::now(),
        revision: number(revision),
        after,
    }
}

fn assignments(assigned: Option<Which>) -> Vec<Assignment> {
    let assignment = |which: Which| Assignment {
        department: String::new(),
        user_type: which.name().to_owned(),
    };
    assigned.map(assignment).into_iter().collect()
}
