//! The authority over an engine in memory, told as stories.

mod lifecycle;
mod races;
mod requests;
pub(super) mod samples;
mod stage;
