//! The authority over an engine in memory, told as stories.

mod directory;
mod keeping;
mod lifecycle;
mod lists;
mod races;
mod requests;
mod rights;
pub(super) mod samples;
mod stage;
