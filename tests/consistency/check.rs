//! A client that verifies and writes down what it is answered.

use std::time::Instant;

use token_authority::proto::v1::verify_batch_result::Result as Item;
use token_authority::proto::v1::{VerifyBatchRequest, VerifyRequest, VerifyResponse};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::harness::Clients;
use crate::history::Answer;
use crate::journal::Target;
use crate::model::{Demand, Found};
use crate::number;

/// A check to be made.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) target: Target,
    pub(crate) demand: Demand,
}

/// A connection of its own, and what came over it.
pub(crate) struct Checker {
    clients: Clients,
    /// In the order in which they came.
    pub(crate) answers: Vec<Answer>,
    /// Of those, the ones that came one by one.
    pub(crate) singles: usize,
    /// Checks that could not be made yet: UNAVAILABLE, and when to try again.
    pub(crate) unavailable: usize,
}

// === impl Checker ===

impl Checker {
    pub(crate) fn new(clients: Clients) -> Checker {
        Checker {
            clients,
            answers: Vec::new(),
            singles: 0,
            unavailable: 0,
        }
    }

    /// Makes one check with Verify.
    pub(crate) async fn single(&mut self, ask: &Ask) {
        let request = ask.request();
        let began = Instant::now();
        match self.clients.verify.verify(request).await {
            Ok(answer) => {
                self.singles += 1;
                self.note(ask, (began, Instant::now()), &answer.into_inner());
            }
            Err(status) => self.note_unavailable(&status),
        }
    }

    /// Makes one check, and says whether there was an answer.
    pub(crate) async fn is_served(&mut self, ask: &Ask) -> bool {
        let before = self.singles;
        self.single(ask).await;
        self.singles > before
    }

    /// Makes many checks with one VerifyBatch.
    pub(crate) async fn batch(&mut self, asks: &[Ask]) {
        let request = VerifyBatchRequest {
            requests: asks.iter().map(Ask::request).collect(),
        };
        let began = Instant::now();
        let results = match self.clients.verify.verify_batch(request).await {
            Ok(answer) => answer.into_inner().results,
            Err(status) => return self.note_unavailable(&status),
        };
        let ended = Instant::now();
        assert_eq!(results.len(), asks.len(), "one result for each request");
        for (ask, result) in asks.iter().zip(results) {
            match result.result.expect("a result") {
                Item::Response(answer) => self.note(ask, (began, ended), &answer),
                Item::Error(error) => {
                    assert_eq!(error.code, Code::Unavailable as i32, "{}", error.message);
                    let retry = error
                        .details
                        .iter()
                        .any(|d| d.type_url.ends_with("google.rpc.RetryInfo"));
                    assert!(
                        retry,
                        "it does not say when to try again: {}",
                        error.message
                    );
                    self.unavailable += 1;
                }
            }
        }
    }

    fn note(&mut self, ask: &Ask, (began, ended): (Instant, Instant), answer: &VerifyResponse) {
        self.answers.push(Answer {
            token: ask.target.token,
            demand: ask.demand,
            began,
            ended,
            revision: number(&answer.revision),
            found: Found::in_answer(answer),
        });
    }

    fn note_unavailable(&mut self, status: &Status) {
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        let retry = status.get_details_retry_info();
        assert!(
            retry.is_some(),
            "it does not say when to try again: {status:?}"
        );
        self.unavailable += 1;
    }
}

// === impl Ask ===

impl Ask {
    fn request(&self) -> VerifyRequest {
        VerifyRequest {
            token: self.target.secret.to_string(),
            library: self.target.library.to_string(),
            permissions: vec![self.demand.permission().to_owned()],
            ..Default::default()
        }
    }
}
