//! Bytes on a connection to the whole server, on a store on disk: it goes on serving whatever is said to it.

#![no_main]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use tempfile::TempDir;
use token_authority::config::{Config, Settings};
use token_authority::grpc::identity::{RULES, Rule};
use token_authority::proto::v1;
use token_authority_fuzz::{calls, wire};
use tokio::signal::unix::{SignalKind, signal};

/// After how many inputs it is asked whether all is well.
const INPUTS: u32 = 64;
/// How long is waited for more of an answer to an input.
const READ: Duration = Duration::from_millis(2);
/// Pause between two looks at what the server does not announce.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How long a good call may take, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    _data_dir: TempDir,
    address: SocketAddr,
    operator: String,
    inputs: u32,
}

static SERVER: LazyLock<Mutex<Server>> = LazyLock::new(|| Mutex::new(Server::start()));

/// Calls that change nothing: the operator's token must stay good.
static CALLS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let harmless = |rule: &Rule| matches!(rule, Rule::Public | Rule::Verify);
    RULES
        .iter()
        .filter(|(_, rule)| harmless(rule))
        .map(|(path, _)| *path)
        .collect()
});

// The first byte says what the others are: all that is said, what is said after the greeting, or the body of a call, whose
// method the second byte is.
fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else {
        return;
    };
    let mut server = SERVER.lock().expect("one thread");
    let said = match mode % 3 {
        0 => rest.to_vec(),
        1 => [&wire::greeting(), rest].concat(),
        _ => {
            let Some((method, body)) = rest.split_first() else {
                return;
            };
            let credential = format!("Bearer {}", server.operator);
            [
                wire::greeting(),
                wire::call(
                    1,
                    CALLS[usize::from(*method) % CALLS.len()],
                    &credential,
                    body,
                ),
            ]
            .concat()
        }
    };
    drop(server.say(&said, READ, |_| false));
    server.inputs += 1;
    if server.inputs.is_multiple_of(INPUTS) {
        let serving = server.is_serving(PATIENCE);
        assert_eq!(serving, Ok(()), "a good call is not answered as one");
    }
});

impl Server {
    fn start() -> Server {
        let data_dir = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("a port");
        let settings = [
            ("DATA_DIR", data_dir.path().as_os_str()),
            ("WORKERS", "1".as_ref()),
            ("LISTEN", "127.0.0.1:0".as_ref()),
        ];
        let settings =
            settings.map(|(name, value)| (format!("TOKEN_AUTHORITY_{name}").into(), value.into()));
        let config = Config::load(&Settings::default(), settings).expect("sound settings");
        listener.set_nonblocking(true).expect("a port");
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            let ended = runtime.block_on(async {
                // What Rust's own start of a program does, which the engine's is not: whoever hangs up ends no process.
                let _hung_up = signal(SignalKind::pipe()).expect("a signal");
                token_authority::serve::run(config, listener, std::future::pending()).await
            });
            panic!("the server ended: {:?}", ended.err());
        });
        let token = data_dir.path().join("operator.token");
        let mut server = Server {
            _data_dir: data_dir,
            address,
            operator: String::new(),
            inputs: 0,
        };
        // The file is there a moment before its token is good.
        let started = Instant::now();
        loop {
            if let Ok(text) = std::fs::read_to_string(&token) {
                text.trim().clone_into(&mut server.operator);
                if server.is_serving(LOOK_AGAIN).is_ok() {
                    return server;
                }
            }
            assert!(started.elapsed() < PATIENCE, "the server does not start");
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Says this on a connection of its own, and hears what is answered until that is enough or nothing comes any more.
    fn say(
        &self,
        said: &[u8],
        wait: Duration,
        enough: impl Fn(&[u8]) -> bool,
    ) -> std::io::Result<Vec<u8>> {
        let mut connection = TcpStream::connect(self.address).expect("the port is open");
        connection.set_read_timeout(Some(wait))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        connection.write_all(said)?;
        let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
        while !enough(&heard) {
            match connection.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => heard.extend_from_slice(&piece[..read]),
                // It waits for more.
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The engine has an alarm, by which it finds what takes too long.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(heard)
    }

    /// Whether the operator's token is good, as it is; if not, what was answered.
    fn is_serving(&self, wait: Duration) -> Result<(), String> {
        let message = v1::VerifyRequest {
            token: self.operator.clone(),
            ..Default::default()
        };
        let credential = format!("Bearer {}", self.operator);
        let body = calls::framed(&message.encode_to_vec());
        let call = wire::call(
            1,
            "/tokenauthority.v1.TokenVerify/Verify",
            &credential,
            &body,
        );
        let verdict = [8, v1::Verdict::Valid as u8];
        let id = &self.operator.as_bytes()[4..26];
        let good = |heard: &[u8]| {
            [&verdict, id]
                .iter()
                .all(|what| heard.windows(what.len()).any(|part| part == *what))
        };
        let heard = self
            .say(&[wire::greeting(), call].concat(), wait, good)
            .map_err(|error| error.to_string())?;
        if good(&heard) {
            Ok(())
        } else {
            Err(heard.escape_ascii().to_string())
        }
    }
}
