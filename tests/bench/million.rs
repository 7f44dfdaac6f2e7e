//! A store with a million tokens, made through the API: how it starts, and what it takes.

use std::path::Path;
use std::time::{Duration, Instant};

use token_authority::proto::v1::{Verdict, VerifyRequest};

use crate::fill::{Until, fill};
use crate::harness::{LIBRARY, Server, furnish};
use crate::process::{disk_bytes, resident_bytes};
use crate::table::{self, row};
use crate::{Scale, data_dir, runtime};

/// Clients that fill the store.
const CLIENTS: usize = 256;
/// Clients, and for how long, that change it before it is killed.
const LAST_CHANGES: (usize, Duration) = (8, Duration::from_millis(500));
/// No line per call: a million of them would be kept by this process.
const QUIET: [&str; 2] = ["--log-level", "info,token_authority::grpc::context=warn"];
/// Pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// One start: milliseconds from the start of the process, and the server's own counts.
struct Start {
    name: &'static str,
    listening: f64,
    engine_open: f64,
    opened: f64,
    first_verify: f64,
    index_complete: f64,
    index_took: f64,
    index_tokens: f64,
    index_bytes: f64,
    resident: f64,
}

pub(crate) fn run(scale: Scale) {
    runtime().block_on(measure(scale));
}

async fn measure(scale: Scale) {
    let folder = data_dir();
    let server = Server::start_with(folder.path(), &QUIET, &[]);
    furnish(&server).await;
    let empty = resident_bytes(server.pid());
    let filling = fill(&server, CLIENTS, Until::Tokens(scale.tokens)).await;
    let resident_after_fill = resident_bytes(server.pid());
    server.kill9();
    let disk = disk_bytes(&folder.path().join("store"));

    // The ids are random, so the sample may lie anywhere in the order in which the index is loaded.
    let sample = &filling.secrets[filling.secrets.len() / 2];
    // sled writes its snapshot only when it opens: the first start reads the log of the whole fill, the later ones do not.
    let (filled, server) = start("kill -9 after the fill", folder.path(), sample).await;
    let status = server.terminate();
    assert!(status.success(), "{status}");
    let (clean, server) = start("SIGTERM", folder.path(), sample).await;
    let (clients, length) = LAST_CHANGES;
    fill(&server, clients, Until::Elapsed(length)).await;
    server.kill9();
    let (killed, server) = start("kill -9 under load", folder.path(), sample).await;
    drop(server);

    table::print(
        &format!(
            "{} tokens made by {CLIENTS} clients in {:.0} s, {} per second; times in ms",
            table::count(filling.secrets.len() as f64),
            filling.elapsed.as_secs_f64(),
            table::count(filling.per_second())
        ),
        &starts(&[&filled, &clean, &killed]),
    );
    let tokens = clean.index_tokens;
    let engine = clean.resident - empty - clean.index_bytes;
    table::print(
        "Bytes per token",
        &[
            row!["index, by its own count", per(clean.index_bytes, tokens)],
            row![
                "resident after a start, less an empty server",
                per(clean.resident - empty, tokens)
            ],
            row![
                "  of that not in the index: the engine's",
                per(engine, tokens)
            ],
            row![
                "resident after the fill, less an empty server",
                per(resident_after_fill - empty, tokens)
            ],
            row!["disk, after the fill", per(disk, tokens)],
        ],
    );
}

/// Starts a server and waits until it has everything.
async fn start(name: &'static str, data_dir: &Path, sample: &str) -> (Start, Server) {
    let began = Instant::now();
    let since = |began: Instant| began.elapsed().as_secs_f64() * 1000.0;
    let server = Server::start_with(data_dir, &QUIET, &[]);
    let listening = since(began);
    let seen = async |message| (logged(&server, message).await, since(began));
    let verified = async {
        first_verify(&server, sample).await;
        since(began)
    };
    let ((open, opened), (index, index_complete), first_verify) =
        tokio::join!(seen("opened the store"), seen("index complete"), verified);
    server.ready().await;
    let number = |fields: &serde_json::Value, name: &str| {
        // The log writes the widest integers as text.
        let text = fields[name].to_string();
        let found = text.trim_matches('"').parse::<f64>();
        found.unwrap_or_else(|_| panic!("{name} in {fields}"))
    };
    let start = Start {
        name,
        listening,
        engine_open: number(&open, "elapsed_ms"),
        opened,
        first_verify,
        index_complete,
        index_took: number(&index, "elapsed_ms"),
        index_tokens: number(&index, "tokens"),
        index_bytes: number(&index, "bytes"),
        resident: resident_bytes(server.pid()),
    };
    (start, server)
}

/// Asks until the token is found to be good.
async fn first_verify(server: &Server, token: &str) {
    let mut client = server.clients(&server.operator_secret()).verify;
    loop {
        let request = VerifyRequest {
            token: token.to_owned(),
            library: LIBRARY.into(),
            ..Default::default()
        };
        match client.verify(request).await {
            Ok(answer) => {
                assert_eq!(
                    answer.into_inner().verdict(),
                    Verdict::Valid,
                    "a wrong answer"
                );
                return;
            }
            Err(status) => assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}"),
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Waits until the server has logged this.
async fn logged(server: &Server, message: &str) -> serde_json::Value {
    loop {
        if let Some(fields) = server.logged(message) {
            return fields;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn starts(starts: &[&Start]) -> Vec<Vec<String>> {
    let mut rows = vec![row![
        "start after",
        "listening",
        "engine open (its own count)",
        "first correct Verify",
        "opened to first Verify",
        "opened to index complete",
        "index (its own count)"
    ]];
    for start in starts {
        rows.push(row![
            start.name,
            format!("{:.0}", start.listening),
            format!("{:.0}", start.engine_open),
            format!("{:.0}", start.first_verify),
            format!(
                "{:.0}",
                start.first_verify - start.listening - start.engine_open
            ),
            format!("{:.0}", start.index_complete - start.opened),
            format!("{:.0}", start.index_took)
        ]);
    }
    rows
}

fn per(bytes: f64, tokens: f64) -> String {
    format!("{:.0}", bytes / tokens)
}
