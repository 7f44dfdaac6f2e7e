//! `login` and `logout`: a credential is proved, then kept; or forgotten.

use std::io::Read;

use clap::Args;

use super::connect::{CallOptions, Environment, Session};
use super::context::kept::Place;
use super::context::written::{Context, Contexts, parse_name};
use super::failure::Failure;
use super::output::Output;
use super::prompt::Wanted;
use super::whoami::{Oneself, ask_who};

/// The context that is made where none is named.
const DEFAULT_CONTEXT: &str = "default";

/// A token on standard input.
const TOKEN: Wanted = Wanted {
    what: "token",
    hint: "type it, or hand it over as a file: token-authority login ... < FILE, or --credential-file FILE",
    limit: 64 << 10,
};

/// What stands below the help of `login`.
pub(super) const EXAMPLES: &str = "\
The token is typed without being shown, or read from standard input or --credential-file.
It is kept only once the server has said whose it is.

Examples:
  token-authority login < token-authority-data/operator.token
  token-authority login production --server https://tokens.example.com:50051 \\
    --ca-file ca.pem --library acme";

/// `login`.
#[derive(Debug, Args)]
pub struct Login {
    /// The name under which server and credential are kept [default: the one in force, else the one called default]
    #[arg(value_parser = parse_name)]
    context_name: Option<String>,
    /// The library that is meant wherever a command names none
    #[arg(long)]
    library: Option<String>,
}

/// `logout`.
#[derive(Debug, Args)]
pub struct Logout {
    /// The context whose credential is forgotten [default: the current one]
    #[arg(value_parser = parse_name)]
    context_name: Option<String>,
}

// === impl Login ===

impl Login {
    pub(super) async fn run(
        self,
        options: CallOptions,
        environment: Environment<'_>,
        stdin: &mut dyn Read,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        let place = Place::of(environment)?;
        let contexts = place.load()?;
        let name = self.name(&options, &contexts, environment)?;
        let before = match contexts.all.get(&name) {
            Some(context) => context.clone(),
            None => contexts.current().map(Context::channel).unwrap_or_default(),
        };
        let (options, mut context) = options.for_login(before, environment)?;
        if self.library.is_some() {
            context.library = self.library.filter(|library| !library.is_empty());
        }
        let token = match options.login_token()? {
            Some(token) => token,
            None => TOKEN.read(stdin)?,
        };
        let session = Session::with_token(options, &token, environment).await?;
        let response = ask_who(&session).await?;
        place.change(|contexts| {
            context.credential_file = Some(place.keep_credential(&name, token.trim().as_bytes())?);
            contexts.all.insert(name.clone(), context);
            contexts.current = Some(name.clone());
            Ok(())
        })?;
        output.one(&response, Some(&Oneself::new(&response, None)))?;
        output.remark(
            "note",
            &format!("commands now call the context {name} as this user"),
        );
        Ok(())
    }

    /// Where nothing is named, it is the current context again; but another server is another context, and overwrites none.
    fn name(
        &self,
        options: &CallOptions,
        contexts: &Contexts,
        environment: Environment<'_>,
    ) -> Result<String, Failure> {
        match (&self.context_name, options.context()) {
            (Some(name), None) => Ok(name.clone()),
            (None, Some(name)) => Ok(name.to_owned()),
            (Some(_), Some(_)) => Err(Failure::usage(
                "the context is named twice",
                "leave --context away: token-authority login NAME",
            )),
            (None, None) if options.names_server(environment)? => Ok(DEFAULT_CONTEXT.to_owned()),
            (None, None) => {
                let current = contexts.current.clone();
                Ok(current.unwrap_or_else(|| DEFAULT_CONTEXT.to_owned()))
            }
        }
    }
}

// === impl Logout ===

impl Logout {
    pub(super) fn run(
        self,
        environment: Environment<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        let place = Place::of(environment)?;
        let (name, had) = place.change(|contexts| {
            let name = self
                .context_name
                .or_else(|| contexts.current.clone())
                .ok_or_else(|| {
                    Failure::usage(
                        "you are not logged in",
                        "name a context: token-authority logout NAME",
                    )
                })?;
            let unknown = contexts.unknown(&name);
            let context = contexts.all.get_mut(&name).ok_or(unknown)?;
            let had = place.forget_credential(context)?;
            Ok((name, had))
        })?;
        let told = if had {
            "the credential is gone from"
        } else {
            "there was no credential in"
        };
        output.did(&format!("{told} the context {name}"))?;
        if had {
            output.remark(
                "note",
                "the token itself stays good; `token-authority token revoke ID` ends it",
            );
        }
        Ok(())
    }
}
