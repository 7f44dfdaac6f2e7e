//! `doctor`: what stands in the way, looked at one thing after the other, each with what to do about it.

mod certificate;
mod configuration;
mod connection;
mod machine;

use std::path::PathBuf;

use clap::Args;

use super::Exit;
use super::connect::{CallOptions, Environment};
use super::failure::Failure;
use super::output::{Output, Shown, plain};

/// Columns of the states and of the names, with the gap behind them.
const STATE_WIDTH: usize = 6;
const NAME_WIDTH: usize = 16;

/// What stands below its help.
pub(super) const EXAMPLES: &str = "\
Each check is ok, warn or fail; exit status 1 tells of a fail. It changes nothing, and
opens no store. Without --config and --data-dir it looks at this client and at the
server that it calls; with them, at the server's side of this machine.

Examples: why can't I call it; is the configuration right; is the machine
  token-authority doctor
  token-authority doctor --config /etc/token-authority.toml
  token-authority doctor --data-dir token-authority-data -o json";

/// `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// The configuration file of a server of this machine: its settings, certificates, listeners and data directory
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory of a server of this machine: space, rights, keys, and whether a server runs on it
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Check {
    what: &'static str,
    state: State,
    found: String,
    /// What to do; empty where nothing is.
    advice: String,
}

// === impl Doctor ===

impl Doctor {
    pub(super) async fn run(
        self,
        options: CallOptions,
        environment: Environment<'_>,
        output: &mut Output<'_>,
    ) -> Result<Exit, Failure> {
        let mut checks = Vec::new();
        if let Some(file) = &self.config {
            configuration::look(file, &mut checks);
        }
        if let Some(dir) = &self.data_dir {
            machine::look(dir, &mut checks);
        }
        if self.config.is_none() && self.data_dir.is_none() {
            connection::look(options, environment, output, &mut checks).await;
        }
        let told: String = checks.iter().map(Check::told).collect();
        output.report(&checks, &told)?;
        let failed = checks.iter().any(|check| check.state == State::Fail);
        Ok(if failed { Exit::Failed } else { Exit::Success })
    }
}

// === impl Check ===

impl Check {
    fn ok(what: &'static str, found: impl Into<String>) -> Check {
        Check::new(what, State::Ok, found, "")
    }

    fn warn(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Check {
        Check::new(what, State::Warn, found, advice)
    }

    fn fail(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Check {
        Check::new(what, State::Fail, found, advice)
    }

    /// Of what a command would end with.
    fn failed(what: &'static str, failure: &Failure) -> Check {
        let mut text = Vec::new();
        // A vector takes whatever is written.
        let _ = failure.write(&mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        let (mut found, mut advice) = (Vec::new(), Vec::new());
        for line in text.lines() {
            match line.strip_prefix("hint: ") {
                Some(hint) => advice.push(hint.trim()),
                None if advice.is_empty() => found.push(line.trim_start_matches("error: ").trim()),
                None => advice.push(line.trim()),
            }
        }
        Check::fail(what, found.join("; "), advice.join(" "))
    }

    fn new(
        what: &'static str,
        state: State,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Check {
        Check {
            what,
            state,
            found: found.into(),
            advice: advice.into(),
        }
    }

    /// A line, and one below it with what to do.
    fn told(&self) -> String {
        let (state, found) = (self.state.word(), plain(&self.found));
        let line = format!("{state:STATE_WIDTH$}{:NAME_WIDTH$}{found}\n", self.what);
        if self.advice.is_empty() {
            return line;
        }
        let indent = " ".repeat(STATE_WIDTH + NAME_WIDTH);
        format!("{line}{indent}-> {}\n", plain(&self.advice))
    }
}

impl Shown for Check {
    const COLUMNS: &'static [&'static str] = &["state", "check", "found", "advice"];
    const NAMED_BY: &'static str = "check";

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("state", self.state.word().to_owned()),
            ("check", self.what.to_owned()),
            ("found", self.found.clone()),
            ("advice", self.advice.clone()),
        ]
    }
}

// === impl State ===

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "fail",
        }
    }
}
