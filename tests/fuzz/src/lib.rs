//! What the fuzz targets share: an authority on the store in memory that is the same in every process, and calls to it.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod calls;
pub mod stage;
pub mod wire;
