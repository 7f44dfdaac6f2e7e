//! What can't be undone: it is shown first, and somebody at a terminal is asked.

use clap::Args;

use super::Asker;
use super::failure::Failure;
use super::output::Output;

/// Whether something is to be done.
#[derive(Debug, Default, Args)]
pub(super) struct Consent {
    /// Don't ask first
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Show what it would hit, and change nothing
    #[arg(long)]
    dry_run: bool,
}

// === impl Consent ===

impl Consent {
    /// Whether nothing is to be changed.
    pub(super) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Whether anybody wants to see what will be hit.
    pub(super) fn looks(&self, ask: Asker<'_>) -> bool {
        self.dry_run || (!self.yes && ask.is_some())
    }

    /// Whether to do `what`, such as "delete the user ann". Where no terminal is there to ask on, a command that names what it
    /// hits was meant.
    pub(super) fn to(
        &self,
        what: &str,
        ask: Asker<'_>,
        output: &mut Output<'_>,
    ) -> Result<bool, Failure> {
        if self.dry_run {
            output.note(
                "dry run",
                &format!("this would {what}; nothing was changed"),
            );
            return Ok(false);
        }
        match ask {
            Some(ask) if !self.yes => agreed(what, ask).map(|()| true),
            _ => Ok(true),
        }
    }

    /// As [`Consent::to`], of what is hit without being named: without a terminal, it must be said.
    pub(super) fn to_all(
        &self,
        what: &str,
        ask: Asker<'_>,
        output: &mut Output<'_>,
    ) -> Result<bool, Failure> {
        if !self.yes && !self.dry_run && ask.is_none() {
            return Err(Failure::usage(
                format!("there is no terminal to ask on whether to {what}"),
                "--dry-run shows what would be hit, --yes does it",
            ));
        }
        self.to(what, ask, output)
    }
}

fn agreed(what: &str, ask: &dyn Fn(&str) -> std::io::Result<String>) -> Result<(), Failure> {
    let question = format!("About to {what}. Type yes to go on: ");
    if ask(&question)?.trim() == "yes" {
        return Ok(());
    }
    Err(Failure::usage("nothing was changed", "type yes to go on"))
}
