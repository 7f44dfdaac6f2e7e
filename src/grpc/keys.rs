//! `Keys`.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{asked, asked_to_change, convert, now};
use crate::authority::key_versions::{RetireKey, RotateKey};
use crate::authority::{Authority, Caller};
use crate::clock::Clock;
use crate::proto::v1;
use crate::proto::v1::keys_server::Keys;

/// The service.
pub(super) struct KeysApi {
    authority: Arc<Authority>,
    clock: Arc<Clock>,
}

// === impl KeysApi ===

impl KeysApi {
    pub(super) fn new(authority: Arc<Authority>, clock: Arc<Clock>) -> KeysApi {
        KeysApi { authority, clock }
    }
}

#[tonic::async_trait]
impl Keys for KeysApi {
    async fn get_key_status(
        &self,
        request: Request<v1::GetKeyStatusRequest>,
    ) -> Result<Response<v1::GetKeyStatusResponse>, Status> {
        let (caller, v1::GetKeyStatusRequest {}) = asked(request)?;
        caller.demand_operator("see the keys")?;
        let status = self.authority.key_status().await?;
        Ok(Response::new(v1::GetKeyStatusResponse {
            keys: status.into_iter().map(convert::key_version).collect(),
            root_key_source: convert::root_source(self.authority.root_source()).into(),
        }))
    }

    async fn rotate_key(
        &self,
        request: Request<v1::RotateKeyRequest>,
    ) -> Result<Response<v1::RotateKeyResponse>, Status> {
        let (call, _, ()) = asked_to_change(request, |caller: &Caller, _| {
            caller.demand_operator("rotate keys")
        })?;
        let now = now(&self.clock);
        let done = self.authority.perform(&call, &RotateKey, now).await?;
        Ok(Response::new(v1::RotateKeyResponse {
            // A version is never gone: also a repeat finds it.
            version: done.answer.map_or(0, |key| key.value.version),
        }))
    }

    async fn retire_key(
        &self,
        request: Request<v1::RetireKeyRequest>,
    ) -> Result<Response<v1::RetireKeyResponse>, Status> {
        let (call, message, ()) = asked_to_change(request, |caller: &Caller, _| {
            caller.demand_operator("retire keys")
        })?;
        let v1::RetireKeyRequest {
            version,
            force,
            request_id: _,
        } = message;
        let now = now(&self.clock);
        let command = RetireKey { version, force };
        let done = self.authority.perform(&call, &command, now).await?;
        Ok(Response::new(v1::RetireKeyResponse {
            warnings: done.warnings,
        }))
    }
}
