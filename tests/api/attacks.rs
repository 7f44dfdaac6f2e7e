//! What a hostile peer sends to a real server: the connection or the call ends as the documents say, and nothing else does.
//!
//! After each attack the same process answers a new connection, holds no more sockets than before, and no more memory than a
//! bound that is generous and does not grow with the attack.

mod crowds;
mod floods;
mod oddities;
mod readers;
mod slowness;

use std::time::{Duration, Instant};

use tempfile::TempDir;
use token_authority::proto::v1::Verdict;
use tokio::time::{sleep, timeout};

use crate::harness::frames::{self, ACK, END_HEADERS, Frame, GOAWAY, HEADERS, PING, Peer};
use crate::harness::{Clients, Server, connections, resident_bytes, sockets};
use crate::world::{presenting, verify};

/// How long anything may take before it counts as hung.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pause between two looks at something that is not announced.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Memory that an attack may make the server take, bytes: allocators keep some of what was freed.
const MEMORY: f64 = 64.0 * 1024.0 * 1024.0;
const VERIFY: &str = "/tokenauthority.v1.TokenVerify/Verify";
const BATCH: &str = "/tokenauthority.v1.TokenVerify/VerifyBatch";
/// That a client says too much: `ENHANCE_YOUR_CALM`.
const CALM_DOWN: u32 = 11;
const PROTOCOL_ERROR: u32 = 1;
const CANCEL: u32 = 8;
/// No guard of time but the one that a test is about may act before it.
const NO_KEEPALIVE: [&str; 2] = ["--keepalive-interval", "1h"];

/// A server that is attacked.
struct Siege {
    server: Server,
    secret: String,
    resident: f64,
    sockets: usize,
    _data: TempDir,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// With this code.
    GoAway(u32),
    /// Without a word.
    Closed,
}

// === impl Siege ===

impl Siege {
    async fn begin(args: &[&str]) -> Siege {
        let data = tempfile::tempdir().expect("a temporary directory");
        let args = [&NO_KEEPALIVE[..], args].concat();
        let server = Server::start_with(data.path(), &args, &[]);
        Siege::of(server, data).await
    }

    async fn of(server: Server, data: TempDir) -> Siege {
        server.ready().await;
        let secret = server.operator_secret();
        let mut siege = Siege {
            server,
            secret,
            resident: 0.0,
            sockets: 0,
            _data: data,
        };
        // What a server takes once, at the first calls.
        siege.answers().await;
        siege.alone().await;
        siege.sockets = sockets(siege.pid());
        siege.resident = resident_bytes(siege.pid());
        siege
    }

    fn pid(&self) -> u32 {
        self.server.pid()
    }

    async fn peer(&self) -> Peer {
        Peer::connect(self.server.address(), &[]).await
    }

    fn clients(&self) -> Clients {
        self.server.clients(&self.secret)
    }

    /// The headers of a call by somebody who may make it.
    fn headers(&self, path: &str) -> Vec<u8> {
        frames::call_headers(path, Some(&self.secret))
    }

    /// A new connection's call is answered.
    async fn answers(&self) {
        let answer = verify(&self.clients(), presenting(&self.secret)).await;
        assert_eq!(answer.verdict(), Verdict::Valid);
    }

    /// The attack is over, and left nothing behind.
    async fn unharmed(&self) {
        self.answers().await;
        let grown = resident_bytes(self.pid()) - self.resident;
        assert!(grown < MEMORY, "{grown} bytes more");
        self.alone().await;
        let held = sockets(self.pid());
        assert!(held <= self.sockets, "{held} sockets");
        self.answers().await;
    }

    /// Waits until nobody is connected.
    async fn alone(&self) {
        let started = Instant::now();
        while connections(self.server.address()) > 0 {
            assert!(started.elapsed() < PATIENCE, "connections stay open");
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// Reads to the end of a connection; every frame goes to `each`.
async fn ending(peer: &mut Peer, mut each: impl FnMut(&Frame)) -> Ending {
    let mut ending = Ending::Closed;
    let reading = async {
        while let Some(frame) = peer.hear().await {
            if frame.kind == GOAWAY {
                ending = Ending::GoAway(frame.code());
            }
            each(&frame);
        }
    };
    timeout(PATIENCE, reading).await.expect("an end");
    ending
}

/// Says the same again and again, reading meanwhile, until the server ends it. Tells how, and how often it was said.
async fn flood(peer: Peer, once: &[u8]) -> (Ending, usize, Vec<Frame>) {
    let (mut reader, mut writer) = peer.socket.into_split();
    let reading = tokio::spawn(async move {
        let mut heard = Vec::new();
        while let Some(frame) = frames::hear(&mut reader).await {
            heard.push(frame);
        }
        heard
    });
    let mut said = 0;
    let saying = async {
        while tokio::io::AsyncWriteExt::write_all(&mut writer, once)
            .await
            .is_ok()
        {
            said += 1;
        }
    };
    timeout(PATIENCE, saying).await.expect("an end");
    let heard = timeout(PATIENCE, reading).await.expect("an end");
    let heard = heard.expect("a reader that met no fault");
    let goaway = heard.iter().find(|frame| frame.kind == GOAWAY);
    let ending = goaway.map_or(Ending::Closed, |frame| Ending::GoAway(frame.code()));
    (ending, said, heard)
}
