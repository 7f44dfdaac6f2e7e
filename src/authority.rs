//! The authority decides.

pub mod cidr;
pub mod error;
pub mod moment;
pub mod name;
pub mod permission;
pub mod secret;
