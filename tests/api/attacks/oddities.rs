//! What no client means to send: each is refused as it is documented, and harms neither its connection, where that is still
//! sound, nor anybody else.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body::Frame as BodyFrame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use token_authority::proto::v1::{ErrorReason, VerifyRequest};
use tokio::net::TcpStream;
use tonic::{Code, Status};

use super::*;
use crate::harness::frames::{
    DATA, END_STREAM, RST_STREAM, SETTINGS, call, call_headers, frame, literal, message,
};
use crate::refusal::reason_of;

const LIMIT: (Code, ErrorReason) = (Code::ResourceExhausted, ErrorReason::LimitExceeded);
const MALFORMED: (Code, ErrorReason) = (Code::InvalidArgument, ErrorReason::MalformedRequest);

/// A body of one piece.
struct Once(Option<Bytes>);

impl http_body::Body for Once {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<BodyFrame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(BodyFrame::data(bytes))))
    }
}

/// A request that is not what a client would make of it.
fn request(siege: &Siege, path: &str, body: &[u8]) -> Request<Once> {
    Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {}", siege.secret))
        .body(Once(Some(Bytes::copy_from_slice(body))))
        .unwrap()
}

/// The status of HTTP, and that of gRPC if there is one at once.
async fn send(siege: &Siege, request: Request<Once>) -> (u16, Option<Status>) {
    let socket = TcpStream::connect(siege.server.address()).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
        .await
        .unwrap();
    tokio::spawn(connection);
    let answer = timeout(PATIENCE, sender.send_request(request))
        .await
        .unwrap();
    let answer = answer.unwrap();
    (
        answer.status().as_u16(),
        Status::from_header_map(answer.headers()),
    )
}

/// A message of so many bytes, whatever they mean.
fn of_bytes(flag: u8, length: usize) -> Vec<u8> {
    let announced = u32::try_from(length).unwrap().to_be_bytes();
    let mut body = [&[flag][..], &announced].concat();
    body.resize(5 + length, 0x0a);
    body
}

#[tokio::test]
async fn messages_that_are_too_long_damaged_or_compressed_are_refused_with_a_reason() {
    let siege = Siege::begin(&[]).await;
    let whole = message(&VerifyRequest::default());
    let announced = |length: [u8; 4]| [&[0][..], &length].concat();
    for (path, body, encoding, expected) in [
        (VERIFY, announced([255; 4]), None, LIMIT),
        (BATCH, announced([255; 4]), None, LIMIT),
        (VERIFY, of_bytes(0, 65 * 1024), None, LIMIT),
        (BATCH, of_bytes(0, 5 * 1024 * 1024), None, LIMIT),
        (
            "/grpc.health.v1.Health/Check",
            of_bytes(0, 65 * 1024),
            None,
            LIMIT,
        ),
        (VERIFY, of_bytes(1, 4), None, MALFORMED),
        (VERIFY, of_bytes(7, 4), None, MALFORMED),
        (VERIFY, of_bytes(1, 4), Some("gzip"), MALFORMED),
        (VERIFY, of_bytes(1, 4), Some("br"), MALFORMED),
        (VERIFY, of_bytes(1, 4), Some("identity"), MALFORMED),
        (VERIFY, [whole.clone(), whole].concat(), None, MALFORMED),
        // Text that is not UTF-8, a field longer than its message, a field of another type, a group that does not end.
        (
            VERIFY,
            b"\0\0\0\0\x03\x0a\x01\xff".to_vec(),
            None,
            MALFORMED,
        ),
        (VERIFY, b"\0\0\0\0\x02\x0a\x7f".to_vec(), None, MALFORMED),
        (VERIFY, b"\0\0\0\0\x02\x08\x01".to_vec(), None, MALFORMED),
        (VERIFY, b"\0\0\0\0\x01\x0b".to_vec(), None, MALFORMED),
        (VERIFY, b"\0\0\0".to_vec(), None, MALFORMED),
        (VERIFY, Vec::new(), None, MALFORMED),
    ] {
        let mut call = request(&siege, path, &body);
        if let Some(encoding) = encoding {
            call.headers_mut()
                .insert("grpc-encoding", HeaderValue::from_static(encoding));
        }
        let shown: Vec<u8> = body.iter().copied().take(12).collect();
        let (http, status) = send(&siege, call).await;
        let status = status.unwrap_or_else(|| panic!("no status: {path} {shown:?} {encoding:?}"));
        assert_eq!(http, 200);
        let refused = (status.code(), reason_of(&status));
        assert_eq!(
            refused, expected,
            "{path} {shown:?} {encoding:?} {status:?}"
        );
        assert!(!status.message().contains("token"), "{status:?}");
    }
    siege.unharmed().await;
}

#[tokio::test]
async fn timeouts_are_kept_and_bad_ones_are_refused() {
    let siege = Siege::begin(&[]).await;
    let body = message(&presenting(&siege.secret));
    let late = (Code::DeadlineExceeded, ErrorReason::DeadlineExceeded);
    for (timeout, expected) in [
        ("0n", late),
        ("0S", late),
        ("-1S", MALFORMED),
        ("1", MALFORMED),
        ("S", MALFORMED),
        ("", MALFORMED),
        ("soon", MALFORMED),
        ("123456789n", MALFORMED),
        ("1.5S", MALFORMED),
        ("0x1S", MALFORMED),
    ] {
        let mut call = request(&siege, VERIFY, &body);
        call.headers_mut()
            .insert("grpc-timeout", HeaderValue::from_static(timeout));
        let (_, status) = send(&siege, call).await;
        let status = status.unwrap();
        assert_eq!((status.code(), reason_of(&status)), expected, "{timeout:?}");
    }
    // One that is kept: the request does not come.
    let mut block = siege.headers(VERIFY);
    literal(&mut block, "grpc-timeout", b"50m");
    let mut peer = siege.peer().await;
    peer.say(&frame(HEADERS, END_HEADERS, 1, &block))
        .await
        .unwrap();
    let ended = timeout(PATIENCE / 8, peer.hear_of(HEADERS, END_STREAM)).await;
    assert!(ended.expect("the deadline of the client").is_some());
    drop(peer);
    siege.unharmed().await;
}

#[tokio::test]
async fn whatever_is_no_call_is_told_so_in_http() {
    let siege = Siege::begin(&[]).await;
    for method in [
        http::Method::GET,
        http::Method::PUT,
        http::Method::OPTIONS,
        http::Method::HEAD,
    ] {
        let mut odd = request(&siege, VERIFY, b"");
        *odd.method_mut() = method.clone();
        assert_eq!(send(&siege, odd).await.0, 405, "{method}");
    }
    for content_type in [
        "application/json",
        "text/html",
        "application/grpc-web",
        "application/grpc+json",
        "",
    ] {
        let mut odd = request(&siege, VERIFY, b"");
        let value = HeaderValue::from_static(content_type);
        odd.headers_mut().insert("content-type", value);
        assert_eq!(send(&siege, odd).await.0, 415, "{content_type}");
    }
    siege.unharmed().await;
}

#[tokio::test]
async fn headers_beyond_their_limit_are_refused_and_the_connection_goes_on() {
    let siege = Siege::begin(&[]).await;
    let mut large = request(&siege, VERIFY, b"");
    let value = HeaderValue::from_str(&"x".repeat(20 * 1024)).unwrap();
    large.headers_mut().insert("x-large", value);
    assert_eq!(send(&siege, large).await.0, 431);
    let mut many = request(&siege, VERIFY, b"");
    for n in 0..1000 {
        let name = HeaderName::try_from(format!("x-{n}")).unwrap();
        many.headers_mut()
            .insert(name, HeaderValue::from_static("x"));
    }
    assert_eq!(send(&siege, many).await.0, 431);
    // The client that is told so may go on.
    let mut peer = siege.peer().await;
    let mut block = siege.headers(VERIFY);
    literal(&mut block, "x-large", &[b'x'; 14 * 1024]);
    literal(&mut block, "x-larger", &[b'x'; 1024]);
    peer.say(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block))
        .await
        .unwrap();
    let told = timeout(PATIENCE, peer.hear_of(HEADERS, END_STREAM)).await;
    assert!(told.unwrap().is_some());
    assert!(peer.answers().await);
    drop(peer);
    siege.unharmed().await;
}

#[tokio::test]
async fn calls_that_are_no_http_are_reset_and_connections_that_are_no_http_are_ended() {
    let siege = Siege::begin(&[]).await;
    let with = |name: &str, value: &[u8]| {
        let mut block = siege.headers(VERIFY);
        literal(&mut block, name, value);
        block
    };
    let body = message(&presenting(&siege.secret));
    let said = |block: &[u8]| call(1, block, &body);
    // Of one call.
    for (what, block) in [
        (
            "a path without a slash",
            call_headers("tokenauthority.v1.TokenVerify/Verify", None),
        ),
        ("no path", call_headers("", None)),
        ("a header of the connection", with("connection", b"close")),
        ("a name in capitals", with("X-Capital", b"x")),
        ("a pseudo-header after the others", with(":path", b"/")),
        ("a pseudo-header that there is not", with(":forged", b"x")),
        ("a line within a header", with("x-line", b"a\r\nb: c")),
        ("nothing but a zero within a header", with("x-zero", b"\0")),
    ] {
        let mut peer = siege.peer().await;
        peer.say(&said(&block)).await.unwrap();
        let told = timeout(PATIENCE, async {
            loop {
                match peer.hear().await {
                    Some(frame) if frame.kind == RST_STREAM || frame.kind == GOAWAY => {
                        return Some(frame.code());
                    }
                    Some(frame) if frame.is(HEADERS, 0) => panic!("it was answered: {what}"),
                    Some(_) => {}
                    None => return None,
                }
            }
        });
        let told = told.await.unwrap();
        assert!(matches!(told, Some(PROTOCOL_ERROR | 9)), "{what}: {told:?}");
    }
    // Of the whole connection.
    for (what, said) in [
        ("DATA before any call", frame(DATA, 0, 1, b"x")),
        (
            "a stream of the server's",
            frame(HEADERS, END_HEADERS, 2, &siege.headers(VERIFY)),
        ),
        (
            "CONTINUATION of nothing",
            frame(frames::CONTINUATION, END_HEADERS, 1, b""),
        ),
        ("SETTINGS of an odd length", frame(SETTINGS, 0, 0, b"x")),
        ("a PING of an odd length", frame(PING, 0, 0, b"x")),
        (
            "a frame that is too long",
            [&[255, 255, 255, DATA, 0][..], &[0, 0, 0, 1]].concat(),
        ),
        (
            "headers that can't be read",
            frame(HEADERS, END_HEADERS, 1, &[0xff; 20]),
        ),
        (
            "an answer to a push",
            frame(5, END_HEADERS, 1, &[0, 0, 0, 2]),
        ),
    ] {
        let mut peer = siege.peer().await;
        peer.say(&said).await.unwrap();
        let ended = ending(&mut peer, |_| ()).await;
        assert!(
            matches!(ended, Ending::GoAway(code) if code != 0),
            "{what}: {ended:?}"
        );
    }
    siege.unharmed().await;
}

#[tokio::test]
async fn frames_that_mean_nothing_here_are_ignored() {
    let siege = Siege::begin(&[]).await;
    let mut peer = siege.peer().await;
    let body = message(&presenting(&siege.secret));
    let odd = [
        frame(frames::UNKNOWN, 255, 0, b"what?"),
        frame(frames::PRIORITY, 0, 7, &[0, 0, 0, 0, 1]),
        frames::settings(&[(0x7777, 1)]),
        call(1, &siege.headers(VERIFY), &body),
        frame(frames::UNKNOWN, 0, 1, b"what?"),
    ];
    peer.say(&odd.concat()).await.unwrap();
    let answered = timeout(PATIENCE, peer.hear_of(HEADERS, END_STREAM)).await;
    assert!(answered.unwrap().is_some());
    drop(peer);
    siege.unharmed().await;
}
