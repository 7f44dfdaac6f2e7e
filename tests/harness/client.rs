//! Clients typed by service, each with its credential.

use std::time::Duration;

use token_authority::proto::v1::{
    directory_client::DirectoryClient, keys_client::KeysClient,
    token_admin_client::TokenAdminClient, token_verify_client::TokenVerifyClient,
};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::{Interceptor, interceptor::InterceptedService};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// How long a call may take before it counts as hung: far above what any call takes on a loaded machine.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);
/// Largest answer that a client takes, bytes: a full page of the largest records.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// What a client is made of: a connection, and a credential with every call.
pub(crate) type Client = InterceptedService<Channel, Bearer>;

/// Puts one credential into every call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

/// The clients of one connection and one credential.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) admin: TokenAdminClient<Client>,
    pub(crate) directory: DirectoryClient<Client>,
    pub(crate) verify: TokenVerifyClient<Client>,
    pub(crate) keys: KeysClient<Client>,
}

// === impl Bearer ===

impl Bearer {
    pub(crate) fn new(secret: &str) -> Bearer {
        let mut value: MetadataValue<Ascii> = format!("Bearer {secret}")
            .parse()
            .expect("a secret is plain ASCII");
        value.set_sensitive(true);
        Bearer(value)
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

// === impl Clients ===

impl Clients {
    /// Clients that share `channel`.
    pub(crate) fn new(channel: Channel, secret: &str) -> Clients {
        let client = InterceptedService::new(channel, Bearer::new(secret));
        Clients {
            admin: TokenAdminClient::new(client.clone())
                .max_decoding_message_size(MAX_ANSWER_BYTES),
            directory: DirectoryClient::new(client.clone())
                .max_decoding_message_size(MAX_ANSWER_BYTES),
            keys: KeysClient::new(client.clone()),
            verify: TokenVerifyClient::new(client).max_decoding_message_size(MAX_ANSWER_BYTES),
        }
    }
}

/// A connection of its own, made at the first call.
pub(super) fn channel(address: std::net::SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .expect("an address makes a URL")
        .timeout(CALL_TIMEOUT)
        .tcp_nodelay(true)
        .connect_lazy()
}
