//! The commands about the command line itself: they keep, show and forget, and call nobody but to find out whose a token is.

use std::io::Read;

use clap::Subcommand;

use super::connect::{CallOptions, Environment};
use super::failure::Failure;
use super::output::Output;
use super::{EXIT_STATUS, Exit, Noun, Question, context, doctor, login, manual};

/// A command about the command line itself.
#[derive(Debug, Subcommand)]
pub enum Own {
    /// Keep a server and a token under a name, once the server has said whose the token is
    #[command(after_help = [login::EXAMPLES, EXIT_STATUS].join("\n\n"))]
    Login(Question<login::Login>),
    /// Forget the token that was kept
    Logout(Question<login::Logout>),
    /// Contexts: the servers and tokens that `login` keeps, by name
    Context(Noun<context::Verb>),
    /// Find out what stands in the way, and what to do about it
    #[command(after_help = [doctor::EXAMPLES, EXIT_STATUS].join("\n\n"))]
    Doctor(Question<doctor::Doctor>),
    /// Write what a shell needs to complete commands
    #[command(after_help = manual::COMPLETION_EXAMPLES)]
    Completion(Question<manual::Completion>),
    /// Write the manual, a page for each command
    #[command(after_help = manual::MAN_EXAMPLES)]
    Man(Question<manual::Man>),
}

// === impl Own ===

impl Own {
    pub(super) fn options(&mut self) -> &mut CallOptions {
        match self {
            Own::Login(question) => &mut question.options,
            Own::Logout(question) => &mut question.options,
            Own::Context(noun) => &mut noun.options,
            Own::Doctor(question) => &mut question.options,
            Own::Completion(question) => &mut question.options,
            Own::Man(question) => &mut question.options,
        }
    }

    pub(super) async fn run(
        self,
        options: CallOptions,
        environment: Environment<'_>,
        stdin: &mut dyn Read,
        output: &mut Output<'_>,
    ) -> Result<Exit, Failure> {
        match self {
            Own::Login(login) => {
                let login = login.asked;
                login.run(options, environment, stdin, output).await?;
            }
            Own::Logout(logout) => logout.asked.run(environment, output)?,
            Own::Context(noun) => noun.verb.run(options, environment, output)?,
            Own::Doctor(doctor) => return doctor.asked.run(options, environment, output).await,
            Own::Completion(completion) => completion.asked.run(output)?,
            Own::Man(man) => man.asked.run(output)?,
        }
        Ok(Exit::Success)
    }
}
