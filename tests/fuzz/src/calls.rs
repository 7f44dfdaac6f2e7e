//! Calls of every method, through all layers that the server has above a connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use token_authority::authority::Authority;
use token_authority::clock::Clock;
use token_authority::grpc::context::{ContextLayer, MAX_REQUEST_BYTES, Rules};
use token_authority::grpc::identity::{IdentityService, RULES};
use token_authority::grpc::routes::routes;
use tonic::{Code, Status};
use tower::{Layer as _, ServiceExt as _};

use crate::stage::{HOLDERS, Holder, Stage};

/// Most frames of an answer that are read: a watch never ends.
const FRAMES: usize = 4;

/// Whose credential a call has: that of the holder of this number, or none.
#[must_use]
pub fn holder(number: u8) -> Option<Holder> {
    HOLDERS
        .get(usize::from(number) % (HOLDERS.len() + 1))
        .copied()
}

/// The path of the method of this number. The number is made of the path, so that a kept input means the same when there are
/// more methods; of what is no method's number, the rest by how many there are chooses one.
#[must_use]
pub fn path(number: [u8; 2]) -> &'static str {
    let named = RULES.iter().find(|(path, _)| self::number(path) == number);
    named
        .unwrap_or(&RULES[usize::from(u16::from_le_bytes(number)) % RULES.len()])
        .0
}

/// The number of the method with this path: FNV-1a, of which two bytes are enough.
#[must_use]
pub fn number(path: &str) -> [u8; 2] {
    let hash = path.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let [.., high, low] = hash.to_be_bytes();
    [low, high]
}

/// A message as gRPC frames it.
#[must_use]
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a message of less than 4 GiB");
    [&[0], &length.to_be_bytes()[..], message].concat()
}

impl Stage {
    /// Calls a method with a message; the code of the answer, and its first message.
    pub fn call(&self, path: &str, holder: Option<Holder>, message: &[u8]) -> (Code, Vec<u8>) {
        let mut request = Request::post(path)
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(holder) = holder {
            request = request.header("authorization", format!("Bearer {}", holder.credential()));
        }
        let body = Full::new(Bytes::from(framed(message))).map_err(|never| match never {});
        let request = request.body(body).expect("the path is one of a method");
        let (authority, clock) = (self.authority.clone(), self.clock.clone());
        self.runtime.block_on(answer(authority, clock, request))
    }
}

async fn answer<B>(
    authority: Arc<Authority>,
    clock: Arc<Clock>,
    request: Request<B>,
) -> (Code, Vec<u8>)
where
    B: http_body::Body<Data = Bytes, Error = Status> + Send + 'static,
{
    let routes = routes(&authority, &clock, MAX_REQUEST_BYTES).prepare();
    let rules = Rules {
        // The engine says what takes too long: on a machine that does much else, a password takes long.
        request_deadline: Duration::from_mins(10),
        trusted_proxies: Vec::new(),
    };
    let service = IdentityService::new(routes, authority, clock, false);
    let service = ContextLayer::new(Arc::new(rules), ([127, 0, 0, 1], 1).into()).layer(service);
    let response = match service.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    read(response).await
}

async fn read<B>(response: Response<B>) -> (Code, Vec<u8>)
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let (parts, mut body) = response.into_parts();
    assert!(
        parts.status.is_success(),
        "a gRPC call is answered as one: {}",
        parts.status
    );
    let mut code = code(&parts.headers);
    let mut message = Vec::new();
    for _ in 0..FRAMES {
        // What is not there at once is a watch's that waits.
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = tokio::time::sleep(Duration::from_millis(5)) => None,
        };
        let Some(Ok(frame)) = frame else { break };
        match frame.into_data() {
            Ok(data) => message.extend_from_slice(&data),
            Err(frame) => code = frame.trailers_ref().and_then(self::code).or(code),
        }
    }
    message.drain(..message.len().min(5));
    (code.unwrap_or(Code::Ok), message)
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers
        .get("grpc-status")
        .map(|code| Code::from_bytes(code.as_bytes()))
}
