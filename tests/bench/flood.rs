//! Verify while others guess: at passwords, and at weak imported tokens, each guess from another address and, of passwords, at
//! another user, so that as many as possible are hashed. The control is a flood of as many calls that hash nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use token_authority::proto::v1::{
    ImportItem, ImportTokensRequest, OpenSessionRequest, Verdict, VerifyRequest,
};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tonic_types::StatusExt as _;

use crate::fill::Filled;
use crate::generator::{Call, Measured};
use crate::harness::{Clients, LIBRARY, PERMISSION, USER};
use crate::process::resident_bytes;
use crate::table::{self, row};
use crate::{Scale, runtime};

/// Connections, and calls under way on each, of those who verify.
const SHAPE: (usize, usize) = (8, 32);
/// Guessers, each of which begins a guess so often.
const GUESSERS: usize = 64;
const EVERY: Duration = Duration::from_millis(160);
/// Weak tokens: their allowances outlast the flood.
const WEAK: usize = 1000;
/// Argon2id as other systems use it: 19 MiB, 2 passes; of no string that anybody presents.
const PHC: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$F8n3GhL0yYF9Jm0VqO5Dqv0r9S5o2nS1rTq6p8cXbYk";

/// What a flood consists of.
#[derive(Debug, Clone, Copy)]
enum Flood {
    /// Nothing.
    Quiet,
    /// Tokens that are unknown: no hash but the HMAC that every token costs.
    Unknown,
    /// Wrong passwords.
    Logins,
    /// Wrong strings that name a weak imported token.
    Imported,
}

const FLOODS: [(&str, Flood); 4] = [
    ("nothing else", Flood::Quiet),
    ("as many calls that hash nothing", Flood::Unknown),
    ("guesses at passwords", Flood::Logins),
    ("guesses at weak imported tokens", Flood::Imported),
];

pub(crate) fn run(scale: Scale) {
    let runtime = runtime();
    let filled = runtime.block_on(Filled::new(1000));
    let verify = runtime.block_on(prepare(&filled));
    let (address, pid) = (filled.server.address(), filled.server.pid());
    let calls = verify.calibrate(address, pid, scale.measure);
    let mut measured: Vec<Vec<Round>> = FLOODS.iter().map(|_| Vec::new()).collect();
    for _ in 0..scale.rounds {
        for ((_, flood), rounds) in FLOODS.iter().zip(&mut measured) {
            let under_way = UnderWay::begin(&runtime, &filled, *flood);
            let verified = verify.measure(address, pid, calls);
            let resident = resident_bytes(pid);
            rounds.push(Round {
                verified,
                resident,
                outcomes: under_way.end(&runtime),
            });
        }
    }
    print(&measured, scale);
}

/// One measurement under one flood.
struct Round {
    verified: Measured,
    resident: f64,
    outcomes: Outcomes,
}

/// How often the guesses ended how.
type Outcomes = BTreeMap<String, u32>;

fn print(measured: &[Vec<Round>], scale: Scale) {
    let mut rows = vec![row![
        "beside Verify",
        "Verify, calls/s",
        "ratio to the control",
        "p50 / p99 / p99.9, ms",
        "server, MiB resident",
        "guesses, and how they ended"
    ]];
    let control = &measured[1];
    for ((name, _), rounds) in FLOODS.iter().zip(measured) {
        let rate = |round: &Round| round.verified.calls_per_second;
        let ratios = rounds.iter().zip(control);
        let ratios: Vec<f64> = ratios.map(|(one, other)| rate(one) / rate(other)).collect();
        let mut latency = table::histogram();
        let mut outcomes = Outcomes::new();
        for round in rounds {
            latency
                .add(&round.verified.latency)
                .expect("the same bounds");
            for (outcome, count) in &round.outcomes {
                *outcomes.entry(outcome.clone()).or_default() += count;
            }
        }
        let ended: Vec<String> = outcomes
            .iter()
            .map(|(outcome, count)| format!("{count} {outcome}"))
            .collect();
        let resident: Vec<f64> = rounds
            .iter()
            .map(|round| round.resident / f64::from(1 << 20))
            .collect();
        rows.push(row![
            name,
            table::count(table::median(&rounds.iter().map(rate).collect::<Vec<_>>())),
            table::spread(&ratios, 2),
            table::percentiles(&latency),
            table::spread(&resident, 0),
            ended.join(", ")
        ]);
    }
    let each_second = GUESSERS as f64 / EVERY.as_secs_f64();
    table::print(
        &format!(
            "Verify under a flood of up to {each_second:.0} calls/s, {} rounds each (h2load, {} connections x {} streams)",
            scale.rounds, SHAPE.0, SHAPE.1
        ),
        &rows,
    );
}

/// The call that is measured; and the tokens that are guessed at.
async fn prepare(filled: &Filled) -> Call {
    let secret = filled.server.operator_secret();
    let mut clients = filled.server.clients(&secret);
    let items = (0..WEAK).map(|n| ImportItem {
        argon2_phc: PHC.into(),
        locator: locator(n),
        user: USER.into(),
        display_name: format!("weak {n}"),
        ..Default::default()
    });
    let import = ImportTokensRequest {
        library: LIBRARY.into(),
        items: items.collect(),
        separator: ".".into(),
        ..Default::default()
    };
    let imported = clients
        .admin
        .import_tokens(import)
        .await
        .expect("an import");
    for result in imported.into_inner().results {
        assert!(result.error.is_none(), "{result:?}");
    }
    let request = VerifyRequest {
        token: filled.secrets[0].clone(),
        library: LIBRARY.into(),
        permissions: vec![PERMISSION.into()],
        ..Default::default()
    };
    let answer = clients.verify.verify(request.clone()).await;
    let answer = answer.expect("an answer").into_inner();
    assert_eq!(answer.verdict(), Verdict::Valid, "{answer:?}");
    let path = "/tokenauthority.v1.TokenVerify/Verify";
    Call::new(path, Some(&secret), &request, &answer, SHAPE)
}

fn locator(n: usize) -> String {
    format!("key{n:04}")
}

// === the flood ===

/// Those who guess.
struct UnderWay {
    over: Arc<AtomicBool>,
    outcomes: Arc<Mutex<Outcomes>>,
    guessers: JoinSet<()>,
}

/// One of those who guess.
struct Guesser {
    clients: Clients,
    flood: Flood,
    next: Arc<AtomicU32>,
}

// === impl UnderWay ===

impl UnderWay {
    fn begin(runtime: &Runtime, filled: &Filled, flood: Flood) -> UnderWay {
        let _entered = runtime.enter();
        let mut under_way = UnderWay {
            over: Arc::default(),
            outcomes: Arc::default(),
            guessers: JoinSet::new(),
        };
        if matches!(flood, Flood::Quiet) {
            return under_way;
        }
        let clients = filled.server.clients(&filled.server.operator_secret());
        let next = Arc::new(AtomicU32::new(0));
        for _ in 0..GUESSERS {
            let guesser = Guesser {
                clients: clients.clone(),
                flood,
                next: next.clone(),
            };
            let (over, outcomes) = (under_way.over.clone(), under_way.outcomes.clone());
            under_way.guessers.spawn(guesser.guess(over, outcomes));
        }
        under_way
    }

    fn end(mut self, runtime: &Runtime) -> Outcomes {
        self.over.store(true, Ordering::Relaxed);
        runtime.block_on(async {
            while let Some(ended) = self.guessers.join_next().await {
                ended.expect("a guesser that met no fault");
            }
        });
        std::mem::take(&mut *self.outcomes.lock().unwrap())
    }
}

// === impl Guesser ===

impl Guesser {
    async fn guess(mut self, over: Arc<AtomicBool>, outcomes: Arc<Mutex<Outcomes>>) {
        let mut pace = tokio::time::interval(EVERY);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !over.load(Ordering::Relaxed) {
            pace.tick().await;
            let outcome = self.once().await;
            *outcomes.lock().unwrap().entry(outcome).or_default() += 1;
        }
    }

    /// One guess, from an address of its own.
    async fn once(&mut self) -> String {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let client_ip = std::net::Ipv4Addr::from(0x0a00_0000 | n).to_string();
        let status = match self.flood {
            Flood::Logins => {
                let guess = OpenSessionRequest {
                    library: LIBRARY.into(),
                    user: format!("user-{n}"),
                    password: "a wrong guess".into(),
                    client_ip,
                    ..Default::default()
                };
                let opened = self.clients.admin.open_session(guess).await;
                opened.map(|_| panic!("a guess was right"))
            }
            Flood::Quiet | Flood::Unknown | Flood::Imported => {
                let token = if matches!(self.flood, Flood::Imported) {
                    format!("{}.a wrong guess", locator(n as usize % WEAK)).replace(' ', "-")
                } else {
                    format!("unknown-{n}")
                };
                let guess = VerifyRequest {
                    token,
                    library: LIBRARY.into(),
                    client_ip,
                    ..Default::default()
                };
                let verified = self.clients.verify.verify(guess).await;
                verified.map(|answer| answer.into_inner().verdict().as_str_name().to_owned())
            }
        };
        status.unwrap_or_else(|status| {
            let info = status.get_details_error_info();
            info.map_or_else(|| format!("{status:?}"), |info| info.reason)
        })
    }
}
