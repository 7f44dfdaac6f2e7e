//! gRPC: speaks.
pub mod codec;
pub mod context;
pub mod health;
pub mod method;
pub mod reflection;
pub mod routes;
pub mod status;
