//! The methods that there are, as the descriptors tell.
//!
//! Only a name found here is ever logged: what a client calls may hold anything, a token too.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// The path of the call that every backend makes for every request.
const VERIFY: &str = "/tokenauthority.v1.TokenVerify/Verify";
/// The service that verifies, before the method's name.
pub const VERIFY_SERVICE: &str = "/tokenauthority.v1.TokenVerify/";
/// What the paths of gRPC's own services begin with.
pub const INFRASTRUCTURE: &str = "/grpc.";

/// One method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// Its path, such as `/tokenauthority.v1.TokenVerify/Verify`.
    pub path: &'static str,
    /// Whether either side streams: such a call lasts as long as both like.
    pub streaming: bool,
    /// How it is logged and limited.
    pub kind: Kind,
}

/// What a method is, to the layer around all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Verify itself: small requests, one for each that any backend gets.
    Verify,
    /// As frequent as Verify: batches.
    Quiet,
    /// Health and reflection, which need no credential: small requests, little worth a log line.
    Open,
    /// What people and their tools do.
    Admin,
}

static METHODS: LazyLock<HashMap<&'static str, Method>> = LazyLock::new(|| {
    [
        crate::proto::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ]
    .into_iter()
    .flat_map(methods)
    .map(|method| (method.path, method))
    .collect()
});

// === impl Method ===

impl Method {
    /// The method with this path.
    #[must_use]
    pub fn at(path: &str) -> Option<Method> {
        METHODS.get(path).copied()
    }
}

// === impl Kind ===

impl Kind {
    fn of(path: &str) -> Kind {
        if path == VERIFY {
            Kind::Verify
        } else if path.starts_with(VERIFY_SERVICE) {
            Kind::Quiet
        } else if path.starts_with(INFRASTRUCTURE) {
            Kind::Open
        } else {
            Kind::Admin
        }
    }
}

/// The methods of a descriptor set that is part of this program.
fn methods(descriptors: &[u8]) -> Vec<Method> {
    let set = FileDescriptorSet::decode(descriptors).unwrap_or_default();
    let mut methods = Vec::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                // Made once and needed as long as the process lives.
                let path: &'static str =
                    format!("/{}.{}/{}", file.package(), service.name(), method.name()).leak();
                methods.push(Method {
                    path,
                    streaming: method.client_streaming() || method.server_streaming(),
                    kind: Kind::of(path),
                });
            }
        }
    }
    methods
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_that_is_served_is_known() {
        let streaming = |path: &str| Method::at(path).map(|method| (method.kind, method.streaming));
        assert_eq!(streaming(VERIFY), Some((Kind::Verify, false)));
        assert_eq!(
            streaming("/tokenauthority.v1.TokenVerify/VerifyBatch"),
            Some((Kind::Quiet, false))
        );
        assert_eq!(
            streaming("/tokenauthority.v1.TokenAdmin/CreateToken"),
            Some((Kind::Admin, false))
        );
        assert_eq!(
            streaming("/tokenauthority.v1.Directory/ListUsers"),
            Some((Kind::Admin, false))
        );
        assert_eq!(
            streaming("/grpc.health.v1.Health/Check"),
            Some((Kind::Open, false))
        );
        assert_eq!(
            streaming("/grpc.health.v1.Health/Watch"),
            Some((Kind::Open, true))
        );
        for version in ["v1", "v1alpha"] {
            let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
            assert_eq!(streaming(&path), Some((Kind::Open, true)));
        }
        assert_eq!(streaming("/tokenauthority.v1.TokenVerify/Forge"), None);
    }
}
