//! What is served: the four services of the API.

use std::sync::Arc;

use tonic::service::Routes;

use super::admin::Admin;
use super::directory::DirectoryApi;
use super::keys::KeysApi;
use super::verify::Verifier;
use crate::authority::Authority;
use crate::clock::Clock;
use crate::proto::v1::directory_server::DirectoryServer;
use crate::proto::v1::keys_server::KeysServer;
use crate::proto::v1::token_admin_server::TokenAdminServer;
use crate::proto::v1::token_verify_server::TokenVerifyServer;

/// The services, each reading messages of at most so many bytes.
#[must_use]
pub fn routes(authority: &Arc<Authority>, clock: &Arc<Clock>, max_request_bytes: usize) -> Routes {
    let admin = Admin::new(authority.clone(), clock.clone());
    let directory = DirectoryApi::new(authority.clone(), clock.clone());
    let keys = KeysApi::new(authority.clone(), clock.clone());
    let verifier = Verifier::new(authority.clone(), clock.clone());
    Routes::new(TokenVerifyServer::new(verifier).max_decoding_message_size(max_request_bytes))
        .add_service(TokenAdminServer::new(admin).max_decoding_message_size(max_request_bytes))
        .add_service(DirectoryServer::new(directory).max_decoding_message_size(max_request_bytes))
        .add_service(KeysServer::new(keys).max_decoding_message_size(max_request_bytes))
}
