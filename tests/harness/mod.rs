//! A real server process and typed clients of it, for every suite that needs one.
//!
//! Included with `#[path]`, so that each suite is one binary. Nothing here judges: a suite asserts.

#![allow(dead_code, unused_imports, reason = "each suite uses its own part")]

mod client;
mod footprint;
pub(crate) mod frames;
mod library;
mod process;

pub(crate) use client::{Client, Clients};
pub(crate) use footprint::{connections, cpu_seconds, descriptors, resident_bytes, sockets};
pub(crate) use library::{LIBRARY, PERMISSION, USER, furnish};
pub(crate) use process::Server;
