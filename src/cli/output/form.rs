//! What of an answer is written, and how.

use clap::{Args, ValueEnum};

/// What standard output is written for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// People: tables
    #[default]
    Table,
    /// Scripts: the API's response message as canonical protobuf JSON
    Json,
    /// Scripts: the ids of tokens, the names of all else, a line each
    Name,
}

/// What of an answer is written, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Form {
    /// All of it.
    Whole(Format),
    /// One field alone, a line for each thing.
    Field(String),
}

/// How people say it.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct FormOptions {
    /// What standard output is written for [default: table]
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Format>,
    /// Write one field alone, named as it is shown, a line for each thing
    #[arg(long, value_name = "NAME", conflicts_with = "output")]
    field: Option<String>,
}

// === impl FormOptions ===

impl FormOptions {
    /// These, and where nothing is said, `outer`.
    pub(in crate::cli) fn or(self, outer: Self) -> Self {
        if self.output.is_some() || self.field.is_some() {
            self
        } else {
            outer
        }
    }

    pub(in crate::cli) fn form(&self) -> Form {
        match &self.field {
            Some(field) => Form::Field(field.clone()),
            None => Form::Whole(self.output.unwrap_or_default()),
        }
    }
}
