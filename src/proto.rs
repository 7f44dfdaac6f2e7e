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
