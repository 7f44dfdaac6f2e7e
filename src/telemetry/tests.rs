use std::sync::{Arc, LazyLock, Mutex};

use super::*;
use crate::config::Value as _;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// With a single subscriber in the process, tracing asks only the thread that comes to a line first whether it is
/// wanted, and remembers the answer for all: another test's thread would answer for this one's.
static BYSTANDER: LazyLock<tracing::Dispatch> =
    LazyLock::new(|| tracing::Dispatch::new(tracing_subscriber::registry()));

/// What is logged on this thread meanwhile.
pub(crate) fn logged(format: LogFormat, filter: &str, log: impl FnOnce()) -> String {
    LazyLock::force(&BYSTANDER);
    let lines = Lines::default();
    let filter = LogFilter::parse(filter).unwrap();
    let written = lines.clone();
    let subscriber = subscriber(format, &filter, move || written.clone());
    tracing::subscriber::with_default(subscriber, log);
    String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn other_crates_are_silent_below_warn_whatever_the_filter_says() {
    for filter in [
        "trace",
        "sled=trace,h2=trace,hyper=trace,token_authority=trace",
    ] {
        let text = logged(LogFormat::Text, filter, || {
            tracing::trace!(target: "sled::pagecache", "canary key");
            tracing::debug!(target: "h2::codec", "canary header");
            tracing::info!(target: "hyper::proto", "canary body");
            tracing::trace!("our own");
        });
        assert!(
            text.contains("our own") && !text.contains("canary"),
            "{text}"
        );
    }
    let text = logged(LogFormat::Text, "info", || {
        tracing::warn!(target: "rustls", "a warning");
    });
    assert!(text.contains("a warning"), "{text}");
}

#[test]
fn json_is_one_object_per_line_with_the_fields_on_top() {
    let text = logged(LogFormat::Json, "info", || {
        tracing::info!(address = "127.0.0.1:1", "listening");
        tracing::debug!("not asked for");
    });
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["message"], "listening");
    assert_eq!(lines[0]["address"], "127.0.0.1:1");
}
