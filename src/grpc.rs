//! gRPC: speaks.
pub mod codec;
