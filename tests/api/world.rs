//! A server, and what a test needs in it.

use std::path::Path;
use std::time::Duration;

use prost_types::Timestamp;
use tempfile::TempDir;
use token_authority::proto::v1::{
    Assignment, CreateLibraryRequest, CreateTokenRequest, CreateTokenResponse, CreateUserRequest,
    CreateUserTypeRequest, Library, SetPasswordRequest, Token, UpdateLibraryRequest, User,
    UserKind, UserType, Verdict, VerifyRequest, VerifyResponse,
};

use crate::harness::{Clients, Server};

/// The library that most tests work in.
pub(crate) const ACME: &str = "acme";
/// Another one, which has no business in the first.
pub(crate) const RIVAL: &str = "rival";
/// What a verifier may do.
pub(crate) const VERIFY: &str = "tokens:verify";
/// What an administrator of tokens may do.
pub(crate) const ADMIN: &str = "tokens:admin";
/// What a person may do that manages its own tokens.
pub(crate) const SELF: &str = "tokens:self";
/// What an administrator of users may do.
pub(crate) const DIRECTORY_ADMIN: &str = "directory:admin";

/// A running server with the libraries [`ACME`] and [`RIVAL`], and its operator's clients.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) operator: Clients,
    data: TempDir,
}

/// Somebody with a token.
pub(crate) struct Member {
    pub(crate) token_id: String,
    pub(crate) secret: String,
    pub(crate) clients: Clients,
}

// === impl World ===

impl World {
    pub(crate) async fn new() -> World {
        World::with(&[]).await
    }

    /// A server that was given these arguments.
    pub(crate) async fn with(args: &[&str]) -> World {
        let data = tempfile::tempdir().expect("a temporary directory");
        let world = World::on(data, args, &[]).await;
        for library in [ACME, RIVAL] {
            world.library(library).await;
        }
        world
    }

    /// The same store under a new server, after the process was killed.
    pub(crate) async fn killed_and_started(self) -> World {
        World::on(self.killed(), &[], &[]).await
    }

    /// The server, and its data directory for as long as it is needed.
    pub(crate) fn parts(self) -> (Server, TempDir) {
        (self.server, self.data)
    }

    /// What is left of a server whose process was killed.
    pub(crate) fn killed(self) -> TempDir {
        self.server.kill9();
        self.data
    }

    /// A server on what another one left behind.
    pub(crate) async fn on(data: TempDir, args: &[&str], envs: &[(&str, &str)]) -> World {
        let server = Server::start_with(data.path(), args, envs);
        server.ready().await;
        let operator = server.clients(&server.operator_secret());
        World {
            server,
            operator,
            data,
        }
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.data.path()
    }

    pub(crate) async fn library(&self, name: &str) -> Library {
        let request = CreateLibraryRequest {
            library: name.into(),
            tokens_enabled: true,
            ..Default::default()
        };
        let mut directory = self.operator.directory.clone();
        let answer = directory.create_library(request).await.expect("a library");
        answer.into_inner().library.expect("the library")
    }

    pub(crate) async fn user_type(
        &self,
        library: &str,
        name: &str,
        permissions: &[&str],
    ) -> UserType {
        let request = CreateUserTypeRequest {
            library: library.into(),
            user_type: name.into(),
            permissions: texts(permissions),
            ..Default::default()
        };
        let mut directory = self.operator.directory.clone();
        let answer = directory.create_user_type(request).await;
        let answer = answer.expect("a user type").into_inner();
        answer.user_type.expect("the user type")
    }

    /// A user with assignments such as `clerk` or `sales:clerk`.
    pub(crate) async fn user(&self, library: &str, name: &str, assigned: &[&str]) -> User {
        let request = CreateUserRequest {
            library: library.into(),
            user: name.into(),
            assignments: assignments(assigned),
            ..Default::default()
        };
        let mut directory = self.operator.directory.clone();
        let answer = directory.create_user(request).await.expect("a user");
        answer.into_inner().user.expect("the user")
    }

    /// A user of this name with a user type of the same name, which has these permissions.
    pub(crate) async fn person(&self, library: &str, name: &str, permissions: &[&str]) {
        self.user_type(library, name, permissions).await;
        self.user(library, name, &[name]).await;
    }

    /// A user can log in with this password from now on.
    pub(crate) async fn password(&self, library: &str, user: &str, password: &str) {
        let request = SetPasswordRequest {
            library: library.into(),
            user: user.into(),
            password: password.into(),
            ..Default::default()
        };
        let mut admin = self.operator.admin.clone();
        admin.set_password(request).await.expect("a password");
    }

    /// A token as it was asked for, by the operator.
    pub(crate) async fn token(&self, request: CreateTokenRequest) -> (Token, String) {
        let mut admin = self.operator.admin.clone();
        let answer = admin.create_token(request).await.expect("a token");
        let CreateTokenResponse { token, secret, .. } = answer.into_inner();
        (token.expect("the token"), secret)
    }

    /// Somebody with a token that holds these permissions in effect.
    pub(crate) async fn member(&self, library: &str, name: &str, permissions: &[&str]) -> Member {
        self.person(library, name, permissions).await;
        let request = CreateTokenRequest {
            permissions: texts(permissions),
            ..asking(library, name)
        };
        let (token, secret) = self.token(request).await;
        Member {
            token_id: token.token_id,
            clients: self.server.clients(&secret),
            secret,
        }
    }

    /// The token of a user of this kind that may manage its own tokens, as far as its user type goes.
    pub(crate) async fn of_kind(&self, kind: UserKind) -> String {
        let name = format!("{kind:?}").to_lowercase();
        let library = UpdateLibraryRequest {
            library: ACME.into(),
            contact_apis: texts(&["token-authority"]),
            ..Default::default()
        };
        let mut directory = self.operator.directory.clone();
        directory
            .update_library(library)
            .await
            .expect("the APIs of contacts");
        self.user_type(ACME, &name, &[SELF]).await;
        let user = CreateUserRequest {
            library: ACME.into(),
            user: name.clone(),
            kind: kind.into(),
            assignments: assignments(&[&name]),
            data_owner: if kind == UserKind::Contact {
                "customer-7".into()
            } else {
                String::new()
            },
            ..Default::default()
        };
        directory.create_user(user).await.expect("a user");
        let request = CreateTokenRequest {
            permissions: texts(&[SELF]),
            ..asking(ACME, &name)
        };
        self.token(request).await.1
    }

    /// What the operator is told of a token, for a demand.
    pub(crate) async fn verify(&self, request: VerifyRequest) -> VerifyResponse {
        verify(&self.operator, request).await
    }

    /// The verdict on a secret for which nothing is demanded.
    pub(crate) async fn verdict(&self, secret: &str) -> Verdict {
        let answer = self.verify(presenting(secret)).await;
        answer.verdict()
    }
}

/// What these clients are told of a token.
pub(crate) async fn verify(clients: &Clients, request: VerifyRequest) -> VerifyResponse {
    let mut verifier = clients.verify.clone();
    let answer = verifier.verify(request).await.expect("a verdict");
    answer.into_inner()
}

/// A token of which nothing is said but whose it is.
pub(crate) fn asking(library: &str, user: &str) -> CreateTokenRequest {
    CreateTokenRequest {
        library: library.into(),
        user: user.into(),
        display_name: "for a test".into(),
        ..Default::default()
    }
}

/// A question of which nothing is demanded.
pub(crate) fn presenting(secret: &str) -> VerifyRequest {
    VerifyRequest {
        token: secret.into(),
        ..Default::default()
    }
}

/// Assignments such as `clerk` or `sales:clerk`.
pub(crate) fn assignments(texts: &[&str]) -> Vec<Assignment> {
    let parts = texts
        .iter()
        .map(|text| text.split_once(':').unwrap_or(("", text)));
    let assigned = parts.map(|(department, user_type)| Assignment {
        department: department.into(),
        user_type: user_type.into(),
    });
    assigned.collect()
}

pub(crate) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// This moment, so many seconds later, as a field takes it.
pub(crate) fn later(moment: Option<Timestamp>, seconds: i64) -> Option<Timestamp> {
    moment.map(|moment| Timestamp {
        seconds: moment.seconds + seconds,
        ..moment
    })
}

/// Waits until this has passed by the server's clock, which is this machine's.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
