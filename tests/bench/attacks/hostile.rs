//! One hostile client, and the process that takes all it says.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

use crate::process::resident_bytes;

/// What one client sends, bytes in a second: 100 Mbit/s.
pub(super) const RATE: f64 = 12.5e6;
/// What it sends at once, bytes.
const AT_ONCE: usize = 16 * 1024;
/// From where: it is another peer than those who verify.
const FROM: &str = "127.0.0.2:0";
/// Between two rounds of its connections. In each it begins one at most.
const PAUSE: Duration = Duration::from_millis(1);
/// Between two looks at the memory of the server.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// What makes this program the control's process.
pub(crate) const SINK: &str = "sink";

/// What a hostile client does on each connection.
pub(super) struct Attack {
    pub(super) name: &'static str,
    pub(super) connections: usize,
    /// What it says first.
    pub(super) opening: Vec<u8>,
    pub(super) then: Then,
    /// Whether it takes what is answered.
    pub(super) reads: bool,
}

/// What it does when that is said.
pub(super) enum Then {
    /// Says this, again and again.
    Repeat(Vec<u8>),
    /// Begins anew with another connection.
    Renew,
    /// Says nothing more.
    Hold,
}

/// What the client did.
#[derive(Default)]
pub(super) struct Done {
    pub(super) bytes: usize,
    /// Connections that the other side ended.
    pub(super) ended: usize,
    /// The most memory that the server was seen to hold.
    pub(super) peak: f64,
}

// === impl Done ===

impl Done {
    pub(super) fn add(&mut self, more: &Done) {
        self.bytes += more.bytes;
        self.ended += more.ended;
        self.peak = self.peak.max(more.peak);
    }
}

/// The client, at work.
pub(super) struct Hostile {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Done>,
}

/// One of its connections.
struct Connection {
    socket: TcpStream,
    /// Bytes said so far.
    said: usize,
}

// === impl Hostile ===

impl Hostile {
    pub(super) fn begin(attack: &Arc<Attack>, address: SocketAddr, pid: u32) -> Hostile {
        let over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (attack, over) = (attack.clone(), over.clone());
            move || attack.play(address, pid, &over)
        });
        Hostile { over, thread }
    }

    pub(super) fn end(self) -> Done {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("a client that met no fault")
    }
}

// === impl Attack ===

impl Attack {
    fn play(&self, address: SocketAddr, pid: u32, over: &AtomicBool) -> Done {
        let mut done = Done::default();
        let mut connections: Vec<Option<Connection>> =
            (0..self.connections).map(|_| None).collect();
        // The same again and again, so long that one write is a whole one.
        let again = match &self.then {
            Then::Repeat(bytes) => bytes.repeat(AT_ONCE.div_ceil(bytes.len())),
            Then::Renew | Then::Hold => Vec::new(),
        };
        let ways = Runtime::new().expect("a runtime");
        let (began, mut looked) = (Instant::now(), None::<Instant>);
        while !over.load(Ordering::Relaxed) {
            if let Some(slot) = connections.iter_mut().find(|slot| slot.is_none()) {
                *slot = Some(Connection::new(&ways, address));
            }
            for slot in &mut connections {
                let Some(connection) = slot else { continue };
                if matches!(self.then, Then::Renew) && connection.said >= self.opening.len() {
                    *slot = None;
                } else if let Some(bytes) = connection.go_on(self, &again) {
                    done.bytes += bytes;
                } else {
                    *slot = None;
                    done.ended += 1;
                }
            }
            if looked.is_none_or(|looked| looked.elapsed() >= LOOK_AGAIN) {
                looked = Some(Instant::now());
                done.peak = done.peak.max(resident_bytes(pid));
            }
            let due = Duration::from_secs_f64(done.bytes as f64 / RATE);
            std::thread::sleep(due.saturating_sub(began.elapsed()).max(PAUSE));
        }
        done
    }
}

// === impl Connection ===

impl Connection {
    fn new(ways: &Runtime, address: SocketAddr) -> Connection {
        let socket = ways.block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(FROM.parse().expect("an address"))?;
            socket.connect(address).await?.into_std()
        });
        Connection {
            socket: socket.expect("a connection"),
            said: 0,
        }
    }

    /// Says what comes next, and forgets what is answered. `None` if the other side has ended it.
    fn go_on(&mut self, attack: &Attack, again: &[u8]) -> Option<usize> {
        if attack.reads {
            self.take()?;
        }
        let next = match attack.opening.get(self.said..) {
            Some([]) | None if again.is_empty() => return Some(0),
            Some([]) | None => &again[(self.said - attack.opening.len()) % again.len()..],
            Some(rest) => &rest[..rest.len().min(AT_ONCE)],
        };
        match self.socket.write(next) {
            Ok(bytes) => {
                self.said += bytes;
                Some(bytes)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(0),
            Err(_) => None,
        }
    }

    /// Takes what is there to take. `None` if the other side has ended it.
    fn take(&mut self) -> Option<()> {
        let mut answers = [0; AT_ONCE];
        loop {
            match self.socket.read(&mut answers) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(()),
                Err(_) => return None,
            }
        }
    }
}

// === the control ===

/// A process that reads and forgets.
pub(super) struct Sink {
    process: Child,
    pub(super) address: SocketAddr,
}

// === impl Sink ===

impl Sink {
    pub(super) fn start() -> Sink {
        let program = std::env::current_exe().expect("this program");
        let mut process = Command::new(program)
            .arg(SINK)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program runs");
        let output = process.stdout.take().expect("standard output is piped");
        let mut line = String::new();
        BufReader::new(output)
            .read_line(&mut line)
            .expect("an address");
        Sink {
            process,
            address: line.trim().parse().expect("an address"),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// What that process does, until its standard input ends: with the process that started it, however that goes.
pub(crate) fn sink() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut bytes = [0; AT_ONCE];
                while socket.read(&mut bytes).is_ok_and(|read| read > 0) {}
            });
        }
    });
    while std::io::stdin().read(&mut [0]).is_ok_and(|read| read > 0) {}
}
