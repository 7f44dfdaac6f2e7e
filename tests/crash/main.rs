//! What is left after a crash, a power loss, a failing disk, a stop: real server processes, ended in every way, started again
//! on what they left behind.
//!
//! A [`load::Load`] makes and revokes tokens and writes a [`journal::Journal`] of what was acknowledged; after the restart
//! [`check::compare`] says how the server and the journal differ.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what must hold by panicking"
)]

mod check;
mod directory;
mod journal;
mod keys;
mod kill;
mod load;
mod power;
mod refuse;
mod snapshot;
mod stop;

#[path = "../harness/mod.rs"]
mod harness;

/// Prints figures even when the test passes.
fn report(figures: &str) {
    use std::io::Write as _;
    let mut out = std::io::stderr();
    writeln!(out, "{figures}").expect("standard error takes a line");
}
