//! `TokenVerify`.

use std::sync::Arc;
use std::time::Duration;

use tonic::{Request, Response, Status};

use super::convert;
use super::identity::Identity;
use super::now;
use super::status::as_item;
use crate::authority::error::{Error, Reason};
use crate::authority::{Authority, Caller, Scope};
use crate::clock::{Budget, Clock};
use crate::proto::v1;
use crate::proto::v1::token_verify_server::TokenVerify;
use crate::proto::v1::verify_batch_result::Result as ItemResult;

/// Most requests of a batch.
const MAX_BATCH: usize = 1000;

/// Items of a batch that are judged without a pause.
const STRIDE: usize = 32;
/// How long they are: what one takes depends on the rights of its token.
const WITHOUT_PAUSE: Duration = Duration::from_millis(2);
/// Bytes of answers after which the rest of a batch is refused: with the last one, they stay below the 4 MiB that gRPC
/// clients take unless told otherwise.
const MAX_BATCH_BYTES: usize = 3 * 1024 * 1024;

/// The service.
pub(super) struct Verifier {
    authority: Arc<Authority>,
    clock: Arc<Clock>,
}

// === impl Verifier ===

impl Verifier {
    pub(super) fn new(authority: Arc<Authority>, clock: Arc<Clock>) -> Verifier {
        Verifier { authority, clock }
    }

    async fn judge(
        &self,
        caller: Option<&Caller>,
        request: v1::VerifyRequest,
    ) -> Result<v1::VerifyResponse, Error> {
        // A verifier of an ordinary library always demands its own; the others may name any, or none.
        let library = match caller {
            Some(caller) if caller.scope != Scope::All => Some(caller.reach(&request.library)?),
            _ => None,
        };
        let (token, demand) = convert::verify(request, library)?;
        let judgement = self
            .authority
            .verify(&token, &demand, caller, now(&self.clock))
            .await?;
        Ok(convert::judgement(&self.authority, judgement))
    }
}

#[tonic::async_trait]
impl TokenVerify for Verifier {
    async fn verify(
        &self,
        request: Request<v1::VerifyRequest>,
    ) -> Result<Response<v1::VerifyResponse>, Status> {
        let (identity, message) = verifier(request)?;
        Ok(Response::new(
            self.judge(identity.0.as_ref(), message).await?,
        ))
    }

    async fn verify_batch(
        &self,
        request: Request<v1::VerifyBatchRequest>,
    ) -> Result<Response<v1::VerifyBatchResponse>, Status> {
        let (identity, message) = verifier(request)?;
        match message.requests.len() {
            0 => return Err(Error::invalid("requests", "must hold at least one request").into()),
            1..=MAX_BATCH => {}
            _ => {
                let why = format!("a batch holds at most {MAX_BATCH} requests; send more batches");
                return Err(Error::new(Reason::LimitExceeded, why).into());
            }
        }
        let mut results = Vec::with_capacity(message.requests.len());
        let mut bytes = 0;
        let (mut judged, mut time) = (0, Budget::of(WITHOUT_PAUSE));
        for request in message.requests {
            if judged == STRIDE || time.is_spent() {
                // Lets other calls of this thread go on, and the deadline be noticed.
                tokio::task::yield_now().await;
                (judged, time) = (0, Budget::of(WITHOUT_PAUSE));
            }
            judged += 1;
            let answer = match bytes {
                0..MAX_BATCH_BYTES => self.judge(identity.0.as_ref(), request).await,
                _ => Err(Error::new(
                    Reason::LimitExceeded,
                    "the answers to this batch are too large; ask for fewer at once",
                )),
            };
            bytes += answer.as_ref().map_or(0, prost::Message::encoded_len);
            let result = match answer {
                Ok(response) => ItemResult::Response(response),
                Err(error) => ItemResult::Error(as_item(error)),
            };
            results.push(v1::VerifyBatchResult {
                result: Some(result),
            });
        }
        Ok(Response::new(v1::VerifyBatchResponse { results }))
    }
}

fn verifier<T>(request: Request<T>) -> Result<(Identity, T), Status> {
    let (_, mut extensions, message) = request.into_parts();
    let identity = extensions.remove::<Identity>();
    let identity =
        identity.ok_or_else(|| Error::new(Reason::Internal, "the call has no identity"))?;
    Ok((identity, message))
}
