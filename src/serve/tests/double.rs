//! Stands where the authority's handlers would: its tokens say how to behave.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

use tokio::sync::{Notify, Semaphore};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::proto::v1::token_verify_server::{TokenVerify, TokenVerifyServer};
use crate::proto::v1::{
    Verdict, VerifyBatchRequest, VerifyBatchResponse, VerifyRequest, VerifyResponse,
};

/// Shared by all workers.
#[derive(Clone, Default)]
pub(super) struct Double(Arc<State>);

struct State {
    threads: Mutex<HashSet<ThreadId>>,
    entered: Notify,
    release: Semaphore,
}

impl Default for State {
    fn default() -> Self {
        State {
            threads: Mutex::default(),
            entered: Notify::new(),
            release: Semaphore::new(0),
        }
    }
}

impl Double {
    pub(super) fn routes(&self) -> Routes {
        let verify = TokenVerifyServer::new(self.clone());
        Routes::new(verify.max_decoding_message_size(crate::grpc::context::MAX_REQUEST_BYTES))
    }

    /// The threads that calls ran on.
    pub(super) fn threads(&self) -> HashSet<ThreadId> {
        self.0.threads.lock().unwrap().clone()
    }

    /// Waits until a call with the token `wait` is under way.
    pub(super) async fn entered(&self) {
        self.0.entered.notified().await;
    }

    /// Lets one call with the token `wait` go on.
    pub(super) fn release(&self) {
        self.0.release.add_permits(1);
    }
}

#[tonic::async_trait]
impl TokenVerify for Double {
    async fn verify(
        &self,
        request: Request<VerifyRequest>,
    ) -> Result<Response<VerifyResponse>, Status> {
        self.0
            .threads
            .lock()
            .unwrap()
            .insert(std::thread::current().id());
        match request.get_ref().token.as_str() {
            "wait" => {
                self.0.entered.notify_one();
                self.0.release.acquire().await.unwrap().forget();
            }
            "panic" => panic!("a panic that a test asked for"),
            _ => {}
        }
        let verdict = Verdict::Malformed.into();
        Ok(Response::new(VerifyResponse {
            verdict,
            ..VerifyResponse::default()
        }))
    }

    async fn verify_batch(
        &self,
        _request: Request<VerifyBatchRequest>,
    ) -> Result<Response<VerifyBatchResponse>, Status> {
        Ok(Response::new(VerifyBatchResponse::default()))
    }
}
