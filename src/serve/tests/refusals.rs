//! What is not served, and how it is told so.

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tonic::Status;
use tonic::body::Body;

use super::*;
use crate::grpc::context::{MAX_OPEN_CALLS, MAX_REQUEST_BYTES, MAX_VERIFY_BYTES};
use crate::proto::v1::VerifyBatchRequest;

const PATH: &str = "/tokenauthority.v1.TokenVerify/Verify";

pub(super) fn request(path: &str, body: &'static [u8]) -> Request<Body> {
    let body = tonic::codegen::Bytes::from_static(body);
    Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(Once(Some(body))))
        .unwrap()
}

/// A body of one piece.
struct Once(Option<tonic::codegen::Bytes>);

impl http_body::Body for Once {
    type Data = tonic::codegen::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Status>>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}

/// Sends what no gRPC client would.
async fn send(address: SocketAddr, request: Request<Body>) -> Response<Incoming> {
    let socket = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), socket)
        .await
        .unwrap();
    tokio::spawn(connection);
    timeout(PATIENCE, sender.send_request(request))
        .await
        .unwrap()
        .unwrap()
}

async fn refusal(address: SocketAddr, request: Request<Body>) -> Status {
    Status::from_header_map(send(address, request).await.headers()).unwrap()
}

/// Waits until the server closes a connection on which only this was said.
async fn closed_after(address: SocketAddr, said: &[u8]) -> Duration {
    let started = Instant::now();
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(said).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, socket.read_to_end(&mut answer))
        .await
        .unwrap();
    assert!(read.is_err() || answer.is_empty(), "{answer:?}");
    started.elapsed()
}

#[tokio::test]
async fn a_connection_that_does_not_say_that_it_speaks_http2_is_closed_in_time() {
    let mut config = config();
    config.handshake_timeout = Duration::from_millis(300);
    let (_shell, address, _) = open(&config).await;
    for said in [&b""[..], b"PRI * HTTP/2.0\r\n", b"P"] {
        let taken = closed_after(address, said).await;
        assert!(
            taken >= config.handshake_timeout / 2,
            "{said:?} after {taken:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_speaks_something_else_is_closed_at_once() {
    let (_shell, address, _) = open(&config()).await;
    let taken = closed_after(address, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(taken < config().handshake_timeout);
}

#[tokio::test]
async fn only_a_post_of_grpc_is_a_call() {
    let (_shell, address, _) = open(&config()).await;
    let mut get = request(PATH, b"");
    *get.method_mut() = http::Method::GET;
    let response = send(address, get).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (405, &"POST".parse().unwrap())
    );
    let mut json = request(PATH, b"{}");
    json.headers_mut()
        .insert("content-type", "application/json".parse().unwrap());
    assert_eq!(send(address, json).await.status().as_u16(), 415);
}

#[tokio::test]
async fn a_deadline_that_cannot_be_read_is_refused() {
    let (_shell, address, _) = open(&config()).await;
    for timeout in ["1", "-1S", "soon"] {
        let mut call = request(PATH, b"\0\0\0\0\x03\x0a\x01x");
        call.headers_mut()
            .insert("grpc-timeout", timeout.parse().unwrap());
        let refused = refusal(address, call).await;
        assert_eq!(
            reason(&refused),
            (Code::InvalidArgument, "MALFORMED_REQUEST".to_owned())
        );
    }
}

#[tokio::test]
async fn a_call_that_waits_too_long_is_ended_with_a_reason() {
    let mut config = config();
    config.request_deadline = Duration::from_millis(100);
    let (_shell, address, _) = open(&config).await;
    let late = verifier(address)
        .await
        .verify(token("wait"))
        .await
        .unwrap_err();
    assert_eq!(
        reason(&late),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned())
    );
}

#[tokio::test]
async fn a_deadline_of_the_clients_is_kept_with_a_reason() {
    let (_shell, address, _) = open(&config()).await;
    let mut call = request(PATH, b"\0\0\0\0\x06\x0a\x04wait");
    call.headers_mut()
        .insert("grpc-timeout", "50m".parse().unwrap());
    let late = refusal(address, call).await;
    assert_eq!(
        reason(&late),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned())
    );
}

#[tokio::test]
async fn a_verify_of_64_kib_is_answered_and_one_byte_more_is_refused() {
    let (_shell, address, _) = open(&config()).await;
    let mut client = verifier(address).await;
    // The field's tag is one byte, its length three.
    let longest = MAX_VERIFY_BYTES - 4;
    client.verify(token("x".repeat(longest))).await.unwrap();
    let refused = client
        .verify(token("x".repeat(longest + 1)))
        .await
        .unwrap_err();
    assert_eq!(
        reason(&refused),
        (Code::ResourceExhausted, "LIMIT_EXCEEDED".to_owned())
    );
}

#[tokio::test]
async fn a_batch_beyond_4_mib_is_refused() {
    let (_shell, address, _) = open(&config()).await;
    let mut client = verifier(address).await;
    let batch = |bytes| VerifyBatchRequest {
        requests: vec![token("x".repeat(bytes))],
    };
    client
        .verify_batch(batch(MAX_REQUEST_BYTES / 2))
        .await
        .unwrap();
    let refused = client
        .verify_batch(batch(MAX_REQUEST_BYTES))
        .await
        .unwrap_err();
    assert_eq!(
        reason(&refused),
        (Code::ResourceExhausted, "LIMIT_EXCEEDED".to_owned())
    );
}

#[tokio::test]
async fn a_message_that_is_damaged_is_refused_without_a_word_about_its_fields() {
    let (_shell, address, _) = open(&config()).await;
    let damaged: [&[u8]; 6] = [
        // Text that is not UTF-8.
        b"\0\0\0\0\x03\x0a\x01\xff",
        // A field that is longer than the message.
        b"\0\0\0\0\x02\x0a\x7f",
        // No message at all, half a frame, an unknown flag, compression that was not announced.
        b"",
        b"\0\0\0",
        b"\x07\0\0\0\0",
        b"\x01\0\0\0\0",
    ];
    for message in damaged {
        let refused = refusal(address, request(PATH, message)).await;
        assert_eq!(
            reason(&refused),
            (Code::InvalidArgument, "MALFORMED_REQUEST".to_owned()),
            "{message:?}"
        );
        assert_eq!(
            refused.message(),
            "the request is not a message of its type"
        );
    }
}

#[tokio::test]
async fn a_message_that_claims_to_be_huge_is_refused_before_it_comes() {
    let (_shell, address, _) = open(&config()).await;
    let refused = refusal(address, request(PATH, b"\0\xff\xff\xff\xff")).await;
    assert_eq!(
        reason(&refused),
        (Code::ResourceExhausted, "LIMIT_EXCEEDED".to_owned())
    );
}

#[tokio::test]
async fn an_unknown_compression_is_refused_with_a_reason() {
    let (_shell, address, _) = open(&config()).await;
    let mut call = request(PATH, b"\x01\0\0\0\x01x");
    call.headers_mut()
        .insert("grpc-encoding", "snappy".parse().unwrap());
    let refused = refusal(address, call).await;
    assert_eq!(
        reason(&refused),
        (Code::InvalidArgument, "MALFORMED_REQUEST".to_owned())
    );
}

#[tokio::test]
async fn headers_beyond_16_kib_are_refused() {
    let (_shell, address, _) = open(&config()).await;
    let mut call = request(PATH, b"\0\0\0\0\0");
    call.headers_mut()
        .insert("x-large", "x".repeat(20 * 1024).parse().unwrap());
    assert_eq!(send(address, call).await.status().as_u16(), 431);
}

#[tokio::test]
async fn a_method_that_there_is_not_is_unimplemented_with_a_reason() {
    let (_shell, address, _) = open(&config()).await;
    for path in [
        "/tokenauthority.v1.TokenVerify/Forge",
        "/no.Such/Service",
        "/tokenauthority.v1.TokenAdmin/GetToken",
    ] {
        let refused = refusal(address, request(path, b"\0\0\0\0\0")).await;
        assert_eq!(
            reason(&refused),
            (Code::Unimplemented, "UNKNOWN_METHOD".to_owned()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn reflection_answers_in_both_versions_and_can_be_switched_off() {
    // ListServices, as both versions spell it.
    let list = b"\0\0\0\0\x02\x3a\0";
    let paths = ["v1", "v1alpha"]
        .map(|version| format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"));
    let (_shell, address, _) = open(&config()).await;
    for path in &paths {
        let mut response = send(address, request(path, list)).await;
        let frame = next_frame(response.body_mut()).await;
        let services = String::from_utf8_lossy(&frame).into_owned();
        for name in [
            "tokenauthority.v1.TokenVerify",
            "tokenauthority.v1.Directory",
            "grpc.health.v1.Health",
        ] {
            assert!(services.contains(name), "{name} is not in {services}");
        }
    }
    let mut config = config();
    config.reflection = false;
    let (_shell, address, _) = open(&config).await;
    for path in &paths {
        let refused = refusal(address, request(path, list)).await;
        assert_eq!(
            reason(&refused),
            (Code::Unimplemented, "UNKNOWN_METHOD".to_owned())
        );
    }
}

async fn next_frame(body: &mut Incoming) -> tonic::codegen::Bytes {
    let frame =
        std::future::poll_fn(|cx| http_body::Body::poll_frame(std::pin::Pin::new(&mut *body), cx));
    timeout(PATIENCE, frame)
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap()
}

#[tokio::test]
async fn a_panic_ends_one_call_and_not_the_connection() {
    let (_shell, address, _) = open(&config()).await;
    let mut client = verifier(address).await;
    let fault = client.verify(token("panic")).await.unwrap_err();
    assert_eq!(reason(&fault), (Code::Internal, "INTERNAL".to_owned()));
    client.verify(token("x")).await.unwrap();
}

#[test]
fn the_limits_that_are_no_settings_are_told_as_they_are() {
    let help = crate::config::LIMITS;
    let kib = |bytes: usize| format!("{} KiB", bytes / 1024);
    let free = toll::FREE;
    for told in [
        kib(MAX_VERIFY_BYTES),
        format!("{} MiB", MAX_REQUEST_BYTES / 1024 / 1024),
        kib(usize::try_from(connection::MAX_HEADER_LIST_BYTES).unwrap()),
        format!("{MAX_OPEN_CALLS}       calls of health"),
        format!(
            "{}       calls that a client resets",
            connection::MAX_PENDING_RESETS
        ),
        format!("{},{:03}", free / 1000, free % 1000),
        format!("{} more in each second", toll::PER_SECOND),
    ] {
        assert!(help.contains(&told), "{told:?} is not in {help}");
    }
}
