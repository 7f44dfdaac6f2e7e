//! Administrators, and the ways in which their rights end.

use std::time::Instant;

use token_authority::proto::v1::{
    Assignment, CreateLibraryRequest, CreateTokenRequest, CreateUserRequest, CreateUserTypeRequest,
    LibraryState, RevokeTokenRequest, SuspendTokenRequest, UpdateLibraryRequest, UpdateUserRequest,
    UpdateUserTypeRequest, UserState,
};

use crate::audit::End;
use crate::harness::Clients;
use crate::number;

/// Administrators that lose their rights in each of the ways.
const CALLERS: usize = 12;
/// What an administrator may do.
const RIGHTS: [&str; 3] = ["directory:admin", "tokens:admin", "tokens:verify"];
/// The library of the callers who share one.
const STAFF: &str = "staff";

/// How rights end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    RevokeToken,
    SuspendToken,
    NarrowType,
    TakeAssignment,
    DisableUser,
    DisableLibrary,
}

/// An administrator. Its user and its user type have its name.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) library: String,
    way: Way,
    pub(crate) token_id: String,
    pub(crate) secret: String,
}

// === impl Way ===

impl Way {
    const ALL: [Way; 6] = [
        Way::RevokeToken,
        Way::SuspendToken,
        Way::NarrowType,
        Way::TakeAssignment,
        Way::DisableUser,
        Way::DisableLibrary,
    ];
}

// === impl Caller ===

impl Caller {
    /// The user that it makes tokens for.
    pub(crate) fn subject(&self) -> String {
        format!("for-{}", self.name)
    }

    /// Takes its rights away.
    pub(crate) async fn end(&self, operator: &Clients) -> End {
        let Clients {
            mut admin,
            mut directory,
            ..
        } = operator.clone();
        let (library, token_id) = (self.library.clone(), self.token_id.clone());
        let user = UpdateUserRequest {
            library: library.clone(),
            user: self.name.clone(),
            ..Default::default()
        };
        let revision = match self.way {
            Way::RevokeToken => {
                let request = RevokeTokenRequest {
                    token_id,
                    ..Default::default()
                };
                admin
                    .revoke_token(request)
                    .await
                    .map(|a| a.into_inner().revision)
            }
            Way::SuspendToken => {
                let request = SuspendTokenRequest {
                    token_id,
                    ..Default::default()
                };
                let answer = admin.suspend_token(request).await;
                answer.map(|a| a.into_inner().token.expect("the token").etag)
            }
            Way::NarrowType => {
                let request = UpdateUserTypeRequest {
                    library,
                    user_type: self.name.clone(),
                    permissions: vec!["directory:read".to_owned()],
                    ..Default::default()
                };
                let answer = directory.update_user_type(request).await;
                answer.map(|a| a.into_inner().user_type.expect("the user type").etag)
            }
            Way::TakeAssignment => {
                let clear = vec!["assignments".to_owned()];
                let answer = directory
                    .update_user(UpdateUserRequest { clear, ..user })
                    .await;
                answer.map(|a| a.into_inner().user.expect("the user").etag)
            }
            Way::DisableUser => {
                let state = Some(UserState::Disabled.into());
                let answer = directory
                    .update_user(UpdateUserRequest { state, ..user })
                    .await;
                answer.map(|a| a.into_inner().user.expect("the user").etag)
            }
            Way::DisableLibrary => {
                let state = Some(LibraryState::Disabled.into());
                let request = UpdateLibraryRequest {
                    library,
                    state,
                    ..Default::default()
                };
                let answer = directory.update_library(request).await;
                answer.map(|a| a.into_inner().library.expect("the library").etag)
            }
        };
        End {
            revision: number(&revision.expect("the end of a caller's rights")),
            answered: Instant::now(),
        }
    }
}

// === making them ===

/// Callers for all the ways, in turn; those whose library is to be disabled have one of their own.
pub(crate) async fn hire(operator: &Clients) -> Vec<Caller> {
    open_library(operator, STAFF).await;
    let mut callers = Vec::new();
    for number in 0..CALLERS {
        for way in Way::ALL {
            let name = format!("{way:?}-{number}").to_lowercase();
            let library = match way {
                Way::DisableLibrary => {
                    open_library(operator, &name).await;
                    name.clone()
                }
                _ => STAFF.to_owned(),
            };
            callers.push(hire_one(operator, library, name, way).await);
        }
    }
    callers
}

async fn open_library(operator: &Clients, name: &str) {
    let library = CreateLibraryRequest {
        library: name.to_owned(),
        tokens_enabled: true,
        ..Default::default()
    };
    operator
        .directory
        .clone()
        .create_library(library)
        .await
        .expect("a library");
}

async fn hire_one(operator: &Clients, library: String, name: String, way: Way) -> Caller {
    let Clients {
        mut admin,
        mut directory,
        ..
    } = operator.clone();
    let permissions: Vec<String> = RIGHTS.map(str::to_owned).to_vec();
    let user_type = CreateUserTypeRequest {
        library: library.clone(),
        user_type: name.clone(),
        permissions: permissions.clone(),
        ..Default::default()
    };
    directory
        .create_user_type(user_type)
        .await
        .expect("a user type");
    let assignments = vec![Assignment {
        department: String::new(),
        user_type: name.clone(),
    }];
    for (user, assignments) in [
        (name.clone(), assignments),
        (format!("for-{name}"), Vec::new()),
    ] {
        let user = CreateUserRequest {
            library: library.clone(),
            user,
            assignments,
            ..Default::default()
        };
        directory.create_user(user).await.expect("a user");
    }
    let token = CreateTokenRequest {
        library: library.clone(),
        user: name.clone(),
        display_name: "administration".to_owned(),
        permissions,
        ..Default::default()
    };
    let made = admin
        .create_token(token)
        .await
        .expect("a token")
        .into_inner();
    Caller {
        name,
        library,
        way,
        token_id: made.token.expect("the token").token_id,
        secret: made.secret,
    }
}
