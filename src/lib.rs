//! token-authority

pub mod authority;
pub mod cli;
pub mod clock;
pub mod config;
pub mod grpc;
pub mod proto;
pub mod serve;
pub mod store;
pub mod telemetry;
