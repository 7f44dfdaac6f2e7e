//! Verify while one hostile client does its worst, at the rate of a fast line. The control is the same bytes sent to a process
//! that reads and forgets them: what the generator itself costs on a machine that all share.

mod hostile;

use std::sync::Arc;

use hdrhistogram::Histogram;
use token_authority::proto::v1::{Verdict, VerifyRequest};

use crate::fill::Filled;
use crate::generator::Call;
use crate::harness::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PRIORITY, call_headers, frame, hello,
    ping, reset, settings, window_update,
};
use crate::harness::{LIBRARY, PERMISSION};
use crate::process::resident_bytes;
use crate::table::{self, row};
use crate::{Scale, runtime};
use hostile::{Attack, Done, Hostile, RATE, Sink};
pub(crate) use hostile::{SINK, sink};

/// Connections, and calls under way on each, of those who verify: the worker that is attacked serves some of them.
const SHAPE: (usize, usize) = (4, 1);
/// Calls of an attack that needs many: more than any connection is let make.
const CALLS: u32 = 5_000;
const VERIFY: &str = "/tokenauthority.v1.TokenVerify/Verify";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// The measurements of one attack.
struct Measurements {
    quiet: Histogram<u64>,
    control: Histogram<u64>,
    attacked: Histogram<u64>,
    before: f64,
    after: f64,
    done: Done,
}

pub(crate) fn run(scale: Scale) {
    let runtime = runtime();
    let filled = runtime.block_on(Filled::new(1000));
    let secret = filled.server.operator_secret();
    let verify = runtime.block_on(verify(&filled, &secret));
    let (address, pid) = (filled.server.address(), filled.server.pid());
    let calls = verify.calibrate(address, pid, scale.measure);
    let sink = Sink::start();
    let mut rows = vec![row![
        "one hostile client sends",
        "quiet, p50 / p99 / p99.9, ms",
        "to the control",
        "to the server",
        "p99, ratio to quiet",
        "to the control",
        "MiB resident before / peak / after",
        "MB sent, connections ended"
    ]];
    for attack in attacks(&secret) {
        let attack = Arc::new(attack);
        let mut all = Measurements::before(resident_bytes(pid));
        for _ in 0..scale.rounds {
            let measure = || verify.measure(address, pid, calls).latency;
            add(&mut all.quiet, &measure());
            let hostile = Hostile::begin(&attack, sink.address, pid);
            add(&mut all.control, &measure());
            hostile.end();
            let hostile = Hostile::begin(&attack, address, pid);
            add(&mut all.attacked, &measure());
            all.done.add(&hostile.end());
        }
        all.after = resident_bytes(pid);
        rows.push(all.row(attack.name));
    }
    table::print(
        &format!(
            "Verify under attack at {:.1} MB/s, {} rounds each (h2load, {} connections x {} streams); the server was never restarted",
            RATE / 1e6,
            scale.rounds,
            SHAPE.0,
            SHAPE.1
        ),
        &rows,
    );
}

/// The call that is measured.
async fn verify(filled: &Filled, secret: &str) -> Call {
    let request = VerifyRequest {
        token: filled.secrets[0].clone(),
        library: LIBRARY.into(),
        permissions: vec![PERMISSION.into()],
        ..Default::default()
    };
    let mut client = filled.server.clients(secret).verify;
    let answer = client.verify(request.clone()).await.expect("an answer");
    let answer = answer.into_inner();
    assert_eq!(answer.verdict(), Verdict::Valid, "{answer:?}");
    Call::new(VERIFY, Some(secret), &request, &answer, SHAPE)
}

fn attacks(secret: &str) -> Vec<Attack> {
    let stranger = call_headers(VERIFY, None);
    let known = call_headers(VERIFY, Some(secret));
    let streams = |calls: u32, each: &dyn Fn(u32) -> Vec<u8>| -> Vec<u8> {
        (0..calls).flat_map(|n| each(2 * n + 1)).collect()
    };
    let open = |flags, block: &[u8]| frame(HEADERS, flags, 1, block);
    let attack = |name, connections, opening: Vec<u8>, again: Vec<u8>| Attack {
        name,
        connections,
        opening: [hello(&[]), opening].concat(),
        again,
        hold: connections > 1,
    };
    vec![
        attack("PINGs", 1, vec![], ping()),
        attack("SETTINGS", 1, vec![], settings(&[(3, 100)])),
        attack("WINDOW_UPDATEs", 1, vec![], window_update(0, 1)),
        attack("PRIORITY", 1, vec![], frame(PRIORITY, 0, 1, &[0; 5])),
        attack(
            "calls, reset at once",
            1,
            streams(CALLS, &|stream| {
                [frame(HEADERS, END_HEADERS, stream, &known), reset(stream)].concat()
            }),
            vec![],
        ),
        attack(
            "CONTINUATION without end",
            1,
            open(END_STREAM, &stranger),
            frame(CONTINUATION, 0, 1, b""),
        ),
        attack(
            "DATA byte by byte",
            1,
            [
                open(END_HEADERS, &call_headers(REFLECTION, None)),
                frame(DATA, 0, 1, &[0, 0, 0, 255, 255]),
            ]
            .concat(),
            frame(DATA, 0, 1, b"x"),
        ),
        attack(
            "calls without a credential",
            1,
            streams(CALLS, &|stream| {
                frame(HEADERS, END_HEADERS | END_STREAM, stream, &stranger)
            }),
            vec![],
        ),
        attack(
            "3,000 requests that never come",
            12,
            streams(250, &|stream| frame(HEADERS, END_HEADERS, stream, &known)),
            vec![],
        ),
        Attack {
            name: "half a greeting, 500 times",
            connections: 500,
            opening: hello(&[])[..10].to_vec(),
            again: vec![],
            hold: true,
        },
    ]
}

// === impl Measurements ===

impl Measurements {
    fn before(resident: f64) -> Measurements {
        Measurements {
            quiet: table::histogram(),
            control: table::histogram(),
            attacked: table::histogram(),
            before: resident,
            after: resident,
            done: Done::default(),
        }
    }

    fn row(&self, name: &str) -> Vec<String> {
        let p99 = |histogram: &Histogram<u64>| histogram.value_at_quantile(0.99) as f64;
        let ratio = |to: &Histogram<u64>| format!("{:.2}", p99(&self.attacked) / p99(to));
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        row![
            name,
            table::percentiles(&self.quiet),
            table::percentiles(&self.control),
            table::percentiles(&self.attacked),
            ratio(&self.quiet),
            ratio(&self.control),
            format!(
                "{:.0} / {:.0} / {:.0}",
                mib(self.before),
                mib(self.done.peak),
                mib(self.after)
            ),
            format!("{:.0}, {}", self.done.bytes as f64 / 1e6, self.done.ended)
        ]
    }
}

fn add(all: &mut Histogram<u64>, more: &Histogram<u64>) {
    all.add(more).expect("the same bounds");
}
