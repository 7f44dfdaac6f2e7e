//! What is open to all: health and the schema, and nothing else.

use prost::Message as _;
use prost_types::FileDescriptorProto;
use token_authority::proto::v1::ErrorReason;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use crate::refusal::reason_of;
use crate::schema;
use crate::world::World;

#[tokio::test]
async fn health_answers_for_every_service_without_a_credential() {
    let world = World::new().await;
    let mut health = HealthClient::new(world.server.channel());
    for service in [
        "",
        "tokenauthority.v1.TokenVerify",
        "tokenauthority.v1.TokenAdmin",
    ] {
        let service = service.to_owned();
        let answer = health.check(HealthCheckRequest { service }).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
    }
    let service = "no.such.Service".to_owned();
    let status = health
        .check(HealthCheckRequest { service })
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn reflection_tells_the_schema_with_that_of_error_details_and_nothing_else() {
    let world = World::new().await;
    let MessageResponse::ListServicesResponse(listed) =
        reflect(&world, MessageRequest::ListServices(String::new()))
            .await
            .unwrap()
    else {
        panic!("a list");
    };
    let services: Vec<String> = listed
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    for method in schema::methods() {
        let service = method.parent_service().full_name().to_owned();
        assert!(services.contains(&service), "{service}: {services:?}");
    }
    for symbol in [
        "tokenauthority.v1.TokenVerify.Verify",
        "google.rpc.ErrorInfo",
        "google.rpc.BadRequest",
    ] {
        let answer = reflect(&world, MessageRequest::FileContainingSymbol(symbol.into())).await;
        let Ok(MessageResponse::FileDescriptorResponse(files)) = answer else {
            panic!("{symbol}: {answer:?}");
        };
        let file = FileDescriptorProto::decode(&files.file_descriptor_proto[0][..]).unwrap();
        assert!(!file.name().is_empty());
        assert!(
            !file.package().contains("store"),
            "what is stored is nobody's business"
        );
    }
    let stored = MessageRequest::FileContainingSymbol("tokenauthority.store.v1.TokenRecord".into());
    assert!(!matches!(
        reflect(&world, stored).await,
        Ok(MessageResponse::FileDescriptorResponse(_))
    ));
}

#[tokio::test]
async fn reflection_that_is_switched_off_is_not_there_and_all_else_is() {
    let world = World::with(&["--reflection=false"]).await;
    let status = reflect(&world, MessageRequest::ListServices(String::new()))
        .await
        .unwrap_err();
    assert_eq!(reason_of(&status), ErrorReason::UnknownMethod);
    let mut health = HealthClient::new(world.server.channel());
    health.check(HealthCheckRequest::default()).await.unwrap();
}

async fn reflect(world: &World, ask: MessageRequest) -> Result<MessageResponse, tonic::Status> {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(ask),
    };
    let mut client = ServerReflectionClient::new(world.server.channel());
    let requests = tokio_stream::once(request);
    let mut answers = client.server_reflection_info(requests).await?.into_inner();
    let answer: Option<ServerReflectionResponse> = answers.message().await?;
    Ok(answer
        .and_then(|answer| answer.message_response)
        .expect("an answer"))
}
