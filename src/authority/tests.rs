//! The authority over an engine in memory, told as stories.

pub(super) mod samples;
