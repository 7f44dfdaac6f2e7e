//! A real server on port 0, real clients, and a double where the authority would be.

mod double;
mod drain;
mod refusals;
mod tls;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use std::sync::Arc;

use tonic::service::Routes;

use super::*;
use crate::proto::v1::token_verify_client::TokenVerifyClient;
use crate::proto::v1::{Verdict, VerifyRequest};
use double::Double;

/// More than any test needs; one that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(20);
const VERIFY: &str = "tokenauthority.v1.TokenVerify";

fn config() -> Config {
    let mut config = Config::load(&Settings::default(), []).unwrap();
    config.workers = 2;
    config.drain_wait = Duration::ZERO;
    config
}

fn port() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A server that has not let calls in.
async fn closed(config: &Config) -> (Shell<Routes>, SocketAddr) {
    let (listener, address) = port();
    (Shell::start(config, listener).await.unwrap(), address)
}

/// A server whose calls go to the double.
async fn open(config: &Config) -> (Shell<Routes>, SocketAddr, Double) {
    let (shell, address) = closed(config).await;
    let double = Double::default();
    shell
        .let_in(|| double.routes(), |routes| routes)
        .await
        .unwrap();
    (shell, address, double)
}

async fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

async fn verifier(address: SocketAddr) -> TokenVerifyClient<Channel> {
    TokenVerifyClient::new(channel(address).await)
}

fn token(token: impl Into<String>) -> VerifyRequest {
    VerifyRequest {
        token: token.into(),
        ..VerifyRequest::default()
    }
}

fn reason(status: &tonic::Status) -> (Code, String) {
    let info = status.get_details_error_info();
    (
        status.code(),
        info.map(|info| info.reason).unwrap_or_default(),
    )
}

async fn health_of(client: &mut HealthClient<Channel>, service: &str) -> ServingStatus {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    client.check(request).await.unwrap().into_inner().status()
}

#[tokio::test]
async fn until_calls_are_let_in_the_process_is_alive_and_nothing_is_ready() {
    let (shell, address) = closed(&config()).await;
    let mut health = HealthClient::new(channel(address).await);
    assert_eq!(health_of(&mut health, "").await, ServingStatus::Serving);
    let readiness = [
        VERIFY,
        "tokenauthority.v1.TokenAdmin",
        "tokenauthority.v1.Directory",
    ];
    for name in readiness {
        assert_eq!(
            health_of(&mut health, name).await,
            ServingStatus::NotServing,
            "{name}"
        );
    }
    let refused = verifier(address)
        .await
        .verify(token("x"))
        .await
        .unwrap_err();
    assert_eq!(
        reason(&refused),
        (Code::Unavailable, "NOT_READY".to_owned())
    );
    assert!(refused.get_details_retry_info().is_some());

    let double = Double::default();
    shell
        .let_in(|| double.routes(), |routes| routes)
        .await
        .unwrap();
    assert_eq!(health_of(&mut health, VERIFY).await, ServingStatus::Serving);
    assert_eq!(
        health_of(&mut health, readiness[1]).await,
        ServingStatus::NotServing
    );
    shell.health().admin_ready().await;
    for name in readiness {
        assert_eq!(
            health_of(&mut health, name).await,
            ServingStatus::Serving,
            "{name}"
        );
    }
    let answer = verifier(address).await.verify(token("x")).await.unwrap();
    assert_eq!(answer.get_ref().verdict(), Verdict::Malformed);
    assert!(answer.metadata().contains_key("ta-call-id"));
}

#[tokio::test]
async fn a_health_check_of_an_unknown_name_is_not_found_with_a_reason() {
    let (_shell, address, _) = open(&config()).await;
    let request = HealthCheckRequest {
        service: "nobody".to_owned(),
    };
    let refused = HealthClient::new(channel(address).await)
        .check(request)
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), (Code::NotFound, "NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn every_worker_serves() {
    let (_shell, address, double) = open(&config()).await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = verifier(address).await;
        client.verify(token("x")).await.unwrap();
        clients.push(client);
    }
    assert_eq!(double.threads().len(), 2);
}

#[tokio::test]
async fn the_whole_server_starts_serves_and_stops_when_it_is_asked_to() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config();
    config.data_dir = directory.path().join("data");
    let (listener, address) = port();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(run(config, listener, async {
        let _ = stopped.await;
    }));
    let mut health = HealthClient::new(channel(address).await);
    let request = HealthCheckRequest {
        service: "tokenauthority.v1.TokenAdmin".to_owned(),
    };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    while watch.message().await.unwrap().unwrap().status() != ServingStatus::Serving {}
    assert_eq!(health_of(&mut health, VERIFY).await, ServingStatus::Serving);
    drop(stop);
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    tokio::time::timeout(PATIENCE, server)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
