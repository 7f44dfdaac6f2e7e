//! What must hold of the sources themselves. Each rule is a function from a text to its faults, tried on the sources, where
//! it must find none, and on a bad sample, where it must find some: a rule that can't fail is none.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what must hold by panicking"
)]

mod layers;
mod panics;
mod protos;
mod reasons;
mod rules;
mod shape;
mod sources;
mod words;

/// Fails with every fault, one a line.
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
