//! Verify while one hostile client does its worst, at the rate of a fast line. The control is the same bytes sent to a process
//! that reads and forgets them: what the generator itself costs on a machine that all share.

mod hostile;

use std::sync::Arc;

use hdrhistogram::Histogram;
use token_authority::proto::v1::{Verdict, VerifyBatchRequest, VerifyRequest};

use crate::fill::Filled;
use crate::generator::Call;
use crate::harness::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW, PRIORITY, call,
    call_headers, frame, hello, literal, message, ping, request_headers, reset, settings,
    window_update,
};
use crate::harness::{LIBRARY, PERMISSION};
use crate::process::resident_bytes;
use crate::table::{self, row};
use crate::{Scale, runtime};
use hostile::{Attack, Done, Hostile, RATE, Sink, Then};
pub(crate) use hostile::{SINK, sink};

/// Connections, and calls under way on each, of those who verify: the worker that is attacked serves some of them.
const SHAPE: (usize, usize) = (4, 1);
/// Calls of an attack that needs many: more than any connection is let make.
const CALLS: u32 = 5_000;
/// Descriptors of the server: fewer connections than one hostile client begins.
const DESCRIPTORS: u32 = 1024;
const VERIFY: &str = "/tokenauthority.v1.TokenVerify/Verify";
const BATCH: &str = "/tokenauthority.v1.TokenVerify/VerifyBatch";
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
    let filled = runtime.block_on(Filled::within(DESCRIPTORS, 1000));
    let secret = filled.server.operator_secret();
    let verify = runtime.block_on(verify(&filled, &secret));
    let (address, pid) = (filled.server.address(), filled.server.pid());
    // There are many attacks.
    let calls = verify.calibrate(address, pid, scale.measure / 2);
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
    let open = |flags, block: &[u8]| frame(HEADERS, flags, 1, block);
    let over = END_HEADERS | END_STREAM;
    let verify = message(&VerifyRequest {
        token: "x".into(),
        ..Default::default()
    });
    vec![
        crowd("connections that say nothing", 400, vec![]),
        crowd("half a greeting", 400, hello(&[])[..10].to_vec()),
        crowd("more than one may have", 600, hello(&[])),
        crowd(
            "3,000 requests that never come",
            12,
            [
                hello(&[]),
                calls(250, |stream| frame(HEADERS, END_HEADERS, stream, &known)),
            ]
            .concat(),
        ),
        Attack {
            reads: false,
            ..crowd("long answers, not read", 8, unread(secret))
        },
        flood("PINGs", vec![], ping()),
        flood("SETTINGS", vec![], settings(&[(3, 100)])),
        flood("WINDOW_UPDATEs", vec![], window_update(0, 1)),
        flood("PRIORITY", vec![], frame(PRIORITY, 0, 1, &[0; 5])),
        flood(
            "CONTINUATION without end",
            open(END_STREAM, &stranger),
            frame(CONTINUATION, 0, 1, b""),
        ),
        flood(
            "DATA of nothing",
            open(END_HEADERS, &known),
            frame(DATA, 0, 1, b""),
        ),
        flood(
            "DATA byte by byte",
            [
                open(END_HEADERS, &call_headers(REFLECTION, None)),
                frame(DATA, 0, 1, &[0, 0, 0, 255, 255]),
            ]
            .concat(),
            frame(DATA, 0, 1, b"x"),
        ),
        many("calls, reset at once", |stream| {
            [frame(HEADERS, END_HEADERS, stream, &known), reset(stream)].concat()
        }),
        many("calls without a credential", |stream| {
            frame(HEADERS, over, stream, &stranger)
        }),
        many("GET", |stream| {
            let block = request_headers("GET", VERIFY, "application/grpc", Some(secret));
            frame(HEADERS, over, stream, &block)
        }),
        many("another content type", |stream| {
            let block = request_headers("POST", VERIFY, "application/json", Some(secret));
            frame(HEADERS, over, stream, &block)
        }),
        many("headers of 16 KiB", |stream| {
            let mut block = known.clone();
            literal(&mut block, "x-large", &[b'x'; 14 * 1024]);
            literal(&mut block, "x-larger", &[b'x'; 1024]);
            frame(HEADERS, over, stream, &block)
        }),
        many("messages of 4 GiB", |stream| {
            let body = [&[0, 255, 255, 255, 255][..], &[b'x'; 8 * 1024]].concat();
            call(stream, &known, &body)
        }),
        many("a second message", |stream| {
            call(stream, &known, &[&verify[..], &verify].concat())
        }),
    ]
}

/// Many connections, held.
fn crowd(name: &'static str, connections: usize, opening: Vec<u8>) -> Attack {
    Attack {
        name,
        connections,
        opening,
        then: Then::Hold,
        reads: true,
    }
}

/// The same without end, on one connection.
fn flood(name: &'static str, opening: Vec<u8>, again: Vec<u8>) -> Attack {
    Attack {
        name,
        connections: 1,
        opening: [hello(&[]), opening].concat(),
        then: Then::Repeat(again),
        reads: true,
    }
}

/// Many calls on a connection, and then on the next.
fn many(name: &'static str, each: impl Fn(u32) -> Vec<u8>) -> Attack {
    Attack {
        name,
        connections: 1,
        opening: [hello(&[]), calls(CALLS, each)].concat(),
        then: Then::Renew,
        reads: true,
    }
}

fn calls(count: u32, each: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..count).flat_map(|n| each(2 * n + 1)).collect()
}

/// Calls whose answers are more than the buffers of both ends hold, by one who allows all of them to come.
fn unread(secret: &str) -> Vec<u8> {
    let batch = VerifyBatchRequest {
        requests: vec![
            VerifyRequest {
                token: "x".into(),
                ..Default::default()
            };
            1000
        ],
    };
    let (headers, body) = (call_headers(BATCH, Some(secret)), message(&batch));
    [
        hello(&[(INITIAL_WINDOW, 1 << 30)]),
        window_update(0, 1 << 30),
        calls(150, |stream| call(stream, &headers, &body)),
    ]
    .concat()
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
