//! The table as command-line flags.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};

use super::{SETTINGS, Setting};

/// What stands below the help of `serve`: limits that nobody has to turn.
pub const LIMITS: &str = "\
Limits that are no settings:
  64 KiB   a request of Verify, of health and of reflection; of all others 4 MiB
  16 KiB   the headers of a request
  64       calls of health and of reflection at once on one connection
  20       calls that a client resets before the server has looked at them
  1,000    frames beside calls (PING, SETTINGS, WINDOW_UPDATE, RST_STREAM, ...) at once
           on one connection, 100 more in each second, and more with each answer
A connection that goes beyond the last two, or floods in another way, is closed with
GOAWAY ENHANCE_YOUR_CALM.";

/// The flags that were given, before they are read.
#[derive(Debug, Default, Clone)]
pub struct Settings {
    values: Vec<(&'static str, String)>,
    file: Option<PathBuf>,
}

// === impl Settings ===

impl Settings {
    /// What a configuration file alone says.
    #[must_use]
    pub fn of_file(file: &Path) -> Settings {
        Settings {
            values: Vec::new(),
            file: Some(file.to_owned()),
        }
    }

    /// The configuration file that `--config` names.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    pub(super) fn values(&self) -> &[(&'static str, String)] {
        &self.values
    }
}

impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("A TOML file with any of these settings [env: TOKEN_AUTHORITY_CONFIG]");
        let command = command.arg(config).after_help(LIMITS);
        SETTINGS
            .iter()
            .fold(command, |command, setting| command.arg(argument(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut settings = Settings::default();
        settings.update_from_arg_matches(matches)?;
        Ok(settings)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        if let Some(file) = matches.get_one::<PathBuf>("config") {
            self.file = Some(file.clone());
        }
        for setting in SETTINGS {
            if let Some(value) = matches.get_one::<String>(setting.name) {
                self.values.push((setting.name, value.clone()));
            }
        }
        Ok(())
    }
}

fn argument(setting: &'static Setting) -> Arg {
    // clap wants names that live as long as the process; this runs once in it.
    let flag: &'static str = setting.name.replace('_', "-").leak();
    let default = match setting.default {
        "" => String::new(),
        default => format!(" [default: {default}]"),
    };
    let argument = Arg::new(setting.name)
        .long(flag)
        .value_name(setting.shape)
        .help(format!(
            "{}{default} [env: {}]",
            setting.help.trim(),
            setting.variable()
        ));
    if setting.switch {
        argument
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
    } else {
        argument
    }
}
