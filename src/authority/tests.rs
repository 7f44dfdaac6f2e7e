//! The authority over an engine in memory, told as stories.

mod acting;
mod audit;
mod boundaries;
mod bounds;
mod commands;
mod damage;
mod directory;
mod finding;
mod finding_events;
mod importing;
mod keeping;
mod lifecycle;
mod lifetimes;
mod lists;
mod own_tokens;
mod passwords;
mod races;
mod requests;
mod revealing;
mod rights;
mod rotation;
pub(super) mod samples;
mod sessions;
mod stage;
mod staged;
mod watermarks;
