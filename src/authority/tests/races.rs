//! What happens between the planning of a command and its commit.
