//! What the store promised is on the disk when the power goes, by the model in `tests/crash/powerloss.c`.
//!
//! Each test runs [`victim`] in a process of its own, on that model, and kills it.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;

/// Tells the victim which directory is its own.
const VICTIM_DIR: &str = "TOKEN_AUTHORITY_VICTIM_DIR";
/// How it is run.
const VICTIM_ARGS: [&str; 3] = [
    "--exact",
    "store::sled::tests::powerloss::victim",
    "--nocapture",
];
/// Commits that the victim has on their way at once.
const COMMITTERS: u64 = 8;
/// Promises after which it is killed.
const PROMISES: usize = 400;
/// What ends each line of the victim, so that a cut one is told from a whole.
const END: &str = " is promised";

/// A disk, and what is needed to use it.
struct Disk {
    files: TempDir,
}

impl Disk {
    fn new() -> Disk {
        let disk = Disk {
            files: tempdir().unwrap(),
        };
        disk.compile("powerloss.so", &["-shared", "-fPIC"]);
        disk.compile("powerloss", &["-DPOWERLOSS_TOOL"]);
        disk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    fn compile(&self, name: &str, flags: &[&str]) {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/crash/powerloss.c");
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-o"])
            .arg(self.path(name))
            .args(flags)
            .args([source, "-ldl", "-lpthread"]);
        assert!(cc.status().unwrap().success(), "no C compiler?");
    }

    /// Starts a process that commits to `data`.
    fn start(&self, settings: &[(&str, &str)]) -> Child {
        Command::new(env::current_exe().unwrap())
            .args(VICTIM_ARGS)
            .env(VICTIM_DIR, self.path("data"))
            .env("LD_PRELOAD", self.path("powerloss.so"))
            .env("POWERLOSS_DIR", self.path("data"))
            .env("POWERLOSS_IMAGE", self.path("image"))
            .env("POWERLOSS_FAIL_SYNC", self.path("fail"))
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Kills the process as soon as it has promised enough; answers all that it promised.
    fn kill(mut victim: Child) -> Vec<String> {
        let mut promises = Vec::new();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            // The test harness writes lines of its own.
            promises.extend(line.strip_suffix(END).map(str::to_owned));
            if promises.len() == PROMISES {
                victim.kill().unwrap();
            }
        }
        assert_eq!(victim.wait().unwrap().signal(), Some(9));
        assert!(promises.len() >= PROMISES);
        promises
    }

    /// How many of the promises are not on the disk, once the power is back.
    async fn lost(&self, promises: &[String]) -> usize {
        let after = self.path("after");
        let mut tool = Command::new(self.path("powerloss"));
        assert!(
            tool.arg(self.path("image"))
                .arg(&after)
                .status()
                .unwrap()
                .success()
        );
        lost_in(&after, promises).await
    }
}

/// How many of the promises are not in this directory. What is there must be whole, and the store must go on.
async fn lost_in(dir: &Path, promises: &[String]) -> usize {
    let store = open(dir);
    let stored = store.scan(vec![], None, usize::MAX).await.unwrap();
    for record in &stored {
        assert_eq!(record.value, record.key.repeat(10), "never half of it");
    }
    assert_eq!(
        store.head().await.unwrap().0 * 2,
        stored.len() as u64,
        "two records each"
    );
    store
        .commit(vec![], vec![put("and on", b"")])
        .await
        .unwrap();
    let names: Vec<&[u8]> = stored.iter().map(|record| record.key.as_slice()).collect();
    promises
        .iter()
        .filter(|name| names.binary_search(&name.as_bytes()).is_err())
        .count()
}

/// Commits two records at a time, and says so after each: for ever where it is to be killed, else a few, which are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn victim() {
    let to_be_killed = env::var(VICTIM_DIR);
    let own = tempdir().unwrap();
    let (dir, each) = match &to_be_killed {
        Ok(dir) => (Path::new(dir), u64::MAX),
        Err(_) => (own.path(), 3),
    };
    let store = Arc::new(open(dir));
    let mut committers = JoinSet::new();
    for committer in 0..COMMITTERS {
        let store = Arc::clone(&store);
        committers.spawn(async move {
            let mut promises = Vec::new();
            for number in 0..each {
                let name = format!("{committer}/{number:06}");
                let twin = format!("{name}/twin");
                let changes = [&name, &twin].map(|name| put(name, name.repeat(10).as_bytes()));
                let Ok(_) = store.commit(vec![], changes.to_vec()).await else {
                    break;
                };
                writeln!(std::io::stdout(), "{name}{END}").unwrap();
                promises.push(name);
            }
            promises
        });
    }
    let promises = committers.join_all().await.concat();
    if to_be_killed.is_ok() {
        // A failed store: the process that serves would end itself.
        writeln!(std::io::stdout(), "failed: {}", store.failed().await).unwrap();
        return;
    }
    store.close().await;
    assert_eq!(promises.len() as u64, COMMITTERS * each);
    assert_eq!(lost_in(dir, &promises).await, 0);
}

#[tokio::test]
async fn nothing_promised_is_lost_with_the_power() {
    for _ in 0..3 {
        let disk = Disk::new();
        let promises = Disk::kill(disk.start(&[]));
        assert_eq!(disk.lost(&promises).await, 0);
    }
}

#[tokio::test]
async fn nothing_promised_is_lost_if_the_disk_writes_back_early_and_out_of_order() {
    for seed in ["1", "2", "3"] {
        let disk = Disk::new();
        let settings = [("POWERLOSS_EAGER", "50"), ("POWERLOSS_SEED", seed)];
        let promises = Disk::kill(disk.start(&settings));
        assert_eq!(disk.lost(&promises).await, 0);
    }
}

/// The control: it shows that the two tests above can fail.
#[tokio::test]
async fn without_our_own_sync_promises_are_lost() {
    let disk = Disk::new();
    let promises = Disk::kill(disk.start(&[("POWERLOSS_IGNORE_FDATASYNC", "1")]));
    assert_ne!(disk.lost(&promises).await, 0);
}

#[tokio::test]
async fn a_sync_that_fails_is_the_end_and_nothing_is_promised_after_it() {
    let disk = Disk::new();
    let mut victim = disk.start(&[]);
    let (mut promises, mut reason) = (Vec::new(), None);
    for line in BufReader::new(victim.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
    {
        promises.extend(line.strip_suffix(END).map(str::to_owned));
        if promises.len() == PROMISES {
            fs::write(disk.path("fail"), b"").unwrap();
        }
        if line.starts_with("failed: ") {
            reason = Some(line);
        }
    }
    assert!(victim.wait().unwrap().success());
    let reason = reason.expect("it says why");
    assert!(
        reason.contains("sync failed") && reason.contains("os error 5"),
        "{reason}"
    );
    assert_eq!(disk.lost(&promises).await, 0);
}

/// A limit on the size of files stands for the end of the disk.
#[tokio::test]
async fn a_full_disk_is_the_end_and_nothing_promised_is_lost() {
    let files = tempdir().unwrap();
    let data = files.path().join("data");
    let mut victim = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 4096; exec \"$@\"", "sh"])
        .arg(env::current_exe().unwrap())
        .args(VICTIM_ARGS)
        .env(VICTIM_DIR, &data)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut promises, mut reason) = (Vec::new(), None);
    for line in BufReader::new(victim.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
    {
        promises.extend(line.strip_suffix(END).map(str::to_owned));
        if line.starts_with("failed: ") {
            reason = Some(line);
        }
    }
    assert!(victim.wait().unwrap().success());
    let reason = reason.expect("it says why");
    assert!(reason.contains("sled could not"), "{reason}");
    assert!(!promises.is_empty());
    assert_eq!(lost_in(&data, &promises).await, 0);
}
