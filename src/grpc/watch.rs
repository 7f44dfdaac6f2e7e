//! A watch as a stream: it is asked for more when the client's side has room for it, and never sooner.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tokio_stream::Stream;
use tonic::Status;

use super::{convert, now};
use crate::authority::error::Error;
use crate::authority::keyspace::Versioned;
use crate::authority::watch::{Step, Watch};
use crate::clock::Clock;
use crate::proto::v1;

/// How long a response is put off while nothing happens: clients tell a quiet watch from a dead connection by it.
const QUIET: Duration = Duration::from_secs(30);
/// How often it is told, at the most, how far a watch has come that finds nothing in a part of the log.
const PROGRESS: Duration = Duration::from_secs(1);
/// How often the caller is judged at the least.
const JUDGED: Duration = Duration::from_secs(5);
/// How long the first of several events waits for the others: a busy store would wake every watch at each commit.
const GATHERED: Duration = Duration::from_millis(20);

/// The responses of a watch. After an error there is nothing more.
pub(super) struct Responses {
    next: Option<Next>,
}

type Next = Pin<Box<dyn Future<Output = (Teller, Result<v1::WatchEventsResponse, Error>)> + Send>>;

/// What asks the watch.
struct Teller {
    watch: Watch,
    clock: Arc<Clock>,
    /// When it last told something; `None` if it never has.
    told: Option<Instant>,
}

// === impl Responses ===

impl Responses {
    pub(super) fn of(watch: Watch, clock: Arc<Clock>) -> Responses {
        let teller = Teller {
            watch,
            clock,
            told: None,
        };
        Responses {
            next: Some(Box::pin(teller.tell())),
        }
    }
}

impl Stream for Responses {
    type Item = Result<v1::WatchEventsResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(None);
        };
        let (teller, told) = ready!(next.as_mut().poll(cx));
        self.next = told.is_ok().then(|| Box::pin(teller.tell()) as Next);
        Poll::Ready(Some(told.map_err(Status::from)))
    }
}

// === impl Teller ===

impl Teller {
    async fn tell(mut self) -> (Teller, Result<v1::WatchEventsResponse, Error>) {
        let told = self.next().await;
        self.told = Some(Instant::now());
        (self, told)
    }

    async fn next(&mut self) -> Result<v1::WatchEventsResponse, Error> {
        let Some(told) = self.told else {
            // At once, so that the client knows that it watches.
            return Ok(self.response(Vec::new()));
        };
        let overdue = told + QUIET;
        loop {
            let step = self.watch.step(now(&self.clock).time).await?;
            match step {
                Step::Told(events) => {
                    let text = |revision| self.watch.revision_text(revision);
                    let events = events.iter().map(|event| Versioned::clone(event));
                    let events = events.map(|event| convert::audit_event(event, text));
                    return Ok(self.response(events.collect()));
                }
                _ if Instant::now() >= overdue => return Ok(self.response(Vec::new())),
                Step::Passed if Instant::now() >= told + PROGRESS => {
                    return Ok(self.response(Vec::new()));
                }
                Step::Searching | Step::Passed => tokio::task::yield_now().await,
                Step::Waiting => {
                    let judged = overdue.min(Instant::now() + JUDGED);
                    if timeout_at(judged, self.watch.more()).await.is_ok() {
                        sleep(GATHERED).await;
                    }
                }
            }
        }
    }

    fn response(&self, events: Vec<v1::AuditEvent>) -> v1::WatchEventsResponse {
        v1::WatchEventsResponse {
            events,
            revision: self.watch.told(),
        }
    }
}
