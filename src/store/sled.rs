//! The embedded engine, on sled.
