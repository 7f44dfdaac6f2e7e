//! token-authority
pub mod grpc;
pub mod proto;
pub mod store;
