//! The API as its users meet it: a real server process, real clients, the real command line.
//!
//! Each test is named for what it guarantees. [`world::World`] is a server with what a test needs in it, [`refusal`] checks
//! every error that any test meets against the documented list, [`schema`] and [`wire`] call whatever the descriptors name.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what must hold by panicking"
)]

mod addresses;
mod attacks;
mod boundaries;
mod callers;
mod canary;
mod cli;
mod configuration;
mod conveyance;
mod directory;
mod disk;
mod ending;
mod finding;
mod guides;
mod host;
mod importing;
mod inputs;
mod keys;
mod lifecycle;
mod listeners;
mod open;
mod pages;
mod policy;
mod reasons;
mod refusal;
mod revealing;
mod rows;
mod schema;
mod search;
mod sessions;
mod story;
mod time;
mod tls;
mod token;
mod uses;
mod verifier;
mod watching;
mod whoami;
mod wire;
mod world;

#[path = "../harness/mod.rs"]
mod harness;

/// Prints figures even when the test passes.
fn report(figures: &str) {
    use std::io::Write as _;
    let mut out = std::io::stderr();
    writeln!(out, "{figures}").expect("standard error takes a line");
}
