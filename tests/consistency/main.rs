//! What a change that was answered is worth while everything else goes on: real server processes, many clients at once.
//!
//! [`changes`] changes what verdicts depend on under the eyes of clients that verify; [`warmup`] does so while a server that
//! was killed loads its tokens; [`callers`] takes the rights of administrators away in the middle of their work. Clients write
//! down what they saw, and pure functions judge it afterwards: [`history`] the answers to Verify, [`audit`] the commits. Their
//! own tests feed them with what must not happen.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what must hold by panicking"
)]

mod audit;
mod callers;
mod changes;
mod check;
mod history;
mod journal;
mod model;
mod staff;
mod warmup;
mod world;

#[path = "../harness/mod.rs"]
mod harness;

/// Held by each test that loads the machine: beside another one it would measure that one.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Prints figures even when the test passes.
fn report(figures: &str) {
    use std::io::Write as _;
    let mut out = std::io::stderr();
    writeln!(out, "{figures}").expect("standard error takes a line");
}

/// The number of a revision: the last part of its text.
fn number(revision: &str) -> u64 {
    let (_, number) = revision
        .rsplit_once('-')
        .expect("a revision of three parts");
    number.parse().expect("a revision ends in a number")
}

/// Numbers that look random, the same in every run.
#[derive(Debug, Clone)]
struct Dice(u64);

// === impl Dice ===

impl Dice {
    fn new(seed: usize) -> Dice {
        Dice(0x9E37_79B9_7F4A_7C15 ^ (seed as u64 + 1))
    }

    /// One of `0..sides`.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }
}
