//! The command line: a gRPC client of the authority. It never opens the database.
//!
//! What a person types becomes a request here (`library`, `user_type`, `user`, `token`, `session`, `verify`, `audit`), goes out
//! through [`connect`] and [`call`], and comes back as a table or as JSON through [`output`]. What went wrong is told
//! by [`failure`].

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use self::connect::{CallOptions, Environment, Session};
use self::failure::Failure;
use self::output::{Output, Screen};
use self::own::Own;
use self::prompt::HiddenLine;
use crate::config::{Rewrap, Settings};

mod audit;
mod call;
mod connect;
mod consent;
mod context;
mod deliver;
mod doctor;
mod failure;
mod healthcheck;
mod keys;
mod library;
mod login;
mod manual;
mod output;
mod own;
mod prompt;
mod session;
mod show;
#[cfg(test)]
mod tests;
mod token;
mod user;
mod user_type;
mod verify;
mod whoami;
mod words;

/// What the binary is called.
const NAME: &str = "token-authority";

/// What stands below the help of every command: [`Exit`] as people read it.
const EXIT_STATUS: &str = "\
Exit status:
  0  done; of verify: the token is good for what was asked; of healthcheck: it serves;
     of doctor: nothing fails
  1  the authority, or this machine, could not do it: standard error says why; of
     healthcheck: it does not serve
  2  the command was not given as it must be: nothing was sent
  3  verify alone: the token is refused, standard output says why
  4  the authority was not reached or gave no answer in time: a change may have
     been made, and standard error says how to repeat it safely";

/// What stands below the help of the whole.
const EXAMPLES: &str = "\
A first session, on the machine where `token-authority serve --data-dir data` runs:
  token-authority login < data/operator.token
  token-authority library create acme --tokens-enabled
  token-authority user-type create clerk --library acme --permission orders:read
  token-authority user create ann --library acme --assign clerk
  token-authority token create --library acme --user ann \\
    --display-name till > till.token
  token-authority verify --library acme --permission orders:read < till.token
  token-authority token list --library acme

`login` keeps server and token under a name, a context; `whoami` says who one is then.
An option outranks the environment, and that the context (--context, or the current
one). A token comes from a file (--credential-file), the environment or a context, never
from an argument: others can read those. With -o json, standard output is the
API's own response message as canonical protobuf JSON; -o name and --field write names
or one field alone, as in id=$(token-authority token list --name till -o name).";

/// Issues opaque API tokens and answers, for every request, whether a token is good for it right now
#[derive(Debug, Parser)]
#[command(name = NAME, version, after_help = EXIT_STATUS, after_long_help = [EXAMPLES, EXIT_STATUS].join("\n\n"))]
pub struct Cli {
    /// How to call, for all commands but `serve`; the same options may stand behind the command.
    #[command(flatten)]
    pub options: CallOptions,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The two faces of the binary: the server, and a client of it.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the authority
    Serve(Settings),
    /// Be a client.
    #[command(flatten)]
    Client(Client),
}

/// What a client does.
#[derive(Debug, Subcommand)]
pub enum Client {
    /// Look after itself.
    #[command(flatten)]
    Own(Box<Own>),
    /// Call a running authority.
    #[command(flatten)]
    Call(Box<Call>),
}

/// A command that calls a running authority.
#[derive(Debug, Subcommand)]
pub enum Call {
    /// Libraries: the boundary that every token and user belongs to
    Library(Noun<library::Verb>),
    /// User types: named sets of permissions
    UserType(Noun<user_type::Verb>),
    /// Users: the persons and systems that tokens stand for
    User(Noun<user::Verb>),
    /// Tokens: create, inspect, change and end them
    Token(Noun<token::Verb>),
    /// Sessions: log a user in with a password
    Session(Noun<session::Verb>),
    /// Keys: what secrets are proved by; operators alone see and change them
    Keys(Noun<keys::Verb>),
    /// Ask whether a token, read from standard input, is good for something right now
    #[command(after_help = [verify::EXAMPLES, EXIT_STATUS].join("\n\n"))]
    Verify(Question<verify::Verify>),
    /// Say who one is to the authority, what one may do there, and for how long
    #[command(after_help = [whoami::EXAMPLES, EXIT_STATUS].join("\n\n"))]
    Whoami(Question<whoami::Whoami>),
    /// List what was changed in a library, by whom, newest first; or follow it as it happens
    Audit(Question<audit::Audit>),
    /// Ask whether the authority serves: for probes; needs no credential
    #[command(after_help = [healthcheck::EXAMPLES, EXIT_STATUS].join("\n\n"))]
    Healthcheck(Question<healthcheck::Healthcheck>),
}

/// A noun with its verbs. The options of the call may stand behind either.
#[derive(Debug, Args)]
#[command(after_help = EXIT_STATUS, mut_args(|option| option.global(true)))]
pub struct Noun<Verb: Subcommand> {
    #[command(flatten)]
    options: CallOptions,
    #[command(subcommand)]
    verb: Verb,
}

/// A command that has no verbs.
#[derive(Debug, Args)]
pub struct Question<Asked: Args> {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    options: CallOptions,
}

/// How a command ends. [`EXIT_STATUS`] tells people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// Done; of `verify`: the token is good.
    Success = 0,
    /// The authority, or this machine, could not do it.
    Failed = 1,
    /// Not given as it must be; clap's own number too.
    Usage = 2,
    /// The token that was to be verified is refused.
    Refused = 3,
    /// No answer: nothing is known of what the authority did.
    Unreachable = 4,
}

/// Asks somebody at a terminal a question, and gives the answer; `None` where nobody sits there.
type Asker<'a> = Option<&'a dyn Fn(&str) -> io::Result<String>>;

/// Where a call reads and writes.
struct Streams<'a> {
    stdin: &'a mut dyn Read,
    ask: Asker<'a>,
    stdout: &'a mut dyn Write,
    stderr: &'a mut dyn Write,
    screen: Screen,
}

/// What the process was told to do.
#[must_use]
pub fn told() -> Cli {
    let line: Vec<OsString> = std::env::args_os().collect();
    Cli::read(&line, &|name| std::env::var_os(name)).unwrap_or_else(|error| error.exit())
}

/// Carries out one call, with the process's own streams and environment.
#[must_use]
pub fn main(options: CallOptions, client: Client) -> ExitCode {
    let terminal = io::stdin().is_terminal();
    let stdin: &mut dyn Read = if terminal {
        &mut HiddenLine::new(client.prompts())
    } else {
        &mut io::stdin().lock()
    };
    let (stdout, stderr) = (&mut io::stdout().lock(), &mut io::stderr().lock());
    let screen = Screen::of_process();
    let exit = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let streams = Streams {
                stdin,
                ask: terminal.then_some(&prompt::question),
                stdout,
                stderr,
                screen,
            };
            runtime.block_on(run(
                options,
                client,
                &|name| std::env::var_os(name),
                streams,
            ))
        }
        Err(error) => report(&Failure::from(error), screen, stderr),
    };
    ExitCode::from(exit as u8)
}

/// Carries out one call: answers to `stdout`, all else to `stderr`.
async fn run(
    outer: CallOptions,
    mut client: Client,
    environment: Environment<'_>,
    streams: Streams<'_>,
) -> Exit {
    let options = std::mem::take(client.options()).or(outer);
    let Streams {
        stdin,
        ask,
        stdout,
        stderr,
        screen,
    } = streams;
    let screen = screen.with(options.colour());
    let mut output = Output::new(options.form(), screen, stdout, &mut *stderr);
    let done = async {
        match client {
            Client::Own(own) => own.run(options, environment, stdin, &mut output).await,
            Client::Call(call) => {
                let session = match &*call {
                    Call::Healthcheck(_) => {
                        let timeout = healthcheck::DEFAULT_TIMEOUT;
                        Session::anonymous(options, environment, timeout).await?
                    }
                    _ => Session::open(options, environment, &mut output).await?,
                };
                call.run(&session, stdin, ask, &mut output).await
            }
        }
    };
    match done.await {
        Ok(exit) => exit,
        Err(failure) => {
            output.end_progress();
            report(&failure, screen, stderr)
        }
    }
}

/// Tells what went wrong. Where standard error is gone too, the exit code alone has to say it.
fn report(failure: &Failure, screen: Screen, stderr: &mut dyn Write) -> Exit {
    let mut told = Vec::new();
    // A vector takes whatever is written.
    let _ = failure.write(&mut told);
    let told = screen.aside(&String::from_utf8_lossy(&told));
    let _ = stderr.write_all(told.as_bytes());
    failure.exit()
}

// === impl Cli ===

impl Cli {
    /// A line, in which the library of the context in force stands wherever a call may name one and doesn't.
    fn read(line: &[OsString], environment: Environment<'_>) -> Result<Self, clap::Error> {
        let mut cli = Self::try_parse_from(line)?;
        let Command::Client(Client::Call(call)) = &mut cli.command else {
            return Ok(cli);
        };
        let Some(library) = connect::default_library(call.options(), &cli.options, environment)
        else {
            return Ok(cli);
        };
        // clap wants values that live as long as the process; this runs once in it.
        let command = with_library(Self::command(), library.leak());
        Self::from_arg_matches(&command.try_get_matches_from(line)?)
    }
}

fn with_library(command: clap::Command, library: &'static str) -> clap::Command {
    let command = command.mut_args(|argument| {
        if argument.get_id() == "library" && !argument.is_required_set() {
            argument.default_value(library)
        } else {
            argument
        }
    });
    command.mut_subcommands(|verb| with_library(verb, library))
}

// === impl Client ===

impl Client {
    /// What is asked of the store of a server that is stopped: nobody is called for that.
    #[must_use]
    pub fn offline(&self) -> Option<&Rewrap> {
        match self {
            Client::Own(_) => None,
            Client::Call(call) => call.offline(),
        }
    }

    fn options(&mut self) -> &mut CallOptions {
        match self {
            Client::Own(own) => own.options(),
            Client::Call(call) => call.options(),
        }
    }

    fn prompts(&self) -> &'static [&'static str] {
        match self {
            Client::Own(_) => &["Token: "],
            Client::Call(call) => call.prompts(),
        }
    }
}

// === impl Call ===

impl Call {
    fn offline(&self) -> Option<&Rewrap> {
        match self {
            Call::Keys(noun) => noun.verb.offline(),
            _ => None,
        }
    }

    fn options(&mut self) -> &mut CallOptions {
        match self {
            Call::Library(noun) => &mut noun.options,
            Call::UserType(noun) => &mut noun.options,
            Call::User(noun) => &mut noun.options,
            Call::Token(noun) => &mut noun.options,
            Call::Session(noun) => &mut noun.options,
            Call::Keys(noun) => &mut noun.options,
            Call::Verify(question) => &mut question.options,
            Call::Whoami(question) => &mut question.options,
            Call::Audit(question) => &mut question.options,
            Call::Healthcheck(question) => &mut question.options,
        }
    }

    /// What a terminal asks for: what is typed is not shown, so what is to be kept is typed twice.
    fn prompts(&self) -> &'static [&'static str] {
        match self {
            Call::User(_) => &["New password: ", "The same again: "],
            Call::Session(_) => &["Password: "],
            _ => &["Token: "],
        }
    }

    async fn run(
        self,
        session: &Session,
        stdin: &mut dyn Read,
        ask: Asker<'_>,
        output: &mut Output<'_>,
    ) -> Result<Exit, Failure> {
        match self {
            Call::Library(noun) => noun.verb.run(session, ask, output).await?,
            Call::UserType(noun) => noun.verb.run(session, ask, output).await?,
            Call::User(noun) => noun.verb.run(session, stdin, ask, output).await?,
            Call::Token(noun) => noun.verb.run(session, stdin, ask, output).await?,
            Call::Session(noun) => noun.verb.run(session, stdin, output).await?,
            Call::Keys(noun) => noun.verb.run(session, ask, output).await?,
            Call::Verify(question) => return question.asked.run(session, stdin, output).await,
            Call::Whoami(question) => question.asked.run(session, output).await?,
            Call::Audit(question) => question.asked.run(session, output).await?,
            Call::Healthcheck(question) => return question.asked.run(session, output).await,
        }
        Ok(Exit::Success)
    }
}
