//! How connections and the server end.

use http::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::body::Body;

use super::*;

/// A connection without the reconnecting that channels do.
async fn connect(
    address: SocketAddr,
) -> (
    http2::SendRequest<Body>,
    http2::Connection<TokioIo<TcpStream>, Body, TokioExecutor>,
) {
    let socket = TcpStream::connect(address).await.unwrap();
    http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
        .await
        .unwrap()
}

/// A Verify of the token `wait`, as it is sent.
fn waiting() -> Request<Body> {
    let message = b"\0\0\0\0\x06\x0a\x04wait";
    super::refusals::request("/tokenauthority.v1.TokenVerify/Verify", message)
}

#[tokio::test]
async fn a_call_under_way_ends_well_when_the_server_stops_and_no_new_one_comes_in() {
    let (shell, address, double) = open(&config()).await;
    let mut client = verifier(address).await;
    let call = tokio::spawn(async move { client.verify(token("wait")).await });
    double.entered().await;

    let mut stop = Box::pin(shell.stop(Duration::ZERO, PATIENCE, || ()));
    // The stop goes on until the port is closed, and then waits for the call.
    loop {
        tokio::select! {
            () = &mut stop => panic!("it did not wait for the call"),
            refused = TcpStream::connect(address) => if refused.is_err() { break },
        }
    }
    assert!(!call.is_finished());
    double.release();
    timeout(PATIENCE, stop).await.unwrap();
    assert_eq!(
        call.await.unwrap().unwrap().get_ref().verdict(),
        Verdict::Malformed
    );
}

#[tokio::test]
async fn a_call_that_never_ends_does_not_keep_the_server_from_stopping() {
    let (shell, address, double) = open(&config()).await;
    let mut client = verifier(address).await;
    let call = tokio::spawn(async move { client.verify(token("wait")).await });
    double.entered().await;
    timeout(
        PATIENCE,
        shell.stop(Duration::ZERO, Duration::from_millis(100), || ()),
    )
    .await
    .unwrap();
    assert!(call.await.unwrap().is_err());
}

#[tokio::test]
async fn idle_and_silent_connections_and_watches_do_not_hold_up_a_stop() {
    let (shell, address, _) = open(&config()).await;
    let _silent = TcpStream::connect(address).await.unwrap();
    let mut client = verifier(address).await;
    client.verify(token("x")).await.unwrap();
    let mut health = HealthClient::new(channel(address).await);
    let mut watch = health
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(watch.message().await.unwrap().is_some());
    let started = tokio::time::Instant::now();
    timeout(PATIENCE, shell.stop(Duration::ZERO, PATIENCE, || ()))
        .await
        .unwrap();
    assert!(started.elapsed() < PATIENCE / 4);
    assert!(watch.message().await.unwrap().is_none());
}

#[tokio::test]
async fn readiness_is_taken_back_before_the_port_closes() {
    let (shell, address, _) = open(&config()).await;
    let mut health = HealthClient::new(channel(address).await);
    let mut stop = Box::pin(shell.stop(PATIENCE, PATIENCE, || ()));
    loop {
        tokio::select! {
            () = &mut stop => panic!("it did not wait"),
            status = health_of(&mut health, VERIFY) => if status == ServingStatus::NotServing { break },
        }
    }
    assert_eq!(health_of(&mut health, "").await, ServingStatus::Serving);
    assert!(TcpStream::connect(address).await.is_ok());
}

#[tokio::test]
async fn an_old_connection_is_asked_to_go_and_its_call_ends_well() {
    let mut config = config();
    config.max_connection_age = Duration::from_millis(50);
    config.max_connection_age_grace = PATIENCE;
    let (_shell, address, double) = open(&config).await;
    let (mut sender, connection) = connect(address).await;
    let connection = tokio::spawn(connection);
    let call = tokio::spawn(sender.send_request(waiting()));
    double.entered().await;
    tokio::time::sleep(config.max_connection_age * 2).await;
    double.release();
    let response = call.await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    drop(response);
    // The client would go on; it is the server that ended it.
    timeout(PATIENCE, connection)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(sender.ready().await.is_err());
}

#[tokio::test]
async fn an_old_connection_is_closed_when_its_grace_is_over() {
    let mut config = config();
    config.max_connection_age = Duration::from_millis(50);
    config.max_connection_age_grace = Duration::from_millis(50);
    let (_shell, address, double) = open(&config).await;
    let (mut sender, connection) = connect(address).await;
    let connection = tokio::spawn(connection);
    let call = tokio::spawn(sender.send_request(waiting()));
    double.entered().await;
    assert!(timeout(PATIENCE, call).await.unwrap().unwrap().is_err());
    let _ = timeout(PATIENCE, connection).await.unwrap();
}

#[tokio::test]
async fn one_connection_more_than_the_cap_waits_until_another_ends() {
    let mut config = config();
    config.max_connections = 1;
    let (_shell, address, _) = open(&config).await;
    let mut first = verifier(address).await;
    first.verify(token("x")).await.unwrap();

    let mut second = TcpStream::connect(address).await.unwrap();
    second
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    let mut byte = [0];
    let early = timeout(Duration::from_millis(200), second.read(&mut byte)).await;
    assert!(early.is_err(), "it was served beyond the cap");
    first.verify(token("x")).await.unwrap();
    drop(first);
    assert_eq!(
        timeout(PATIENCE, second.read(&mut byte))
            .await
            .unwrap()
            .unwrap(),
        1
    );
}
