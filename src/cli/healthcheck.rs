//! `healthcheck`: does it serve? For probes that run a command; it needs no credential.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::Exit;
use super::connect::Session;
use super::failure::Failure;
use super::output::{Output, Shown};

/// Longest time for all of it, unless told otherwise: a probe that hangs says nothing.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// What stands below its help.
pub(super) const EXAMPLES: &str = "\
It exits with 0 if that serves, 1 if it does not or there is none such, 4 if nobody answers in time (3s unless
--timeout says otherwise). No credential is sent, so that it asks in plaintext wherever --server says http://.

Examples: is the process alive; are verdicts right, at a server that wants to see a certificate
  token-authority healthcheck --timeout 1s
  token-authority healthcheck --service tokenauthority.v1.TokenVerify \\
    --server https://localhost:50051 --ca-file ca.pem \\
    --client-cert-file probe.pem --client-key-file probe.key";

/// Whom to ask after.
#[derive(Debug, clap::Args)]
pub struct Healthcheck {
    /// The service: tokenauthority.v1.TokenVerify and the like are ready or not [default: the process, which is alive or not]
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    service: String,
}

// === impl Healthcheck ===

impl Healthcheck {
    pub(super) async fn run(
        self,
        session: &Session,
        output: &mut Output<'_>,
    ) -> Result<Exit, Failure> {
        let request = HealthCheckRequest {
            service: self.service,
        };
        let mut health = session.health();
        // Asked once: it is the probe that asks again.
        let asked = tokio::time::timeout(session.timeout, health.check(request)).await;
        let late = |_| Err(Status::deadline_exceeded("no answer in time"));
        let response = match asked.unwrap_or_else(late) {
            Ok(response) => response.into_inner(),
            Err(status) if status.code() == Code::NotFound => HealthCheckResponse {
                status: ServingStatus::ServiceUnknown.into(),
            },
            Err(status) => return Err(Failure::Call(Box::new(status))),
        };
        output.one(&response, Some(&response))?;
        Ok(exit(response.status()))
    }
}

impl Shown for HealthCheckResponse {
    const COLUMNS: &'static [&'static str] = &["status"];
    const NAMED_BY: &'static str = "status";

    fn fields(&self) -> Vec<(&'static str, String)> {
        let status = match self.status() {
            ServingStatus::Serving => "serving",
            ServingStatus::NotServing => "not-serving",
            ServingStatus::ServiceUnknown => "service-unknown",
            ServingStatus::Unknown => "unknown",
        };
        vec![("status", status.to_owned())]
    }
}

/// Only SERVING is a yes.
fn exit(status: ServingStatus) -> Exit {
    if status == ServingStatus::Serving {
        Exit::Success
    } else {
        Exit::Failed
    }
}
