//! Keys over the API: rotation under load, retiring, and a root key that comes from a passphrase.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use token_authority::proto::v1::{
    ErrorReason, GetKeyStatusRequest, GetKeyStatusResponse, KeyState, KeyVersion, RetireKeyRequest,
    RootKeySource, RotateKeyRequest, Verdict,
};

use crate::harness::{Clients, Server};
use crate::refusal::reason_of;
use crate::world::{ACME, World, asking, presenting};

const PASSPHRASE: &str = "correct horse battery staple";
/// Tokens that move: more than one turn of upkeep writes.
const TOKENS: usize = 130;

async fn status(clients: &Clients) -> GetKeyStatusResponse {
    let mut keys = clients.keys.clone();
    let status = keys.get_key_status(GetKeyStatusRequest {}).await;
    status.unwrap().into_inner()
}

async fn rotate(clients: &Clients) -> u32 {
    let mut keys = clients.keys.clone();
    let answer = keys.rotate_key(RotateKeyRequest::default()).await;
    answer.unwrap().into_inner().version
}

fn retiring(version: u32) -> RetireKeyRequest {
    RetireKeyRequest {
        version,
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_move_to_a_new_key_while_they_are_verified_until_the_old_one_is_retired() {
    let world = World::new().await;
    world.user_type(ACME, "clerk", &["orders:read"]).await;
    world.user(ACME, "ann", &["clerk"]).await;
    let mut secrets = vec![world.server.operator_secret()];
    for _ in 0..TOKENS {
        secrets.push(world.token(asking(ACME, "ann")).await.1);
    }
    let clients = &world.operator;
    assert_eq!(rotate(clients).await, 2);
    let mut keys = clients.keys.clone();
    let refused = keys.retire_key(retiring(1)).await.unwrap_err();
    assert_eq!(reason_of(&refused), ErrorReason::InUse);

    let (is_over, verified) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let load = tokio::spawn({
        let (is_over, verified) = (is_over.clone(), verified.clone());
        let (secrets, mut verify) = (secrets.clone(), clients.verify.clone());
        async move {
            while !is_over.load(Ordering::SeqCst) {
                for secret in &secrets {
                    let answer = verify.verify(presenting(secret)).await.unwrap();
                    assert_eq!(answer.into_inner().verdict(), Verdict::Valid);
                    verified.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    });
    let mut left = u64::MAX;
    while left > 0 {
        let now = status(clients).await.keys[0].tokens();
        assert!(now <= left, "none comes back: {now} after {left}");
        left = now;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let done = keys.retire_key(retiring(1)).await.unwrap().into_inner();
    assert_eq!(done.warnings, Vec::<String>::new());
    let before = verified.load(Ordering::SeqCst);
    while verified.load(Ordering::SeqCst) < before + 2 * secrets.len() {
        tokio::task::yield_now().await;
    }
    is_over.store(true, Ordering::SeqCst);
    load.await.unwrap();

    let now = status(clients).await;
    let states: Vec<KeyState> = now.keys.iter().map(KeyVersion::state).collect();
    assert_eq!(states, [KeyState::Retired, KeyState::Current]);
    assert!(now.keys[0].retire_time.is_some() && now.keys[1].retire_time.is_none());
    assert_eq!(now.root_key_source(), RootKeySource::Made);
    let refused = keys.retire_key(retiring(2)).await.unwrap_err();
    assert_eq!(reason_of(&refused), ErrorReason::InUse);
    let refused = keys.retire_key(retiring(9)).await.unwrap_err();
    assert_eq!(reason_of(&refused), ErrorReason::NotFound);
}

#[tokio::test]
async fn a_repeated_rotation_makes_one_key() {
    let world = World::new().await;
    let mut keys = world.operator.keys.clone();
    let request = RotateKeyRequest {
        request_id: "3f1c9a52-8a0e-4f0b-9d53-0a1b6c7d8e9f".into(),
    };
    for _ in 0..2 {
        let answer = keys.rotate_key(request.clone()).await.unwrap();
        assert_eq!(answer.into_inner().version, 2);
    }
    assert_eq!(status(&world.operator).await.keys.len(), 2);
}

/// A folder with a data directory and what its root key comes from.
struct Place(tempfile::TempDir);

// === impl Place ===

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Writes a file, and gives the option that names it.
    fn option(&self, option: &str, name: &str, content: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        format!("--{option}={}", path.display())
    }

    async fn serve(&self, options: &[&str]) -> Result<Server, String> {
        let server = Server::start_with(&self.data(), options, &[]);
        server.ready_or_ended().await
    }

    fn rewrap(&self, options: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_token-authority"))
            .args(["keys", "rewrap", "--data-dir"])
            .arg(self.data())
            .args(options)
            .output()
            .unwrap()
    }

    /// Starts a server that is refused, and tells why; not a byte is written meanwhile.
    async fn refused(&self, options: &[&str]) -> String {
        let before = bytes_below(&self.data());
        let log = self.serve(options).await.err().expect("a refusal");
        assert!(before.len() > 3, "the engine's files are among them");
        assert!(before == bytes_below(&self.data()), "a byte was written");
        assert!(!log.contains("battery"), "the passphrase is in the log");
        log
    }
}

/// Every file below a folder, with its bytes.
fn bytes_below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(bytes_below(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

async fn source(server: &Server) -> RootKeySource {
    let clients = server.clients(&server.operator_secret());
    status(&clients).await.root_key_source()
}

#[tokio::test]
async fn a_passphrase_opens_the_store_and_any_other_writes_nothing() {
    let place = Place::new();
    let right = place.option("root-passphrase-file", "right", &format!("{PASSPHRASE}\n"));
    let server = place.serve(&[&right]).await.unwrap();
    assert_eq!(source(&server).await, RootKeySource::Passphrase);
    assert!(!place.data().join("root.key").exists());
    assert_eq!(server.terminate().code(), Some(0));

    let wrong = place.option("root-passphrase-file", "wrong", &format!("{PASSPHRASE}s\n"));
    let log = place.refused(&[&wrong]).await;
    assert!(
        log.contains("not the one that this store was made with"),
        "{log}"
    );
    let short = place.option("root-passphrase-file", "short", "eleven char\n");
    assert!(place.refused(&[&short]).await.contains("at least 12"));
    let key = place.option("root-key-file", "key", &"5a".repeat(32));
    for other in [&[key.as_str()][..], &[]] {
        assert!(place.refused(other).await.contains("keys rewrap"));
    }

    // The same from another editor.
    let same = place.option("root-passphrase-file", "same", &format!("{PASSPHRASE}\r\n"));
    let server = place.serve(&[&same]).await.unwrap();
    assert_eq!(server.terminate().code(), Some(0));

    // Without its salt no passphrase is worth anything, and another salt is not made up.
    let check = place.data().join("store/root.check");
    let kept = fs::read(&check).unwrap();
    fs::remove_file(&check).unwrap();
    assert!(place.refused(&[&right]).await.contains("root.check"));
    fs::write(&check, kept).unwrap();
    place.serve(&[&right]).await.unwrap();
}

#[tokio::test]
async fn a_root_key_is_changed_while_the_server_is_stopped_and_only_then() {
    let place = Place::new();
    let server = place.serve(&[]).await.unwrap();
    let secret = server.operator_secret();
    let passphrase = place.option("new-root-passphrase-file", "passphrase", PASSPHRASE);
    let busy = place.rewrap(&[&passphrase]);
    assert_eq!(busy.status.code(), Some(1));
    let told = String::from_utf8(busy.stderr).unwrap();
    assert!(told.contains("must be stopped"), "{told}");
    assert_eq!(server.terminate().code(), Some(0));

    let serving = place.option("root-passphrase-file", "passphrase", PASSPHRASE);
    let refused = place.refused(&[&serving]).await;
    assert!(refused.contains("keys rewrap"), "{refused}");
    let done = place.rewrap(&[&passphrase]);
    let told = String::from_utf8(done.stdout).unwrap();
    assert_eq!(done.status.code(), Some(0), "{told}");
    for word in ["root_passphrase_file", "may be deleted"] {
        assert!(told.contains(word), "{told}");
    }
    assert!(place.refused(&[]).await.contains("keys rewrap"));
    let again = place.rewrap(&[&passphrase]);
    let told = String::from_utf8(again.stdout).unwrap();
    assert!(told.contains("changed before"), "{told}");

    let server = place.serve(&[&serving]).await.unwrap();
    assert_eq!(server.operator_secret(), secret);
    assert_eq!(source(&server).await, RootKeySource::Passphrase);
    assert_eq!(server.terminate().code(), Some(0));

    // The same one is no new one, whatever its salt; and back.
    let same = place.rewrap(&[&serving, &passphrase]);
    assert!(String::from_utf8(same.stderr).unwrap().contains("openssl"));
    let key = place.option("new-root-key-file", "key", &"5a".repeat(32));
    assert_eq!(place.rewrap(&[&serving, &key]).status.code(), Some(0));
    let serving = place.option("root-key-file", "key", &"5a".repeat(32));
    let server = place.serve(&[&serving]).await.unwrap();
    assert_eq!(source(&server).await, RootKeySource::File);
    drop(server);
    assert_eq!(place.rewrap(&[&serving, &key]).status.code(), Some(1));
    assert_eq!(place.rewrap(&[&serving]).status.code(), Some(2));
    let nowhere = Place::new().rewrap(&[&key]);
    assert_eq!(nowhere.status.code(), Some(1));
}
