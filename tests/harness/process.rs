//! The server's process: started on port 0, its log kept, ended in every way that a suite needs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tonic::transport::Channel;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::client::{self, Clients};

/// How long a server may take to do what it was told, before it counts as hung.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pause between two looks at something that the server does not announce.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// The names that say whether calls are served.
const READY: [&str; 2] = [
    "tokenauthority.v1.TokenVerify",
    "tokenauthority.v1.TokenAdmin",
];

/// What is started.
const BINARY: &str = env!("CARGO_BIN_EXE_token-authority");

/// A running server, killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    data_dir: PathBuf,
    log: Arc<Mutex<String>>,
    drain: Option<JoinHandle<()>>,
}

// === impl Server ===

impl Server {
    /// A server on `data_dir` that listens.
    pub(crate) fn start(data_dir: &Path) -> Server {
        Server::start_with(data_dir, &[], &[])
    }

    /// As [`Server::start`], with further arguments and environment variables.
    pub(crate) fn start_with(data_dir: &Path, args: &[&str], envs: &[(&str, &str)]) -> Server {
        Server::started(Server::spawn(binary(), data_dir, args, envs))
    }

    /// As [`Server::start_with`], with so many descriptors at most.
    pub(crate) fn start_within(data_dir: &Path, descriptors: u32, args: &[&str]) -> Server {
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"");
        command.arg("-c").arg(script).arg(BINARY);
        Server::started(Server::spawn(command, data_dir, args, &[]))
    }

    fn started(started: Result<Server, (ExitStatus, String)>) -> Server {
        match started {
            Ok(server) => server,
            Err((status, log)) => panic!("it ended with {status} before it listened:\n{log}"),
        }
    }

    /// As [`Server::start`], by a program that takes a command line as its last arguments.
    pub(crate) fn start_under(program: &[&str], data_dir: &Path) -> Server {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]);
        command.arg(BINARY);
        Server::started(Server::spawn(command, data_dir, &[], &[]))
    }

    /// Starts a server that must refuse to serve; its status, and all that it logged.
    pub(crate) fn refused(data_dir: &Path) -> (ExitStatus, String) {
        Server::refused_with(data_dir, &[])
    }

    /// As [`Server::refused`], with further arguments.
    pub(crate) fn refused_with(data_dir: &Path, args: &[&str]) -> (ExitStatus, String) {
        // It may listen before it knows: health is answered from the first moment.
        Server::spawn(binary(), data_dir, args, &[]).map_or_else(|ended| ended, Server::wait)
    }

    /// A server that listens, or the status and the log of one that ended before.
    fn spawn(
        mut command: Command,
        data_dir: &Path,
        args: &[&str],
        envs: &[(&str, &str)],
    ) -> Result<Server, (ExitStatus, String)> {
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TOKEN_AUTHORITY_")) {
            command.env_remove(name);
        }
        let mut child = command
            // Not a flag, so that a suite may give one.
            .env("TOKEN_AUTHORITY_LOG_FORMAT", "json")
            .args(["serve", "--listen", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(data_dir)
            .args(args)
            .envs(envs.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server's binary runs");

        let stderr = child.stderr.take().expect("standard error is piped");
        let log = Arc::new(Mutex::new(String::new()));
        let (found, listening) = mpsc::channel();
        let drain = std::thread::spawn({
            let log = Arc::clone(&log);
            move || keep_log(stderr, &log, &found)
        });
        // An error when the server closes its standard error, as it does when it ends, or when patience does.
        let address = listening.recv_timeout(PATIENCE);
        let server = Server {
            child,
            address: address.unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0))),
            data_dir: data_dir.to_owned(),
            log,
            drain: Some(drain),
        };
        match address {
            Ok(_) => Ok(server),
            Err(_) => Err(server.wait()),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the listener that serves this, as the log tells.
    pub(crate) fn address_of(&self, serves: &str) -> SocketAddr {
        let started = Instant::now();
        loop {
            let log = self.log();
            let mut listeners = log.lines().filter_map(|line| {
                let fields = fields(line).filter(|fields| fields["message"] == "listening")?;
                (fields["serves"] == serves).then_some(fields["address"].as_str()?.parse().ok()?)
            });
            if let Some(address) = listeners.next() {
                return address;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "nothing serves {serves}:\n{log}"
            );
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The fields of the first line that it has logged with this message, if there is one yet.
    pub(crate) fn logged(&self, message: &str) -> Option<serde_json::Value> {
        self.log()
            .lines()
            .find_map(|line| fields(line).filter(|fields| fields["message"] == message))
    }

    /// The secret that it made for its operator.
    pub(crate) fn operator_secret(&self) -> String {
        let path = self.data_dir.join("operator.token");
        let secret = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}\n{}", path.display(), self.log()));
        secret.trim().to_owned()
    }

    /// A connection of its own.
    pub(crate) fn channel(&self) -> Channel {
        client::channel(self.address)
    }

    /// The clients of a new connection.
    pub(crate) fn clients(&self, secret: &str) -> Clients {
        Clients::new(self.channel(), secret)
    }

    /// Waits until every service says that it serves; all that it logged if it ends instead.
    pub(crate) async fn ready_or_ended(mut self) -> Result<Server, String> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return Err(self.wait().1);
            }
            if self.serves().await {
                return Ok(self);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        panic!("neither ready nor ended:\n{}", self.log());
    }

    /// Whether the last of the services serves.
    async fn serves(&self) -> bool {
        let mut health = HealthClient::new(self.channel());
        let service = READY[1].to_owned();
        let answer = health.check(HealthCheckRequest { service }).await;
        let serving = |status| status == i32::from(ServingStatus::Serving);
        answer.is_ok_and(|answer| serving(answer.into_inner().status))
    }

    /// Waits until every service says that it serves.
    pub(crate) async fn ready(&self) {
        let mut health = HealthClient::new(self.channel());
        let started = Instant::now();
        for service in READY {
            loop {
                let service = service.to_owned();
                let answer = health.check(HealthCheckRequest { service }).await;
                let serving = |status| status == i32::from(ServingStatus::Serving);
                if answer.is_ok_and(|answer| serving(answer.into_inner().status)) {
                    break;
                }
                assert!(started.elapsed() < PATIENCE, "never ready:\n{}", self.log());
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    /// As a crash of the process: nothing of it runs any more when this returns.
    pub(crate) fn kill9(mut self) {
        self.child
            .kill()
            .expect("a process that was not waited for");
        self.child.wait().expect("a killed process ends");
        self.finish_log();
    }

    /// Asks it to stop, without waiting.
    pub(crate) fn ask_to_stop(&self) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), Signal::TERM).expect("the process is there");
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn terminate(self) -> ExitStatus {
        self.ask_to_stop();
        self.wait().0
    }

    /// Waits until it ends by itself; its status, and all that it logged.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let status = wait(&mut self.child)
            .unwrap_or_else(|| panic!("the server did not end:\n{}", self.log()));
        self.finish_log();
        (status, self.log())
    }

    fn finish_log(&mut self) {
        if let Some(drain) = self.drain.take() {
            drain.join().expect("the log is read to its end");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn binary() -> Command {
    Command::new(BINARY)
}

/// Reads the log to its end, and sends on the address that the server listens at.
fn keep_log(stderr: ChildStderr, log: &Mutex<String>, found: &mpsc::Sender<SocketAddr>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if let Some(address) = listening(&line) {
            // Nobody listens any more once the server was found.
            let _ = found.send(address);
        }
        let mut log = log.lock().unwrap();
        log.push_str(&line);
        log.push('\n');
    }
}

/// The address in the line that says that the server listens, of a log in either format.
fn listening(line: &str) -> Option<SocketAddr> {
    if let Some((_, address)) = line.split_once(": listening address=") {
        return address.split(' ').next()?.parse().ok();
    }
    let fields = fields(line).filter(|fields| fields["message"] == "listening")?;
    fields["address"].as_str()?.parse().ok()
}

/// The fields of a line of the log, wherever in it they stand.
fn fields(line: &str) -> Option<serde_json::Value> {
    let mut event: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(match event.get_mut("fields") {
        Some(fields) => fields.take(),
        None => event,
    })
}

/// Waits for the end of a process, but not for ever.
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("a child of this process") {
            return Some(status);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    None
}
