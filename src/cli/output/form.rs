//! What of an answer is written, and how.

use clap::{Args, ValueEnum};

/// What standard output is written for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// People: tables, with times as they are from now
    #[default]
    Table,
    /// People: tables with more columns, and times to the second
    Wide,
    /// Scripts: the API's response message as canonical protobuf JSON
    Json,
    /// Scripts: the same as YAML
    Yaml,
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

/// Whether colours are used.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Colour {
    /// On a terminal that shows them, unless `NO_COLOR` is set; anywhere if `CLICOLOR_FORCE` is
    #[default]
    Auto,
    /// Anywhere
    Always,
    /// Nowhere
    Never,
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
    /// Whether colours are used [default: auto]
    #[arg(long, value_enum, value_name = "WHEN")]
    color: Option<Colour>,
}

// === impl Format ===

impl Format {
    /// Whether it is the API's own message that is written, with all that there is to tell.
    pub(in crate::cli) fn is_message(self) -> bool {
        match self {
            Format::Json | Format::Yaml => true,
            Format::Table | Format::Wide | Format::Name => false,
        }
    }
}

// === impl Form ===

impl Form {
    /// Whether it is the API's own message that is written, with all that there is to tell.
    pub(in crate::cli) fn is_message(&self) -> bool {
        matches!(self, Form::Whole(format) if format.is_message())
    }

    /// Whether it is written for people.
    pub(in crate::cli) fn is_table(&self) -> bool {
        matches!(self, Form::Whole(Format::Table | Format::Wide))
    }
}

// === impl FormOptions ===

impl FormOptions {
    /// These, and where nothing is said, `outer`.
    pub(in crate::cli) fn or(self, outer: Self) -> Self {
        let color = self.color.or(outer.color);
        let said = if self.output.is_some() || self.field.is_some() {
            self
        } else {
            outer
        };
        Self { color, ..said }
    }

    pub(in crate::cli) fn colour(&self) -> Colour {
        self.color.unwrap_or_default()
    }

    pub(in crate::cli) fn form(&self) -> Form {
        match &self.field {
            Some(field) => Form::Field(field.clone()),
            None => Form::Whole(self.output.unwrap_or_default()),
        }
    }
}
