//! Libraries under change.

use std::sync::Arc;
use std::time::Instant;

use token_authority::proto::v1::{
    Assignment, CreateLibraryRequest, CreateTokenRequest, CreateUserRequest, CreateUserTypeRequest,
    LibraryState, ResumeTokenRequest, RevokeTokenRequest, SuspendTokenRequest,
    UpdateLibraryRequest, UpdateUserRequest, UpdateUserTypeRequest, UserState,
};

use crate::harness::Clients;
use crate::history::Change;
use crate::journal::{Journal, Target};
use crate::model::{Directory, Rights, TokenState, Which};
use crate::number;

const USER: &str = "app";

/// A library that one client changes, one change after the other.
pub(crate) struct World {
    number: usize,
    made: Instant,
    library: Arc<str>,
    operator: Clients,
    journal: Arc<Journal>,
    state: Directory,
    mark: u32,
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
        World {
            number: journal.world_made(first),
            made: first.sent,
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

    /// The tokens of the library that are to be checked.
    pub(crate) fn targets(&self) -> Vec<Target> {
        self.journal.targets_of(self.number)
    }

    /// What a token is known to be.
    pub(crate) fn state_of(&self, token: usize) -> TokenState {
        self.journal.state_of(token)
    }

    /// No longer checks any of its tokens.
    pub(crate) fn retire(&self) {
        self.journal.forget_all(self.number);
    }

    /// No longer checks a token.
    pub(crate) fn forget(&self, target: &Target) {
        self.journal.forget(self.number, target.token);
    }

    fn changed(&mut self, sent: Instant, etag: &str, after: Directory) {
        self.state = after;
        let change = change(sent, etag, after);
        self.journal.world_changed(self.number, change);
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
        self.add((token.token_id, &made.secret), pin, change)
    }

    /// A token that was never made.
    pub(crate) fn add_unknown(&self, secret: &str) -> Target {
        let never = Change {
            sent: self.made,
            answered: self.made,
            revision: 0,
            after: TokenState::Unknown,
        };
        self.add((String::new(), secret), None, never)
    }

    fn add(
        &self,
        (token_id, secret): (String, &str),
        pin: Option<Which>,
        made: Change<TokenState>,
    ) -> Target {
        let target = |token| Target {
            token,
            token_id,
            secret: secret.into(),
            library: Arc::clone(&self.library),
        };
        self.journal.token_made(self.number, pin, made, target)
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
