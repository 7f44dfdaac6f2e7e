//! Repeats of a request.
