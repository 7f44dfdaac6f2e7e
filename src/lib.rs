//! token-authority
pub mod authority;
pub mod grpc;
pub mod proto;
pub mod store;
