//! Administrators lose their rights in the middle of their work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use token_authority::proto::v1::{CreateTokenRequest, UpdateUserRequest};
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::audit::{self, Call, Deeds, Findings, Outcome};
use crate::harness::{Clients, Server};
use crate::staff::{Caller, hire};
use crate::{ALONE, number, report};

/// Ends that are under way at once, so that some share a batch of the writer with each other too.
const ENDS_AT_ONCE: usize = 4;
/// Calls of one caller that are under way at once, so that an end always meets some.
const AT_ONCE: usize = 3;
/// Commits that a caller has made before its rights end.
const FIRST: usize = 2;
/// Calls that each of them still tries after the end.
const STUBBORN: usize = 3;
/// How long the first commits may take.
const PATIENCE: Duration = Duration::from_mins(2);
/// What the workers of a caller share.
struct Work {
    caller: Caller,
    committed: AtomicUsize,
    ended: AtomicBool,
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
            ended: AtomicBool::new(false),
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
    let mut deeds = end_all(&operator, &works).await;
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
async fn end_all(operator: &Clients, works: &[Arc<Work>]) -> Vec<Deeds> {
    let mut ends = JoinSet::new();
    for own in 0..ENDS_AT_ONCE {
        let operator = operator.clone();
        let works: Vec<Arc<Work>> = works
            .iter()
            .skip(own)
            .step_by(ENDS_AT_ONCE)
            .cloned()
            .collect();
        ends.spawn(async move {
            let mut deeds = Vec::new();
            for work in works {
                let end = work.caller.end(&operator).await;
                work.ended.store(true, Ordering::SeqCst);
                deeds.push(Deeds {
                    end,
                    token_id: work.caller.token_id.clone(),
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

/// Makes tokens, and changes a user now and then, until some calls after the end of its rights.
async fn toil(work: Arc<Work>, mut clients: Clients) -> (String, Vec<Call>) {
    let mut calls = Vec::new();
    let mut left = STUBBORN;
    while left > 0 {
        left -= usize::from(work.ended.load(Ordering::SeqCst));
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
        let committed = matches!(outcome, Outcome::Committed(_));
        work.committed
            .fetch_add(usize::from(committed), Ordering::Relaxed);
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
