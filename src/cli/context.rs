//! `context`: where and as whom to call, kept under a name.

pub(super) mod kept;
pub(super) mod written;

use clap::Subcommand;

use self::kept::Place;
use self::written::{Context, Contexts, parse_name};
use super::connect::{CallOptions, Environment, Settled, Source};
use super::failure::Failure;
use super::output::{Output, Shown};

/// What can be done with contexts. `login` makes them.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List the contexts; a star marks the current one
    List,
    /// Make a context the current one: what commands call where nothing else is said
    #[command(
        after_help = "Example: work elsewhere, from here on or for one command\n  \
        token-authority context use production\n  \
        token-authority token list --context production"
    )]
    Use {
        /// The context
        #[arg(value_parser = parse_name)]
        name: String,
    },
    /// Show a context; or what is in force now, and where each part of it comes from
    Show {
        /// The context [default: what is in force]
        #[arg(value_parser = parse_name)]
        name: Option<String>,
    },
    /// Forget a context and the credential that was kept for it. The token stays good; `token revoke` ends it
    Delete {
        /// The context
        #[arg(value_parser = parse_name)]
        name: String,
    },
    /// Give a context another name
    Rename {
        /// The name that it has
        #[arg(value_parser = parse_name)]
        name: String,
        /// The name that it gets
        #[arg(value_parser = parse_name)]
        new_name: String,
    },
}

/// A context as people look at it.
struct Named<'a> {
    name: &'a str,
    context: &'a Context,
    is_current: bool,
    place: &'a Place,
}

// === impl Verb ===

impl Verb {
    pub(super) fn run(
        self,
        options: CallOptions,
        environment: Environment<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        let place = Place::of(environment)?;
        match self {
            Self::List => {
                let contexts = place.load()?;
                let all: Vec<_> = contexts.shown(&place).collect();
                output.own(&all)?;
                if all.is_empty() {
                    output.remark("note", "there are none; `token-authority login` makes one");
                }
            }
            Self::Use { name: context } => {
                place.change(|contexts| {
                    contexts.named(&context)?;
                    contexts.current = Some(context.clone());
                    Ok(())
                })?;
                output.did(&format!("commands now call the context {context}"))?;
                match options.settle(environment) {
                    Ok((_, settled)) if settled.is_in(&context) => {}
                    _ => output.note(
                        "warning",
                        "they don't yet: `token-authority context show` says why",
                    ),
                }
            }
            Self::Show { name: None } => {
                let (_, settled) = options.settle(environment)?;
                output.own_one(&settled)?;
            }
            Self::Show { name: Some(name) } => {
                let contexts = place.load()?;
                contexts.named(&name)?;
                let shown = contexts.shown(&place).find(|shown| shown.name == name);
                if let Some(shown) = shown {
                    output.own_one(&shown)?;
                }
            }
            Self::Delete { name: context } => {
                place.change(|contexts| {
                    let mut gone = contexts
                        .all
                        .remove(&context)
                        .ok_or_else(|| contexts.unknown(&context))?;
                    if contexts.current.as_ref() == Some(&context) {
                        contexts.current = None;
                    }
                    place.forget_credential(&mut gone)
                })?;
                output.did(&format!("the context {context} is gone"))?;
            }
            Self::Rename {
                name: context,
                new_name: name,
            } => {
                place.change(|contexts| contexts.rename(&context, &name, &place))?;
                output.did(&format!("the context {context} is now {name}"))?;
            }
        }
        Ok(())
    }
}

// === impl Contexts ===

impl Contexts {
    fn shown<'a>(&'a self, place: &'a Place) -> impl Iterator<Item = Named<'a>> {
        self.all.iter().map(move |(name, context)| Named {
            name,
            context,
            is_current: self.current.as_ref() == Some(name),
            place,
        })
    }

    fn rename(&mut self, from: &str, to: &str, place: &Place) -> Result<(), Failure> {
        if self.all.contains_key(to) {
            let why = format!("there is a context {to} already");
            return Err(Failure::usage(
                why,
                format!("choose another name, or: token-authority context delete {to}"),
            ));
        }
        let mut context = self.all.remove(from).ok_or_else(|| self.unknown(from))?;
        place.move_credential(&mut context, to)?;
        self.all.insert(to.to_owned(), context);
        if self.current.as_deref() == Some(from) {
            self.current = Some(to.to_owned());
        }
        Ok(())
    }
}

// === impl Named ===

impl Shown for Named<'_> {
    const COLUMNS: &'static [&'static str] =
        &["current", "context", "server", "library", "credential"];
    const NAMED_BY: &'static str = "context";

    fn fields(&self) -> Vec<(&'static str, String)> {
        let Context {
            server,
            ca_file,
            client_cert_file,
            client_key_file,
            library,
            credential_file: _,
            insecure_plaintext,
        } = self.context;
        let path = |path: Option<&std::path::PathBuf>| {
            path.map(|path| path.display().to_string())
                .unwrap_or_default()
        };
        let marked = |truth: bool, word: &str| {
            if truth {
                word.to_owned()
            } else {
                String::new()
            }
        };
        vec![
            ("current", marked(self.is_current, "*")),
            ("context", self.name.to_owned()),
            ("server", server.clone()),
            ("ca-file", path(ca_file.as_ref())),
            ("client-cert-file", path(client_cert_file.as_ref())),
            ("client-key-file", path(client_key_file.as_ref())),
            ("insecure-plaintext", marked(*insecure_plaintext, "true")),
            ("library", library.clone().unwrap_or_default()),
            (
                "credential",
                path(self.place.credential(self.context).as_ref()),
            ),
        ]
    }
}

// === impl Settled ===

impl Settled {
    fn is_in(&self, context: &str) -> bool {
        self.context
            .as_ref()
            .is_some_and(|(name, _)| name == context)
    }
}

impl Shown for Settled {
    const COLUMNS: &'static [&'static str] = &["context", "server", "credential", "library"];
    const NAMED_BY: &'static str = "context";

    fn fields(&self) -> Vec<(&'static str, String)> {
        let sourced = |value: &Option<(String, Source)>| match value {
            Some((value, source)) => (value.clone(), source.to_string()),
            None => Default::default(),
        };
        let (context, chosen_by) = match &self.context {
            Some((name, Source::Default)) => (name.clone(), "the current one".to_owned()),
            Some((name, source)) => (name.clone(), source.to_string()),
            None => Default::default(),
        };
        let (ca_file, ca_from) = sourced(&self.ca_file);
        let (credential, credential_from) = sourced(&self.credential);
        let (library, library_from) = sourced(&self.library);
        vec![
            ("context", context),
            ("context-from", chosen_by),
            ("server", self.server.0.clone()),
            ("server-from", self.server.1.to_string()),
            ("ca-file", ca_file),
            ("ca-file-from", ca_from),
            ("credential", credential),
            ("credential-from", credential_from),
            ("default-library", library),
            ("default-library-from", library_from),
        ]
    }
}
