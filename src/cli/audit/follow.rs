//! `audit --follow`: what is changed, as it is changed, across restarts of the server and lost connections.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tonic::{Request, Status};

use super::super::call::{FIRST_PAUSE, named_pause};
use super::super::connect::Session;
use super::super::failure::{Failure, is_unsettled};
use super::super::output::Output;
use crate::proto::v1;

/// Longest silence of a connection that lives: the server speaks every 30 seconds.
const SILENCE: Duration = Duration::from_secs(75);
/// Longest pause between two tries to reach a server that is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Events without an end.
pub(super) struct Follow<'a, 'b> {
    session: &'a Session,
    output: &'a mut Output<'b>,
    /// What to ask for: it moves on with what was told.
    request: v1::WatchEventsRequest,
    /// How long to wait before the next try.
    pause: Duration,
    /// Whether it was told that the server is reached.
    announced: bool,
}

/// Nobody reads what is written.
struct ReaderGone;

// === impl Follow ===

impl<'a, 'b> Follow<'a, 'b> {
    pub(super) fn new(
        session: &'a Session,
        output: &'a mut Output<'b>,
        request: v1::WatchEventsRequest,
    ) -> Self {
        Follow {
            session,
            output,
            request,
            pause: FIRST_PAUSE,
            announced: false,
        }
    }

    /// Tells events until Ctrl-C, until nobody reads them, or until the authority tells no more.
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        let interrupted = async {
            if tokio::signal::ctrl_c().await.is_err() {
                // It can't be listened for, so it ends the process as it does others.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            ended = self.tell() => ended,
            () = interrupted => Ok(()),
        }
    }

    async fn tell(&mut self) -> Result<(), Failure> {
        loop {
            let status = match self.watch().await? {
                Ok(ReaderGone) => return Ok(()),
                Err(status) => status,
            };
            if !is_unsettled(&status) {
                return Err(Failure::Call(Box::new(status)));
            }
            if self.pause == FIRST_PAUSE {
                let why = status.message();
                let note = format!("the authority does not answer; trying again: {why}");
                self.output.note("note", &note);
            }
            sleep(named_pause(&status).unwrap_or(self.pause)).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One call, until it fails.
    async fn watch(&mut self) -> Result<Result<ReaderGone, Status>, Failure> {
        let silent = |_| Status::deadline_exceeded("nothing was heard from it for too long");
        let patience = self.session.timeout;
        let mut client = self.session.token_admin();
        let call = client.watch_events(Request::new(self.request.clone()));
        let mut responses = match timeout(patience, call).await.map_err(silent).flatten() {
            Ok(responses) => responses.into_inner(),
            Err(status) => return Ok(Err(status)),
        };
        let mut patience = patience;
        loop {
            let response = timeout(patience, responses.message()).await;
            let response = match response.map_err(silent).flatten() {
                Ok(Some(response)) => response,
                Ok(None) => return Ok(Err(Status::unavailable("the connection is lost"))),
                Err(status) => return Ok(Err(status)),
            };
            (patience, self.pause) = (SILENCE, FIRST_PAUSE);
            self.request.after_revision.clone_from(&response.revision);
            if !self.announced {
                self.announced = true;
                let note = format!("watching what comes after {}", response.revision);
                self.output.note("note", &note);
            }
            if !response.events.is_empty() && !self.output.more(&response, &response.events)? {
                return Ok(Ok(ReaderGone));
            }
        }
    }
}
