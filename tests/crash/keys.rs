//! kill -9 at every step of what changes keys: just before each system call in turn by which it changes the disk, until one run
//! is not killed any more (`killat.c`).

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use tempfile::TempDir;
use token_authority::proto::v1::{
    CreateTokenRequest, GetKeyStatusRequest, KeyState, KeyVersion, RetireKeyRequest,
    RotateKeyRequest, Verdict, VerifyRequest,
};

use crate::directory::Directory;
use crate::harness::{Clients, LIBRARY, Server, USER, furnish};
use crate::power::Disk;
use crate::report;

/// Tokens that must outlast every kill.
const TOKENS: usize = 5;
/// The exit code of a program that was killed at a step.
const KILLED: i32 = 137;
/// More steps than any of it takes: a table that goes on for ever is a fault of its own.
const MOST_STEPS: usize = 400;
/// Steps from one loss of power to the next.
const POWER_STRIDE: usize = 5;
/// A passphrase, and not a secret.
const PASSPHRASE: &str = "correct horse battery staple\n";

/// The program that kills, and the file that it waits for.
struct Killer(TempDir);

// === impl Killer ===

impl Killer {
    fn new() -> Killer {
        let killer = Killer(tempfile::tempdir().expect("a temporary directory"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/crash/killat.c");
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-Wall", "-o"])
            .args([killer.path("killat"), source.to_owned()]);
        assert!(cc.status().expect("a C compiler").success());
        killer
    }

    fn path(&self, name: &str) -> String {
        let path = self.0.path().join(name);
        path.into_os_string().into_string().expect("UTF-8")
    }

    /// Runs a command of the binary to its end, or to the kill before its step.
    fn run(&self, step: usize, args: &[&str]) -> ExitStatus {
        self.run_on(&[], step, args)
    }

    /// The same on a disk, which this environment models.
    fn run_on(&self, model: &[(&str, PathBuf)], step: usize, args: &[&str]) -> ExitStatus {
        Command::new(self.path("killat"))
            .envs(model.iter().cloned())
            .args([&step.to_string(), "", env!("CARGO_BIN_EXE_token-authority")])
            .args(args)
            .stdout(Stdio::null())
            .status()
            .expect("the program that kills")
    }

    /// A server that is killed before a step, counted from when [`Killer::begin`] was called.
    fn serve(&self, step: usize, data_dir: &Path) -> Server {
        // Nobody has begun yet, or the one before is over.
        drop(fs::remove_file(self.path("gate")));
        let step = step.to_string();
        Server::start_under(&[&self.path("killat"), &step, &self.path("gate")], data_dir)
    }

    fn begin(&self) {
        fs::write(self.path("gate"), []).expect("a file");
    }
}

/// A data directory without a server, and the tokens in it: some hang on the first key, some on the second.
async fn filled() -> (Directory, Vec<String>) {
    let directory = Directory::new();
    let server = Server::start(directory.path());
    furnish(&server).await;
    let mut clients = server.clients(&server.operator_secret());
    let mut secrets = vec![server.operator_secret()];
    for number in 0..TOKENS {
        if number == TOKENS / 2 {
            rotate(&mut clients).await.expect("a rotation");
        }
        secrets.push(token(&mut clients).await);
    }
    assert_eq!(server.terminate().code(), Some(0));
    (directory, secrets)
}

async fn token(clients: &mut Clients) -> String {
    let request = CreateTokenRequest {
        library: LIBRARY.into(),
        user: USER.into(),
        display_name: "outlasts".into(),
        ..Default::default()
    };
    let made = clients.admin.create_token(request).await;
    made.expect("a token").into_inner().secret
}

async fn rotate(clients: &mut Clients) -> Result<u32, tonic::Status> {
    let answer = clients.keys.rotate_key(RotateKeyRequest::default()).await?;
    Ok(answer.into_inner().version)
}

async fn retire_first(clients: &mut Clients) -> Result<(), tonic::Status> {
    let request = RetireKeyRequest {
        version: 1,
        ..Default::default()
    };
    clients.keys.retire_key(request).await.map(drop)
}

async fn keys(clients: &mut Clients) -> Vec<KeyVersion> {
    let status = clients.keys.get_key_status(GetKeyStatusRequest {}).await;
    status.expect("the keys").into_inner().keys
}

/// A server on what another one left that was killed through the program that watches it: a moment later than that.
async fn restarted(data_dir: &Path) -> Server {
    loop {
        match Server::start(data_dir).ready_or_ended().await {
            Ok(server) => return server,
            Err(log) if log.contains("another process uses the store") => {}
            Err(log) => panic!("{log}"),
        }
    }
}

/// Every token is good.
async fn all_verify(server: &Server, secrets: &[String]) {
    let mut clients = server.clients(&secrets[0]);
    for secret in secrets {
        let request = VerifyRequest {
            token: secret.clone(),
            ..Default::default()
        };
        let answer = clients.verify.verify(request).await.expect("a verdict");
        assert_eq!(answer.into_inner().verdict(), Verdict::Valid);
    }
}

/// A copy of a data directory, in which something may go wrong.
fn copy(from: &Path) -> Directory {
    let copy = Directory::new();
    copy_all(from, copy.path());
    copy
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_all(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a file");
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Kills a change of the root key at every step. Says how many there were, and how many left the old root key in force.
async fn rewrap_at_every_step(new: (&str, &Path), from: usize, stride: usize) -> (usize, usize) {
    let killer = Killer::new();
    let (directory, secrets) = filled().await;
    let (mut step, mut old_ones) = (from, 0);
    loop {
        assert!(step < MOST_STEPS, "it never ends");
        let copy = copy(directory.path());
        let flag = format!("--new-{}", new.0);
        let args = [
            "keys",
            "rewrap",
            "--data-dir",
            text(copy.path()),
            &flag,
            text(new.1),
        ];
        let status = killer.run(step, &args);
        let is_done = status.code() == Some(0);
        assert!(is_done || status.code() == Some(KILLED), "{status}");

        let serve = |root: &[&str]| Server::start_with(copy.path(), root, &[]).ready_or_ended();
        let new_root = format!("--{}={}", new.0, text(new.1));
        let server = match serve(&[]).await {
            Ok(server) => {
                assert!(!is_done, "the old root key is good for nothing any more");
                old_ones += 1;
                server
            }
            Err(log) => {
                assert!(log.contains("root key"), "{log}");
                let server = serve(&[&new_root]).await;
                server.unwrap_or_else(|log| panic!("step {step}: neither opens the store:\n{log}"))
            }
        };
        all_verify(&server, &secrets).await;
        server.kill9();

        // Whatever was left undone is done by a second attempt, whether or not a server ran in between.
        assert_eq!(killer.run(0, &args).code(), Some(0), "step {step}");
        let server = serve(&[&new_root])
            .await
            .unwrap_or_else(|log| panic!("{log}"));
        all_verify(&server, &secrets).await;
        server.kill9();
        if is_done {
            return (step - 1, old_ones);
        }
        step += stride;
    }
}

fn secret_file(folder: &TempDir, content: &str) -> PathBuf {
    let path = folder.path().join("new-root");
    fs::write(&path, content).expect("a file");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its owner's alone");
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_of_the_root_key_that_is_killed_at_any_step_loses_nothing() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = secret_file(&folder, &"5a".repeat(32));
    let (steps, old) = rewrap_at_every_step(("root-key-file", &path), 1, 1).await;
    assert!(0 < old && old < steps, "{old} of {steps}");
    report(&format!(
        "keys rewrap: killed before each of {steps} steps; the old root key opened {old} stores, the new one {}; 0 tokens lost",
        steps - old
    ));
}

/// Each run derives a key slowly, so a sample of the steps must do.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_to_a_passphrase_that_is_killed_loses_nothing() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = secret_file(&folder, PASSPHRASE);
    let (_, old) = rewrap_at_every_step(("root-passphrase-file", &path), 5, 7).await;
    assert!(0 < old, "{old}");
}

/// The steps of the model count too, and there are many of them: a sample must do.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_of_the_root_key_during_which_the_power_goes_loses_nothing() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let new = secret_file(&folder, &"5a".repeat(32));
    let new_root = format!("--root-key-file={}", text(&new));
    let (killer, disk) = (Killer::new(), Disk::new());
    let (directory, secrets) = filled().await;
    let (mut losses, mut old_ones) = (0, 0);
    for step in (3..).step_by(POWER_STRIDE) {
        assert!(step < 10 * MOST_STEPS, "it never ends");
        let [data, image, after] = ["data", "image", "after"].map(|name| format!("{name}-{step}"));
        copy_all(directory.path(), &disk.path(&data));
        let data_dir = disk.path(&data);
        let args = [
            "keys",
            "rewrap",
            "--data-dir",
            text(&data_dir),
            "--new-root-key-file",
            text(&new),
        ];
        let status = killer.run_on(&disk.model(&data, &image), step, &args);
        let is_done = status.code() == Some(0);
        assert!(is_done || status.code() == Some(KILLED), "{status}");
        if !disk.path(&image).join("dirs").exists() {
            // The model itself had not begun.
            continue;
        }
        let after = disk.power_returns(&image, &after);
        // Nobody syncs what the authority was given before, so it is as it was.
        let serve = |root: &[&str]| Server::start_with(&after, root, &[]).ready_or_ended();
        let server = match serve(&[]).await {
            Ok(server) => {
                assert!(!is_done, "what is done outlasts the power");
                old_ones += 1;
                server
            }
            Err(_) => serve(&[&new_root])
                .await
                .unwrap_or_else(|log| panic!("step {step}:\n{log}")),
        };
        all_verify(&server, &secrets).await;
        losses += 1;
        if is_done {
            break;
        }
    }
    assert!(0 < old_ones && old_ones < losses, "{old_ones} of {losses}");
    report(&format!(
        "keys rewrap: {losses} losses of power; the old root key opened {old_ones} stores; 0 tokens lost"
    ));
}

/// Kills a server at every step of a change of its keys. `happened` says of the keys that it left whether the change is there, and
/// `again` makes it once more. Says how many steps there were, and after how many the change was there.
async fn change_at_every_step<T>(
    (directory, secrets): &(Directory, Vec<String>),
    change: impl AsyncFn(&mut Clients) -> Result<T, tonic::Status>,
    happened: impl Fn(&[KeyVersion]) -> bool,
    again: impl AsyncFn(&mut Clients, &[KeyVersion]),
) -> (usize, usize) {
    let killer = Killer::new();
    let (mut all_happened, mut steps) = (0, 0);
    for step in 1..MOST_STEPS {
        let copy = copy(directory.path());
        let server = killer.serve(step, copy.path());
        server.ready().await;
        let mut clients = server.clients(&secrets[0]);
        killer.begin();
        let answer = change(&mut clients).await;
        drop(server);

        let server = restarted(copy.path()).await;
        all_verify(&server, secrets).await;
        let mut clients = server.clients(&secrets[0]);
        let now = keys(&mut clients).await;
        let is_there = happened(&now);
        all_happened += usize::from(is_there);
        assert!(is_there || answer.is_err(), "what was answered is there");
        again(&mut clients, &now).await;
        all_verify(&server, secrets).await;
        if answer.is_ok() {
            break;
        }
        steps = step;
    }
    assert!(steps > 0);
    (steps, all_happened)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rotation_that_is_killed_at_any_step_happened_whole_or_not_at_all() {
    let goes_on = async |clients: &mut Clients, before: &[KeyVersion]| {
        let next = rotate(clients).await.expect("a rotation");
        assert_eq!(usize::try_from(next).expect("small"), before.len() + 1);
    };
    let happened = |now: &[KeyVersion]| now.len() == 3;
    let (steps, happened) = change_at_every_step(&filled().await, rotate, happened, goes_on).await;
    report(&format!(
        "keys rotate: killed before each of {steps} steps; {happened} happened; 0 tokens lost"
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_retirement_that_is_killed_at_any_step_happened_whole_or_not_at_all() {
    let (directory, secrets) = filled().await;
    // All that is good moves to the newest key, so that the first can be retired.
    let server = Server::start(directory.path());
    server.ready().await;
    let mut clients = server.clients(&secrets[0]);
    while keys(&mut clients).await[0].tokens() > 0 {
        all_verify(&server, &secrets).await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert_eq!(server.terminate().code(), Some(0));
    let repeated = async |clients: &mut Clients, _: &[KeyVersion]| {
        retire_first(clients).await.expect("a repeat");
    };
    let happened = |now: &[KeyVersion]| now[0].state() == KeyState::Retired;
    let filled = (directory, secrets);
    let (steps, happened) = change_at_every_step(&filled, retire_first, happened, repeated).await;
    report(&format!(
        "keys retire: killed before each of {steps} steps; {happened} happened; 0 tokens lost"
    ));
}
