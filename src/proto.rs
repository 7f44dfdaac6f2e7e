//! The generated protobuf code: `v1` is the public API, `store` what is written to disk.

/// The public API, package `tokenauthority.v1`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("tokenauthority.v1");
}

/// The stored records, package `tokenauthority.store.v1`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod store {
    include!(concat!(env!("OUT_DIR"), "/tokenauthority.store.v1.rs"));
}

/// The descriptors of the API and of `google.rpc`, for reflection and for JSON.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/api.bin"));

/// A request that changes something, and can be repeated safely under its `request_id`.
pub trait Change: prost::Message + Clone {
    /// The id; empty for none.
    fn request_id(&self) -> &str;

    /// Where the id stands.
    fn request_id_mut(&mut self) -> &mut String;
}

macro_rules! changes {
    ($($request:ident)*) => {
        $(impl Change for v1::$request {
            fn request_id(&self) -> &str {
                &self.request_id
            }

            fn request_id_mut(&mut self) -> &mut String {
                &mut self.request_id
            }
        })*
    };
}

changes! {
    CreateLibraryRequest UpdateLibraryRequest DeleteLibraryRequest
    CreateUserTypeRequest UpdateUserTypeRequest DeleteUserTypeRequest
    CreateUserRequest UpdateUserRequest DeleteUserRequest
    CreateTokenRequest UpdateTokenRequest ExtendTokenRequest RotateTokenRequest
    SuspendTokenRequest ResumeTokenRequest RevokeTokenRequest RevokeTokensRequest RevealTokenRequest
    RotateKeyRequest RetireKeyRequest
    ApplyPolicyRequest ImportTokensRequest OpenSessionRequest SetPasswordRequest
}
