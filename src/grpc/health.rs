//! Health, as gRPC's own protocol has it.
//!
//! The empty name is liveness: it serves once the port listens, whatever the store does. The services' names are readiness.
//! Every name is there from the first moment, since an unknown one is an error to a probe.

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthApi, HealthServer};
use tonic_health::server::{HealthReporter, HealthService};

use super::context::MAX_VERIFY_BYTES;

/// The name that stands for the process itself.
const PROCESS: &str = "";
/// Ready once verdicts are right: what is not loaded yet is asked of the store.
const VERIFY: &str = "tokenauthority.v1.TokenVerify";
/// Ready once lists are whole.
const ADMIN: [&str; 3] = [
    "tokenauthority.v1.TokenAdmin",
    "tokenauthority.v1.Directory",
    "tokenauthority.v1.Keys",
];

/// What probes are told.
#[derive(Debug, Clone)]
pub struct Health(HealthReporter);

// === impl Health ===

impl Health {
    /// Nothing serves yet.
    pub async fn starting() -> Health {
        let health = Health(HealthReporter::new());
        health.set(PROCESS, ServingStatus::NotServing).await;
        health.not_ready().await;
        health
    }

    /// The port listens.
    pub async fn alive(&self) {
        self.set(PROCESS, ServingStatus::Serving).await;
    }

    /// Verdicts are right.
    pub async fn verify_ready(&self) {
        self.set(VERIFY, ServingStatus::Serving).await;
    }

    /// Lists are whole.
    pub async fn admin_ready(&self) {
        for name in ADMIN {
            self.set(name, ServingStatus::Serving).await;
        }
    }

    /// No more calls, please; the process itself is well.
    pub async fn not_ready(&self) {
        self.set(VERIFY, ServingStatus::NotServing).await;
        for name in ADMIN {
            self.set(name, ServingStatus::NotServing).await;
        }
    }

    /// Ends every watch, so that none outlasts the calls that a stop waits for.
    pub async fn end_watches(&mut self) {
        for name in [PROCESS, VERIFY].into_iter().chain(ADMIN) {
            self.0.clear_service_status(name).await;
        }
    }

    /// The gRPC service.
    #[must_use]
    pub fn server(&self) -> HealthServer<impl HealthApi> {
        HealthServer::new(HealthService::from_health_reporter(self.0.clone()))
            .max_decoding_message_size(MAX_VERIFY_BYTES)
    }

    async fn set(&self, name: &str, status: ServingStatus) {
        self.0.set_service_status(name, status).await;
    }
}
