//! Administrators lose their rights in the middle of their work.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use token_authority::proto::v1::{
    Assignment, CreateLibraryRequest, CreateTokenRequest, CreateUserRequest, CreateUserTypeRequest,
    LibraryState, RevokeTokenRequest, SuspendTokenRequest, UpdateLibraryRequest, UpdateUserRequest,
    UpdateUserTypeRequest, UserState,
};
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::audit::{self, Call, Deeds, End, Findings, Outcome};
use crate::harness::{Clients, Server};
use crate::{ALONE, number, report};

/// Callers that lose their rights in each of the ways.
const CALLERS: usize = 12;
/// Ends that are under way at once, so that some share a batch of the writer with each other too.
const ENDS_AT_ONCE: usize = 4;
/// Calls of one caller that are under way at once: one more than a caller waits for, so that an end always meets some.
const AT_ONCE: usize = 3;
/// Commits that a caller has made before its rights end.
const FIRST: usize = 2;
/// Calls after the end that a worker of a caller still tries.
const STUBBORN: usize = 3;
/// How long the first commits may take.
const PATIENCE: Duration = Duration::from_mins(2);
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
struct Caller {
    name: String,
    library: String,
    way: Way,
    token_id: String,
    secret: String,
}

/// What the workers of a caller share.
struct Work {
    caller: Caller,
    committed: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_loses_its_rights_mid_way_commits_nothing_afterwards() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(folder.path());
    server.ready().await;
    let operator = server.clients(&server.operator_secret());
    let callers = hire(&operator).await;

    let mut workers = JoinSet::new();
    let mut works = Vec::new();
    for caller in &callers {
        let clients = server.clients(&caller.secret);
        let work = Arc::new(Work {
            caller: caller.clone(),
            committed: AtomicUsize::new(0),
        });
        for _ in 0..AT_ONCE {
            workers.spawn(toil(Arc::clone(&work), clients.clone()));
        }
        works.push(work);
    }
    let began = Instant::now();
    while works
        .iter()
        .any(|work| work.committed.load(Ordering::Relaxed) < FIRST)
    {
        assert!(began.elapsed() < PATIENCE, "not every caller commits");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let asked = Instant::now();
    let mut deeds = end_all(&operator, &callers).await;
    for (token_id, calls) in workers.join_all().await {
        let of = deeds.iter_mut().find(|deeds| deeds.token_id == token_id);
        of.expect("a caller").calls.extend(calls);
    }
    let findings = audit(&operator, &callers, &deeds, asked).await;
    report(&format!(
        "callers that lose their rights: {findings}; {:.0} s",
        began.elapsed().as_secs_f64()
    ));
    assert_eq!(findings.faults(), 0, "{findings}");
    assert!(
        findings.stopped_mid_way >= callers.len(),
        "hardly any call was under way: {findings}"
    );
    assert!(
        findings.calls_after >= callers.len() * AT_ONCE * STUBBORN,
        "{findings}"
    );
}

/// Takes the rights of all callers away.
async fn end_all(operator: &Clients, callers: &[Caller]) -> Vec<Deeds> {
    let mut ends = JoinSet::new();
    for own in 0..ENDS_AT_ONCE {
        let operator = operator.clone();
        let callers: Vec<Caller> = callers
            .iter()
            .skip(own)
            .step_by(ENDS_AT_ONCE)
            .cloned()
            .collect();
        ends.spawn(async move {
            let mut deeds = Vec::new();
            for caller in callers {
                deeds.push(Deeds {
                    end: caller.end(&operator).await,
                    token_id: caller.token_id,
                    calls: Vec::new(),
                });
            }
            deeds
        });
    }
    ends.join_all().await.into_iter().flatten().collect()
}

async fn audit(
    operator: &Clients,
    callers: &[Caller],
    deeds: &[Deeds],
    asked: Instant,
) -> Findings {
    let mut libraries: Vec<&str> = callers
        .iter()
        .map(|caller| caller.library.as_str())
        .collect();
    libraries.sort_unstable();
    libraries.dedup();
    let mut commits = Vec::new();
    for library in libraries {
        commits.extend(audit::commits(operator, library).await);
    }
    audit::judge(deeds, &commits, asked)
}

/// Makes tokens, and a user now and then, until it is refused for good.
async fn toil(work: Arc<Work>, mut clients: Clients) -> (String, Vec<Call>) {
    let mut calls = Vec::new();
    let mut refusals = 0;
    // Whatever was under way at the end was asked before it, the first refused call as well.
    while refusals < AT_ONCE + STUBBORN {
        let began = Instant::now();
        let outcome = match calls.len() % 3 {
            0 => work.rename(&mut clients).await,
            _ => work.create(&mut clients).await,
        };
        calls.push(Call {
            began,
            ended: Instant::now(),
            outcome,
        });
        match outcome {
            Outcome::Committed(_) => {
                work.committed.fetch_add(1, Ordering::Relaxed);
            }
            Outcome::Refused => refusals += 1,
            Outcome::Lost => {}
        }
    }
    (work.caller.token_id.clone(), calls)
}

// === impl Work ===

impl Work {
    async fn create(&self, clients: &mut Clients) -> Outcome {
        let request = CreateTokenRequest {
            user: self.caller.subject(),
            display_name: "made by a caller".to_owned(),
            ..Default::default()
        };
        match clients.admin.create_token(request).await {
            Ok(made) => {
                Outcome::Committed(number(&made.into_inner().token.expect("the token").etag))
            }
            Err(status) => refused(&status),
        }
    }

    /// Changes the user that its tokens are for, always to another name.
    async fn rename(&self, clients: &mut Clients) -> Outcome {
        static NAMES: AtomicUsize = AtomicUsize::new(0);
        let request = UpdateUserRequest {
            user: self.caller.subject(),
            display_name: Some(format!("name {}", NAMES.fetch_add(1, Ordering::Relaxed))),
            ..Default::default()
        };
        match clients.directory.update_user(request).await {
            Ok(changed) => {
                Outcome::Committed(number(&changed.into_inner().user.expect("the user").etag))
            }
            Err(status) => refused(&status),
        }
    }
}

fn refused(status: &Status) -> Outcome {
    match status.code() {
        Code::Aborted => Outcome::Lost,
        Code::Unauthenticated | Code::PermissionDenied => Outcome::Refused,
        _ => panic!("a call failed with nothing amiss: {status:?}"),
    }
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
    fn subject(&self) -> String {
        format!("for-{}", self.name)
    }

    /// Takes its rights away.
    async fn end(&self, operator: &Clients) -> End {
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
async fn hire(operator: &Clients) -> Vec<Caller> {
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
