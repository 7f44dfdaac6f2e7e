//! Which of all that says whom to call, and as whom, is in force: an option, the environment, a context, or nothing.

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::tls::{CA_FILE, TlsFiles};
use super::{
    CREDENTIAL_FILE, CallOptions, DEFAULT_SERVER, Environment, SERVER, TOKEN, path, read, text,
};
use crate::cli::context::kept::{OTHERS, Place};
use crate::cli::context::written::Context;
use crate::cli::failure::Failure;

/// Names a context.
const CONTEXT: &str = "TOKEN_AUTHORITY_CONTEXT";

/// Who had the last word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Source {
    /// An option of the command, by its name.
    Option(&'static str),
    /// A variable of the environment.
    Variable(&'static str),
    /// A context.
    Context(String),
    /// Nobody.
    Default,
}

/// What is in force, and why: to be told, never to be called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Settled {
    /// The context, if one is, and what chose it.
    pub(in crate::cli) context: Option<(String, Source)>,
    /// The URL.
    pub(in crate::cli) server: (String, Source),
    /// The file that vouches for the server.
    pub(in crate::cli) ca_file: Option<(String, Source)>,
    /// The file of the credential, or the variable that holds it.
    pub(in crate::cli) credential: Option<(String, Source)>,
    /// The library that is meant where a command names none.
    pub(in crate::cli) library: Option<(String, Source)>,
}

/// A context that is in force.
struct InForce {
    name: String,
    by: Source,
    context: Context,
    place: Place,
}

// === impl CallOptions ===

impl CallOptions {
    /// Fills in what neither an option nor the environment says with what the context in force says, and tells where all of
    /// it came from.
    pub(in crate::cli) fn settle(
        mut self,
        environment: Environment<'_>,
    ) -> Result<(Self, Settled), Failure> {
        let in_force = in_force(self.context.as_deref(), self.server.as_deref(), environment)?;
        let settled = self.settle_channel(in_force.as_ref(), environment)?;
        let credential = self.settle_credential(environment, in_force.as_ref())?;
        let settled = Settled {
            credential,
            ..settled
        };
        Ok((self, settled))
    }

    /// As [`CallOptions::settle`], for a call that presents nothing.
    pub(super) fn settle_anonymous(
        mut self,
        environment: Environment<'_>,
    ) -> Result<Self, Failure> {
        let in_force = in_force(self.context.as_deref(), self.server.as_deref(), environment)?;
        self.settle_channel(in_force.as_ref(), environment)?;
        Ok(self)
    }

    fn settle_channel(
        &mut self,
        in_force: Option<&InForce>,
        environment: Environment<'_>,
    ) -> Result<Settled, Failure> {
        let by_context = |in_force: &InForce| Source::Context(in_force.name.clone());
        let variable_server = text(environment, SERVER)?;
        let server = match (&self.server, variable_server, in_force) {
            (Some(url), ..) => (url.clone(), Source::Option("--server")),
            (None, Some(url), _) => (url, Source::Variable(SERVER)),
            (None, None, Some(found)) => (found.context.server.clone(), by_context(found)),
            (None, None, None) => (DEFAULT_SERVER.to_owned(), Source::Default),
        };
        if matches!(server.1, Source::Context(_)) {
            self.server = Some(server.0.clone());
        }
        let shown = |path: &Path| path.display().to_string();
        let context_ca = in_force.and_then(|found| {
            let file = found.context.ca_file.clone()?;
            Some((file, by_context(found)))
        });
        let ca_file = match (&self.tls.ca_file, path(environment, CA_FILE), context_ca) {
            (Some(file), ..) => Some((shown(file), Source::Option("--ca-file"))),
            (None, Some(file), _) => Some((shown(&file), Source::Variable(CA_FILE))),
            (None, None, Some((file, source))) => {
                let told = (shown(&file), source);
                self.tls.ca_file = Some(file);
                Some(told)
            }
            (None, None, None) => None,
        };
        if let Some(found) = in_force {
            self.insecure_plaintext |= found.context.insecure_plaintext;
            self.tls.or_client_of(&found.context, environment);
        }
        let library = in_force.and_then(|found| {
            let library = found.context.library.clone()?;
            Some((library, by_context(found)))
        });
        let context = in_force.map(|found| (found.name.clone(), found.by.clone()));
        Ok(Settled {
            context,
            server,
            ca_file,
            credential: None,
            library,
        })
    }

    /// The files of the connection.
    pub(in crate::cli) fn tls_files(&self, environment: Environment<'_>) -> TlsFiles {
        self.tls.files(environment)
    }

    /// The context that is named.
    pub(in crate::cli) fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    /// Fills in, to log in, what neither an option nor the environment says with what was kept before; and says what is to be
    /// kept now.
    pub(in crate::cli) fn for_login(
        mut self,
        before: Context,
        environment: Environment<'_>,
    ) -> Result<(Self, Context), Failure> {
        let given = self.server.clone().or(text(environment, SERVER)?);
        // What was said of another server does not hold for this one.
        let mut kept = match &given {
            Some(url) if !same_server(url, &before.server) => Context::default(),
            _ => before,
        };
        if let Some(url) = given {
            kept.server = url;
        }
        if kept.server.is_empty() {
            DEFAULT_SERVER.clone_into(&mut kept.server);
        }
        self.tls.keep(&mut kept, environment)?;
        kept.insecure_plaintext |= self.insecure_plaintext;
        self.insecure_plaintext = kept.insecure_plaintext;
        self.server = Some(kept.server.clone());
        Ok((self, kept))
    }

    /// Whether an option or the environment names a server.
    pub(in crate::cli) fn names_server(
        &self,
        environment: Environment<'_>,
    ) -> Result<bool, Failure> {
        Ok(self.server.is_some() || text(environment, SERVER)?.is_some())
    }

    /// The token in the file that an option names.
    pub(in crate::cli) fn login_token(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        let Some(file) = &self.credential_file else {
            return Ok(None);
        };
        let bytes = read(file).map_err(|error| Failure::file("the credential", file, &error))?;
        let token = std::str::from_utf8(bytes.trim_ascii()).map_err(|_| {
            Failure::usage(
                format!("{} does not hold a token", file.display()),
                "name another file",
            )
        })?;
        Ok(Some(Zeroizing::new(token.to_owned())))
    }

    fn settle_credential(
        &mut self,
        environment: Environment<'_>,
        in_force: Option<&InForce>,
    ) -> Result<Option<(String, Source)>, Failure> {
        let shown = |path: &Path| path.display().to_string();
        if let Some(file) = &self.credential_file {
            return Ok(Some((shown(file), Source::Option("--credential-file"))));
        }
        if let Some(file) = path(environment, CREDENTIAL_FILE) {
            return Ok(Some((shown(&file), Source::Variable(CREDENTIAL_FILE))));
        }
        if environment(TOKEN).is_some_and(|token| !token.is_empty()) {
            return Ok(Some((format!("${TOKEN}"), Source::Variable(TOKEN))));
        }
        let Some(found) = in_force else {
            return Ok(None);
        };
        let Some(file) = found.place.credential(&found.context) else {
            return Err(logged_out(
                &found.name,
                &format!("you are logged out of the context {}", found.name),
            ));
        };
        match file.metadata() {
            Ok(metadata) if metadata.permissions().mode() & OTHERS != 0 => {
                let path = file.display();
                return Err(Failure::usage(
                    format!(
                        "others can read the credential of the context {}",
                        found.name
                    ),
                    format!(
                        "stop them: chmod 600 {path}; who may have read it can use it: `token rotate` ends that"
                    ),
                ));
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let gone = format!(
                    "the credential of the context {} is gone: {}",
                    found.name,
                    file.display()
                );
                return Err(logged_out(&found.name, &gone));
            }
            Err(error) => return Err(Failure::file("the credential", &file, &error)),
        }
        let told = (shown(&file), Source::Context(found.name.clone()));
        self.credential_file = Some(file);
        Ok(Some(told))
    }
}

/// The library of the context in force, by the options nearest to the verb and those before it; whatever is wrong with contexts is
/// told where they are settled.
pub(in crate::cli) fn default_library(
    inner: &CallOptions,
    outer: &CallOptions,
    environment: Environment<'_>,
) -> Option<String> {
    let context = inner.context.as_deref().or(outer.context.as_deref());
    let server = inner.server.as_deref().or(outer.server.as_deref());
    in_force(context, server, environment)
        .ok()??
        .context
        .library
}

/// The context in force. One whose server another outranks isn't: its credential is for its own server alone.
fn in_force(
    context: Option<&str>,
    server: Option<&str>,
    environment: Environment<'_>,
) -> Result<Option<InForce>, Failure> {
    let variable = text(environment, CONTEXT)?;
    let named = match (context, variable) {
        (Some(name), _) => Some((name.to_owned(), Source::Option("--context"))),
        (None, Some(name)) => Some((name, Source::Variable(CONTEXT))),
        (None, None) => None,
    };
    let given = server.map(str::to_owned).or(text(environment, SERVER)?);
    let place = match (Place::of(environment), &named, &given) {
        // Without a home there are no contexts, and nobody asked for one.
        (_, None, Some(_)) | (Err(_), None, None) => return Ok(None),
        (place, ..) => place?,
    };
    let contexts = place.load()?;
    let current = || Some((contexts.current.clone()?, Source::Default));
    let Some((name, by)) = named.or_else(current) else {
        return Ok(None);
    };
    let context = contexts.named(&name)?.clone();
    if given.is_some_and(|server| !same_server(&server, &context.server)) {
        return Ok(None);
    }
    Ok(Some(InForce {
        name,
        by,
        context,
        place,
    }))
}

// === impl Source ===

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Option(name) | Source::Variable(name) => f.write_str(name),
            Source::Context(name) => write!(f, "context {name}"),
            Source::Default => f.write_str("default"),
        }
    }
}

/// Whether two URLs name one server; a slash at the end means nothing.
fn same_server(one: &str, other: &str) -> bool {
    one.trim_end_matches('/')
        .eq_ignore_ascii_case(other.trim_end_matches('/'))
}

fn logged_out(name: &str, what: &str) -> Failure {
    Failure::usage(what, format!("log in again: token-authority login {name}"))
}
