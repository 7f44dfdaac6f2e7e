//! The `token-authority` binary: parse, dispatch, exit code.

use std::process::ExitCode;

use clap::Parser;
use token_authority::cli::{self, Cli, Command};
use token_authority::serve;

fn main() -> ExitCode {
    let Cli { options, command } = Cli::parse();
    match command {
        Command::Serve(settings) => serve::main(&settings),
        Command::Call(call) => match call.offline() {
            Some(asked) => serve::rewrap(asked),
            None => cli::main(options, *call),
        },
    }
}
