//! Logs, to standard error: text for people, or JSON.
//!
//! What is never logged, whatever the filter says: keys and values of the store, metadata and messages of calls, secrets.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::config::{LogFilter, LogFormat};

/// What the targets of this crate begin with.
const OWN_TARGET: &str = "token_authority";

/// Starts logging. A process that logs already, such as a test, goes on as it does.
pub fn start(format: LogFormat, filter: &LogFilter) {
    let subscriber = subscriber(format, filter, io::stderr);
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

fn subscriber<W>(format: LogFormat, filter: &LogFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse_lossy(filter.as_str());
    let filter = filter.and(filter_fn(may_speak));
    let lines = fmt::layer().with_writer(writer);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter))
}

/// Below WARN only this crate is heard: sled logs keys and batches, h2 and hyper log headers.
fn may_speak(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= LevelFilter::WARN || metadata.target().starts_with(OWN_TARGET)
}

/// The place of a panic, and nothing of its message: that may quote the data that it choked on.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    tracing::error!(panic.place = place, "a fault of the authority itself");
}

#[cfg(test)]
pub(crate) mod tests;
