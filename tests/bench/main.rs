//! Figures of a real server process, as ratios to a control in the same run: the machine's own speed cancels out.
//!
//! `cargo bench --bench bench -- verify|creates|batch|flood|attacks|judge|lists|million|timing|all`, and `smoke` for all of them
//! in small. It needs `h2load` (Debian's nghttp2-client) for `verify`, `batch`, `flood` and `attacks`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a benchmark prints figures, rounds them, and gives up at the first fault"
)]

mod attacks;
mod batch;
mod creates;
mod fill;
mod flood;
mod generator;
mod judge;
mod lists;
mod million;
mod process;
mod table;
mod timing;
mod verify;

#[path = "../harness/mod.rs"]
mod harness;

use std::process::ExitCode;
use std::time::Duration;

use tempfile::TempDir;

/// How large a run is.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// Length of one measurement.
    measure: Duration,
    /// Measurements of each kind; their order alternates.
    rounds: usize,
    /// Tokens of `million` and of `lists`, and the most of each that `judge` looks at.
    tokens: usize,
    /// Measurements of each question of `timing`.
    measurements: usize,
    /// Whether a difference in time that must not be is a fault: asked for by `--strict`, since machines are noisy.
    strict: bool,
}

const FULL: Scale = Scale {
    measure: Duration::from_secs(4),
    rounds: 5,
    tokens: 1_000_000,
    measurements: 2_000_000,
    strict: false,
};

/// Enough to show that everything runs.
const SMOKE: Scale = Scale {
    measure: Duration::from_millis(200),
    rounds: 1,
    tokens: 2_000,
    measurements: 20_000,
    strict: false,
};

fn main() -> ExitCode {
    // Cargo adds `--bench` by itself.
    let (flags, arguments): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .partition(|argument| argument == "--strict");
    let [what] = arguments.as_slice() else {
        eprintln!(
            "say one of: verify creates batch flood attacks judge lists million timing all smoke; with --strict, timing fails where times differ"
        );
        return ExitCode::from(2);
    };
    if what == attacks::SINK {
        attacks::sink();
        return ExitCode::SUCCESS;
    }
    let scale = Scale {
        strict: !flags.is_empty(),
        ..if what == "smoke" { SMOKE } else { FULL }
    };
    let chosen = |name: &str| what == name || what == "all" || what == "smoke";
    let mut ran = false;
    print_setting();
    for (name, run) in [
        ("verify", verify::run as fn(Scale)),
        ("batch", batch::run),
        ("creates", creates::run),
        ("flood", flood::run),
        ("attacks", attacks::run),
        ("judge", judge::run),
        ("lists", lists::run),
        ("million", million::run),
        ("timing", timing::run),
    ] {
        if chosen(name) {
            run(scale);
            ran = true;
        }
    }
    if ran {
        ExitCode::SUCCESS
    } else {
        eprintln!(
            "{what} is none of: verify creates batch flood attacks judge lists million timing all smoke"
        );
        ExitCode::from(2)
    }
}

fn print_setting() {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("server, clients and load generator share {cores} cores");
    if cfg!(debug_assertions) {
        println!("UNOPTIMISED BUILD: these figures show that the benchmark runs, and nothing else");
    }
}

/// A data directory on the disk that the build uses: the system's temporary folder may be memory, where a sync costs nothing.
fn data_dir() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

/// A runtime for the clients.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}
