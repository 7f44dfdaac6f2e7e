//! Watching events over the wire: told at once, in order, each at least once, across stops and kills of the server.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use token_authority::proto::v1::{
    AuditEvent, CreateTokenRequest, ErrorReason, ListAuditEventsRequest, RevokeTokenRequest,
    WatchEventsRequest, WatchEventsResponse,
};
use tonic::{Status, Streaming};

use crate::cli::bare;
use crate::harness::Clients;
use crate::host::Host;
use crate::refusal::{assert_refused, fields_of, told};
use crate::world::{ACME, ADMIN, RIVAL, World, asking, texts};

/// Longest that a watcher waits for what happened already, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);
const DAY: i64 = 24 * 60 * 60;

fn after(revision: &str) -> WatchEventsRequest {
    WatchEventsRequest {
        library: ACME.into(),
        after_revision: revision.into(),
        ..Default::default()
    }
}

async fn watch(clients: &Clients, request: WatchEventsRequest) -> Streaming<WatchEventsResponse> {
    let answer = clients.admin.clone().watch_events(request).await;
    answer.expect("a watch").into_inner()
}

async fn next(watch: &mut Streaming<WatchEventsResponse>) -> Result<WatchEventsResponse, Status> {
    let response = tokio::time::timeout(PATIENCE, watch.message()).await;
    let response = response.expect("a response in time")?;
    Ok(response.expect("an error, if it ends"))
}

/// What tells an event from all others.
fn named(event: &AuditEvent) -> (String, String, String) {
    let AuditEvent {
        revision,
        action,
        token_id,
        ..
    } = event.clone();
    (revision, action, token_id)
}

/// All the events of the library, as they are listed.
async fn listed(world: &World) -> BTreeSet<(String, String, String)> {
    let (mut events, mut page_token) = (BTreeSet::new(), String::new());
    loop {
        let request = ListAuditEventsRequest {
            library: ACME.into(),
            page_size: 1000,
            page_token,
            ..Default::default()
        };
        let mut admin = world.operator.admin.clone();
        let page = admin.list_audit_events(request).await.expect("events");
        let page = page.into_inner();
        events.extend(page.events.iter().map(named));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return events;
        }
    }
}

#[tokio::test]
async fn a_watcher_is_told_at_once_until_its_right_is_gone_and_of_nothing_after() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    world.person(RIVAL, "bob", &["orders:read"]).await;
    let boss = world.member(ACME, "boss", &[ADMIN]).await;
    let mut watching = watch(&boss.clients, WatchEventsRequest::default()).await;
    let first = next(&mut watching).await.unwrap();
    assert!(first.events.is_empty() && !first.revision.is_empty());
    world.token(asking(RIVAL, "bob")).await;
    let (token, _) = world.token(asking(ACME, "ann")).await;
    let second = next(&mut watching).await.unwrap();
    assert_eq!(second.events.len(), 1);
    let event = &second.events[0];
    assert_eq!(
        (&event.token_id, event.user.as_str()),
        (&token.token_id, "ann")
    );
    assert_eq!(event.action, "token.create");

    let request = RevokeTokenRequest {
        token_id: boss.token_id,
        ..Default::default()
    };
    world
        .operator
        .admin
        .clone()
        .revoke_token(request)
        .await
        .unwrap();
    world.token(asking(ACME, "ann")).await;
    let ended = assert_refused(next(&mut watching).await, ErrorReason::CredentialRefused);
    assert_eq!(told(&ended, "verdict").as_deref(), Some("REVOKED"));

    // Another goes on where it ended, and is told of what it missed.
    let mut resumed = watch(&world.operator, after(&second.revision)).await;
    assert!(next(&mut resumed).await.unwrap().events.is_empty());
    let rest = next(&mut resumed).await.unwrap().events;
    let actions: Vec<_> = rest.iter().map(|e| e.action.as_str()).collect();
    assert_eq!(actions, ["token.revoke", "token.create"]);
}

#[tokio::test]
async fn a_watch_in_which_nothing_happens_ends_with_its_caller_all_the_same() {
    let world = World::new().await;
    world.person(ACME, "boss", &[ADMIN]).await;
    let request = CreateTokenRequest {
        permissions: texts(&[ADMIN]),
        lifetime: "1s".into(),
        ..asking(ACME, "boss")
    };
    let (_, secret) = world.token(request).await;
    let clients = world.server.clients(&secret);
    let mut watching = watch(&clients, WatchEventsRequest::default()).await;
    next(&mut watching).await.unwrap();
    let started = Instant::now();
    let ended = assert_refused(next(&mut watching).await, ErrorReason::CredentialRefused);
    assert_eq!(told(&ended, "verdict").as_deref(), Some("EXPIRED"));
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_revision_of_another_store_is_told_apart_from_what_is_none() {
    let world = World::new().await;
    let (other, mut admin) = (World::new().await, world.operator.admin.clone());
    let mut watching = watch(&other.operator, after("")).await;
    let foreign = next(&mut watching).await.unwrap().revision;
    let refused = admin.watch_events(after(&foreign)).await;
    let refused = assert_refused(refused, ErrorReason::RevisionUnknown);
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    let refused = admin.watch_events(after("yesterday")).await;
    let refused = assert_refused(refused, ErrorReason::InvalidFields);
    assert_eq!(fields_of(&refused), ["after_revision"]);
}

#[tokio::test]
async fn no_library_takes_all_watches() {
    let world = World::new().await;
    let boss = world.member(ACME, "boss", &[ADMIN]).await;
    let mut watching = Vec::new();
    for _ in 0..32 {
        watching.push(watch(&boss.clients, WatchEventsRequest::default()).await);
    }
    let one_more = async || {
        let mut admin = boss.clients.admin.clone();
        admin.watch_events(WatchEventsRequest::default()).await
    };
    assert_refused(one_more().await, ErrorReason::LimitExceeded);
    watch(&world.operator, after("")).await;
    watching.pop();
    let started = Instant::now();
    while one_more().await.is_err() {
        assert!(started.elapsed() < PATIENCE, "a seat is never free again");
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_watchers_and_tells_them_to_come_back() {
    let world = World::with(&["--drain-wait", "0s", "--drain-timeout", "60s"]).await;
    let mut watching = Vec::new();
    for _ in 0..20 {
        let mut one = watch(&world.operator, after("")).await;
        next(&mut one).await.unwrap();
        watching.push(one);
    }
    let (server, data) = world.parts();
    let started = Instant::now();
    // The connection is this thread's, and must be able to say goodbye.
    let stopping = tokio::task::spawn_blocking(move || server.terminate());
    assert!(stopping.await.unwrap().success());
    let took = started.elapsed();
    assert!(took < Duration::from_secs(10), "it took {took:?}");
    for mut one in watching {
        let ended = assert_refused(next(&mut one).await, ErrorReason::NotReady);
        assert_eq!(ended.code(), tonic::Code::Unavailable);
    }
    drop(data);
}

#[tokio::test]
async fn what_a_watcher_is_told_across_stops_and_kills_is_what_the_log_holds() {
    let mut world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let (mut seen, mut last) = (BTreeSet::new(), "0".to_owned());
    for round in 0..6 {
        let mut watching = watch(&world.operator, after(&last)).await;
        let mut admin = world.operator.admin.clone();
        let writer = tokio::spawn(async move {
            loop {
                let request = CreateTokenRequest {
                    lifetime: "1d".into(),
                    ..asking(ACME, "ann")
                };
                let made = admin.create_token(request).await;
                let Ok(made) = made else { break };
                let token_id = made.into_inner().token.expect("the token").token_id;
                let request = RevokeTokenRequest {
                    token_id,
                    ..Default::default()
                };
                if admin.revoke_token(request).await.is_err() {
                    break;
                }
            }
        });
        // It is disconnected once by itself, and then by the end of the server.
        let mut count = 0;
        while count < 30 {
            let response = next(&mut watching).await.unwrap();
            count += response.events.len();
            seen.extend(response.events.iter().map(named));
            last = response.revision;
        }
        drop(watching);
        let mut watching = watch(&world.operator, after(&last)).await;
        let (server, data) = world.parts();
        let stopped = if round % 2 == 0 {
            server.kill9();
            None
        } else {
            server.ask_to_stop();
            Some(server)
        };
        while let Ok(response) = next(&mut watching).await {
            seen.extend(response.events.iter().map(named));
            last = response.revision;
        }
        if let Some(server) = stopped {
            assert!(server.wait().0.success());
        }
        writer.await.unwrap();
        world = World::on(data, &["--drain-wait", "0s"], &[]).await;
    }
    let expected = listed(&world).await;
    let mut watching = watch(&world.operator, after(&last)).await;
    while seen.len() < expected.len() {
        let response = next(&mut watching).await.unwrap();
        seen.extend(response.events.iter().map(named));
    }
    assert_eq!(seen, expected);
    crate::report(&format!("watched {} events over 7 servers", seen.len()));
}

#[tokio::test]
async fn what_expired_while_the_server_was_down_is_told_to_who_comes_back() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let (token, _) = world
        .token(CreateTokenRequest {
            lifetime: "2d".into(),
            ..asking(ACME, "ann")
        })
        .await;
    let mut watching = watch(&world.operator, after("")).await;
    let last = next(&mut watching).await.unwrap().revision;
    let host = Host::new();
    let world = host.start(world.killed(), &[], 3 * DAY).await;
    let mut watching = watch(&world.operator, after(&last)).await;
    let mut actions = Vec::new();
    while actions.len() < 2 {
        let response = next(&mut watching).await.unwrap();
        for event in response.events {
            assert_eq!(event.token_id, token.token_id);
            assert_eq!(
                (event.actor.as_str(), event.user.as_str()),
                ("token-authority", "ann")
            );
            actions.push(event.action);
        }
    }
    assert_eq!(actions, ["token.expiring", "token.expired"]);
}

#[tokio::test]
async fn the_command_line_follows_until_it_is_interrupted() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let mut command = bare();
    let mut child = command
        .args(["audit", "--library", ACME, "--follow", "--after", "0"])
        .args(["--action", "token."])
        .env(
            "TOKEN_AUTHORITY_SERVER",
            format!("http://{}", world.server.address()),
        )
        .env(
            "TOKEN_AUTHORITY_CREDENTIAL_FILE",
            world.data_dir().join("operator.token"),
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let (token, _) = world.token(asking(ACME, "ann")).await;
    let reading = tokio::task::spawn_blocking(move || stdout.lines().map_while(Result::ok).next());
    let line = reading.await.unwrap().expect("a line");
    assert!(line.contains("  system/root  token.create  "), "{line}");
    assert!(line.contains(&token.token_id), "{line}");
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process id"), Signal::INT).expect("the process is there");
    let ended = tokio::task::spawn_blocking(move || child.wait())
        .await
        .unwrap();
    assert_eq!(ended.unwrap().code(), Some(0));
}
