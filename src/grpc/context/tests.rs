use http::Method as HttpMethod;
use tonic::body::Body as TonicBody;
use tonic_types::StatusExt as _;
use tower::{ServiceExt as _, service_fn};

use super::*;
use crate::config::LogFormat;
use crate::telemetry::tests::logged;

const VERIFY: &str = "/tokenauthority.v1.TokenVerify/Verify";
const ADMIN: &str = "/tokenauthority.v1.TokenAdmin/GetToken";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const CANARY: &str = "canary";

type Answer = Result<Response<TonicBody>, Infallible>;

fn request(path: &str) -> http::request::Builder {
    Request::post(format!("http://localhost{path}")).header("content-type", "application/grpc")
}

/// Sends a request through the layer to a handler, on a clock that jumps to the next timer when nothing else is left to do.
fn call<F: Future<Output = Answer>>(
    request: http::request::Builder,
    handler: impl FnMut(Request<LimitedBody<TonicBody>>) -> F,
) -> Response<RecordedBody<TonicBody>> {
    let (rules, peer) = rules_and_peer();
    let service = ContextLayer::new(Arc::new(rules), peer).layer(service_fn(handler));
    let request = request.body(TonicBody::empty()).unwrap();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(service.oneshot(request)).unwrap()
}

fn rules_and_peer() -> (Rules, SocketAddr) {
    let rules = Rules {
        request_deadline: Duration::from_secs(10),
        trusted_proxies: Vec::new(),
    };
    (rules, "[::ffff:192.0.2.1]:5000".parse().unwrap())
}

async fn well<B>(_request: Request<B>) -> Answer {
    Ok(Status::new(Code::Ok, "").into_http())
}

async fn never<B>(_request: Request<B>) -> Answer {
    std::future::pending().await
}

fn error(response: &Response<RecordedBody<TonicBody>>) -> (Code, String) {
    let status = Status::from_header_map(response.headers()).unwrap();
    (
        status.code(),
        status.get_details_error_info().unwrap().reason,
    )
}

#[test]
fn a_handler_is_told_the_call_id_that_the_client_is_told_and_the_canonical_peer() {
    let mut seen = None;
    let response = call(request(VERIFY), |request| {
        seen = request.extensions().get::<CallContext>().copied();
        well(request)
    });
    let seen = seen.unwrap();
    assert_eq!(response.headers()[CALL_ID], seen.call_id.to_string());
    assert_eq!(seen.peer.to_string(), "192.0.2.1");
}

#[test]
fn whatever_is_no_grpc_call_never_reaches_a_handler() {
    let refused = |builder: http::request::Builder| {
        call(builder, |_| -> std::future::Ready<Answer> {
            panic!("it reached the handler")
        })
        .status()
    };
    for method in [
        HttpMethod::GET,
        HttpMethod::PUT,
        HttpMethod::OPTIONS,
        HttpMethod::CONNECT,
    ] {
        assert_eq!(
            refused(request(VERIFY).method(method)),
            StatusCode::METHOD_NOT_ALLOWED
        );
    }
    for content_type in [
        "application/json",
        "application/grpc-web",
        "application/grpc+json",
        "application/grpcx",
    ] {
        let builder = Request::post(VERIFY).header("content-type", content_type);
        assert_eq!(
            refused(builder),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{content_type}"
        );
    }
    assert_eq!(
        refused(Request::post(VERIFY)),
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
}

#[test]
fn every_spelling_of_the_grpc_content_type_is_taken() {
    for content_type in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc;charset=utf-8",
    ] {
        let builder = Request::post(VERIFY).header("content-type", content_type);
        assert_eq!(
            call(builder, well).headers()["grpc-status"],
            "0",
            "{content_type}"
        );
    }
}

#[test]
fn a_call_ends_at_the_servers_deadline_or_at_the_clients_if_that_is_sooner() {
    let late = (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned());
    assert_eq!(error(&call(request(VERIFY), never)), late);
    assert_eq!(
        error(&call(request(ADMIN).header("grpc-timeout", "5m"), never)),
        late
    );
    assert_eq!(
        error(&call(
            request(ADMIN).header("grpc-timeout", "99999999H"),
            never
        )),
        late
    );
}

#[test]
fn a_stream_that_has_begun_has_no_deadline_and_one_that_does_not_begin_has() {
    let late = (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned());
    assert_eq!(error(&call(request(WATCH), never)), late);
    let (rules, peer) = rules_and_peer();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let endless = |_| async { Ok(Response::new(TonicBody::new(Endless))) };
        let service = ContextLayer::new(Arc::new(rules), peer).layer(service_fn(endless));
        let request = request(WATCH).body(TonicBody::empty()).unwrap();
        let mut body = Box::pin(service.oneshot(request).await.unwrap().into_body());
        let frame = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx));
        let ended = tokio::time::timeout(Duration::from_hours(1), frame).await;
        assert!(ended.is_err());
    });
}

/// A stream in which nothing ever happens.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Status>>> {
        Poll::Pending
    }
}

#[test]
fn no_time_at_all_is_over_at_once() {
    for timeout in ["0n", "0S", "00000000H"] {
        let response = call(
            request(VERIFY).header("grpc-timeout", timeout),
            |_| -> std::future::Ready<Answer> { panic!("it reached the handler") },
        );
        let late = (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned());
        assert_eq!(error(&response), late, "{timeout}");
    }
}

#[test]
fn one_connection_has_only_so_many_calls_that_are_open_to_all() {
    let (rules, peer) = rules_and_peer();
    let layer = ContextLayer::new(Arc::new(rules), peer);
    let mut service = layer.layer(service_fn(never));
    let mut call = |path: &str| service.call(request(path).body(TonicBody::empty()).unwrap());
    let mut open: Vec<_> = (0..MAX_OPEN_CALLS).map(|_| call(WATCH)).collect();
    assert!(open.iter().all(|call| call.refusal.is_none()));
    let refusal = call(WATCH).refusal.unwrap();
    assert_eq!(refusal.code(), Code::ResourceExhausted);
    assert!(call(VERIFY).refusal.is_none());
    open.pop();
    assert!(call(WATCH).refusal.is_none());
}

#[test]
fn a_deadline_that_cannot_be_read_is_refused() {
    for timeout in ["1", "-1S", "soon", "", "123456789S"] {
        let response = call(request(VERIFY).header("grpc-timeout", timeout), well);
        let malformed = (Code::InvalidArgument, "MALFORMED_REQUEST".to_owned());
        assert_eq!(error(&response), malformed, "{timeout}");
    }
}

#[test]
fn a_panic_is_an_internal_error_and_tells_nothing() {
    let at_once = call(request(ADMIN), |_| -> std::future::Ready<Answer> {
        panic!("{CANARY}")
    });
    let later = call(request(ADMIN), |_| async { panic!("{CANARY}") });
    for response in [at_once, later] {
        assert_eq!(error(&response), (Code::Internal, "INTERNAL".to_owned()));
        assert!(!format!("{:?}", response.headers()).contains(CANARY));
        assert!(response.headers().contains_key(CALL_ID));
    }
}

#[test]
fn an_error_that_has_details_is_left_as_it_is() {
    let response = call(request(ADMIN), |_| async {
        Ok(status::plain(Reason::TokenState, "It is revoked.").into_http())
    });
    assert_eq!(
        error(&response),
        (Code::FailedPrecondition, "TOKEN_STATE".to_owned())
    );
    assert_eq!(response.headers()["grpc-message"], "It%20is%20revoked.");
}

#[test]
fn a_method_that_there_is_not_is_unimplemented_with_a_reason() {
    let unknown = (Code::Unimplemented, "UNKNOWN_METHOD".to_owned());
    for path in [
        "/",
        "/tokenauthority.v1.TokenVerify/Forge",
        "/tokenauthority.v1.TokenVerify/Verify/",
        "/x.Y/Z",
    ] {
        assert_eq!(error(&call(request(path), well)), unknown, "{path}");
    }
}

#[test]
fn the_access_log_has_one_line_per_call_and_nothing_that_the_client_wrote() {
    let text = logged(LogFormat::Text, "trace", || {
        let secret = |path: &str| {
            request(path)
                .header("authorization", CANARY)
                .header(CANARY, CANARY)
        };
        drop(call(secret(ADMIN), well));
        drop(call(secret(&format!("/{CANARY}/{CANARY}?{CANARY}")), well));
        drop(call(secret(ADMIN).header("grpc-timeout", CANARY), well));
        drop(call(secret(ADMIN), |_| async {
            Ok(Status::internal(CANARY).into_http())
        }));
    });
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(!text.contains(CANARY), "{text}");
    for field in [
        format!("rpc.method=\"{ADMIN}\"").as_str(),
        "rpc.method=\"unknown\"",
        "rpc.code=Ok",
        "call.id=",
        "duration_us=",
        "peer.address=192.0.2.1",
    ] {
        assert!(text.contains(field), "{field} is not in {text}");
    }
}

#[test]
fn verify_is_not_worth_a_line_unless_it_is_asked_for_or_went_wrong() {
    let verified = || drop(call(request(VERIFY), well));
    assert_eq!(logged(LogFormat::Text, "info", verified), "");
    assert!(logged(LogFormat::Text, "debug", verified).contains("rpc.code=Ok"));
    let fault = logged(LogFormat::Text, "info", || {
        drop(call(request(VERIFY), |_| async {
            Ok(status::internal().into_http())
        }));
    });
    assert!(
        fault.contains("ERROR") && fault.contains("rpc.code=Internal"),
        "{fault}"
    );
}

#[test]
fn a_call_whose_client_goes_away_is_logged_as_cancelled() {
    let text = logged(LogFormat::Text, "info", || {
        let rules = Rules {
            request_deadline: Duration::from_secs(10),
            trusted_proxies: Vec::new(),
        };
        let layer = ContextLayer::new(Arc::new(rules), "192.0.2.1:5000".parse().unwrap());
        let mut service = layer.layer(service_fn(never));
        drop(service.call(request(ADMIN).body(TonicBody::empty()).unwrap()));
    });
    assert!(text.contains("rpc.code=Cancelled"), "{text}");
}
