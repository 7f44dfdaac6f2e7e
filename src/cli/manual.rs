//! What shells and `man` know of the command line: made from the same declarations as its help.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::{Shell as Generator, generate};

use super::failure::Failure;
use super::output::Output;
use super::{Cli, NAME};

/// What the functions of bash are named by: `clap_complete` 4.6 spells a hyphen in two ways, and finds no verb by either.
const BASH_NAME: &str = "tokenauthority";
/// How bash completes a context before it is told the names: by files.
const BY_FILES: &str = "--context)\n                    COMPREPLY=($(compgen -f \"${cur}\"))";
/// By the names that there are.
const BY_NAMES: &str = "--context)\n                    COMPREPLY=($(compgen -W \"$(token-authority context list -o name 2>/dev/null)\" -- \"${cur}\"))";

/// What stands below the help of `completion`.
pub(super) const COMPLETION_EXAMPLES: &str = "\
Examples: for this shell alone; for every one to come
  source <(token-authority completion bash)
  token-authority completion bash \\
    > ~/.local/share/bash-completion/completions/token-authority
  token-authority completion zsh > ~/.zfunc/_token-authority
  token-authority completion fish \\
    > ~/.config/fish/completions/token-authority.fish";

/// What stands below the help of `man`.
pub(super) const MAN_EXAMPLES: &str = "\
Example: into a directory that man looks into
  token-authority man --dir ~/.local/share/man/man1
  man token-authority-token-create";

/// The shells whose completion is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// `completion`.
#[derive(Debug, Args)]
pub struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// `man`.
#[derive(Debug, Args)]
pub struct Man {
    /// The directory to write the pages into, one for each command; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

// === impl Completion ===

impl Completion {
    pub(super) fn run(&self, output: &mut Output<'_>) -> Result<(), Failure> {
        Ok(output.text(&self.script())?)
    }

    fn script(&self) -> String {
        let of = |generator: Generator, name: &str| {
            let mut script = Vec::new();
            generate(generator, &mut Cli::command(), name, &mut script);
            String::from_utf8_lossy(&script).into_owned()
        };
        match self.shell {
            Shell::Bash => of(Generator::Bash, BASH_NAME)
                .replace(BY_FILES, BY_NAMES)
                .replace(&format!(" {BASH_NAME}\n"), &format!(" {NAME}\n")),
            Shell::Zsh => of(Generator::Zsh, NAME),
            Shell::Fish => of(Generator::Fish, NAME),
        }
    }
}

// === impl Man ===

impl Man {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<(), Failure> {
        let written = std::fs::create_dir_all(&self.dir);
        let written = written.and_then(|()| clap_mangen::generate_to(Cli::command(), &self.dir));
        let dir = self.dir.display();
        written.map_err(|error| {
            let why = format!("can't write the manual into {dir}: {error}");
            Failure::usage(why, "name a directory that you may write to")
        })?;
        Ok(output.did(&format!("the manual is in {dir}; it begins with {NAME}.1"))?)
    }
}
