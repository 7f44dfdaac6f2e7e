//! h2load: an HTTP/2 load generator in C, so that the generator's own cost hides as little as possible.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use hdrhistogram::Histogram;
use prost::Message;
use tempfile::TempDir;

use crate::process::cpu_seconds;
use crate::table;

/// Bytes before each message: one of flags, four of length.
const FRAME_BYTES: usize = 5;
/// Calls of the run that finds out how many fill a measurement.
const CALIBRATION_CALLS: usize = 2_000;
/// How long a calibration takes at least, unless it comes to so many calls before.
const CALIBRATION_SECONDS: f64 = 0.1;

/// The same call, again and again.
pub(crate) struct Call {
    path: &'static str,
    secret: Option<String>,
    /// The framed request.
    body: PathBuf,
    /// Bytes of the framed answer, which every answer must have.
    answer_bytes: usize,
    connections: usize,
    streams: usize,
    folder: TempDir,
}

/// What one measurement gave.
pub(crate) struct Measured {
    pub(crate) calls_per_second: f64,
    /// Of the server, microseconds.
    pub(crate) cpu_per_call: f64,
    /// Microseconds.
    pub(crate) latency: Histogram<u64>,
}

// === impl Call ===

impl Call {
    /// A call of `path` over so many connections, with so many under way on each. `answer` is what one call gave: the
    /// generator does not read answers, so all that it receives is held against the size of this one.
    pub(crate) fn new(
        path: &'static str,
        secret: Option<&str>,
        request: &impl Message,
        answer: &impl Message,
        (connections, streams): (usize, usize),
    ) -> Call {
        let folder = tempfile::tempdir().expect("a folder");
        let message = request.encode_to_vec();
        let length = u32::try_from(message.len()).expect("a message of less than 4 GiB");
        let mut framed = vec![0];
        framed.extend(length.to_be_bytes());
        framed.extend(message);
        let body = folder.path().join("body");
        fs::write(&body, framed).expect("a file");
        Call {
            path,
            secret: secret.map(str::to_owned),
            body,
            answer_bytes: answer.encoded_len() + FRAME_BYTES,
            connections,
            streams,
            folder,
        }
    }

    /// How many calls take about so long.
    pub(crate) fn calibrate(&self, address: SocketAddr, pid: u32, length: Duration) -> usize {
        let mut calls = self.connections * self.streams;
        let mut rate = self.measure(address, pid, calls).calls_per_second;
        // A large batch on a slow build takes long, a small one on a fast build too short to tell.
        while calls < CALIBRATION_CALLS && (calls as f64) < rate * CALIBRATION_SECONDS {
            calls *= 4;
            rate = self.measure(address, pid, calls).calls_per_second;
        }
        let calls = rate * length.as_secs_f64();
        // A whole number of calls is meant.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive rate, far below 2^53"
        )]
        let calls = calls as usize;
        calls.max(self.connections * self.streams)
    }

    /// Makes so many calls; panics unless each was answered in full.
    pub(crate) fn measure(&self, address: SocketAddr, pid: u32, calls: usize) -> Measured {
        let log = self.folder.path().join("log");
        let _ = fs::remove_file(&log);
        let mut command = Command::new("h2load");
        command
            .args(["-t", "1", "-n", &calls.to_string()])
            .args(["-c", &self.connections.to_string()])
            .args(["-m", &self.streams.to_string()])
            .args(["-H", "content-type: application/grpc", "-H", "te: trailers"])
            .arg("-d")
            .arg(&self.body)
            .arg("--log-file")
            .arg(&log)
            .arg(format!("http://{address}{}", self.path));
        if let Some(secret) = &self.secret {
            command.args(["-H", &format!("authorization: Bearer {secret}")]);
        }
        let before = cpu_seconds(pid);
        let output = command
            .output()
            .expect("h2load runs: it is in Debian's nghttp2-client");
        let cpu = cpu_seconds(pid) - before;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );

        let succeeded = number_before(&text, "requests:", " succeeded");
        let short = calls as f64 - succeeded;
        assert!(short.abs() < 0.5, "not every call was answered:\n{text}");
        let received = number_before(&text, "traffic:", ") data");
        let expected = (calls * self.answer_bytes) as f64;
        let same = (received - expected).abs() < 0.5;
        assert!(same, "some answers are not the expected one:\n{text}");
        Measured {
            calls_per_second: number_before(&text, "finished in", " req/s"),
            cpu_per_call: cpu * 1e6 / calls as f64,
            latency: latencies(&fs::read_to_string(&log).expect("h2load's log")),
        }
    }
}

/// The number that ends before `unit`, in the line that begins with `line`.
fn number_before(text: &str, line: &str, unit: &str) -> f64 {
    let found = text.lines().find(|text| text.starts_with(line));
    let number = found.and_then(|found| {
        let (before, _) = found.split_once(unit)?;
        let start = before.rfind(|char: char| !char.is_ascii_digit() && char != '.')?;
        before[start + 1..].parse().ok()
    });
    number.unwrap_or_else(|| panic!("no number before {unit:?} in {line:?}:\n{text}"))
}

/// The third column: how long each call took, microseconds.
fn latencies(log: &str) -> Histogram<u64> {
    let mut histogram = table::histogram();
    for line in log.lines() {
        let latency = line.split('\t').nth(2).and_then(|text| text.parse().ok());
        histogram.saturating_record(latency.expect("three columns"));
    }
    histogram
}
