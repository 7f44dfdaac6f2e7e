//! The `token-authority` binary: parse, dispatch, exit code.

use std::process::ExitCode;

use token_authority::cli::{self, Cli, Command};
use token_authority::serve;

fn main() -> ExitCode {
    let Cli { options, command } = cli::told();
    match command {
        Command::Serve(settings) => serve::main(&settings),
        Command::Client(client) => match client.offline() {
            Some(asked) => serve::rewrap(asked),
            None => cli::main(options, client),
        },
    }
}
