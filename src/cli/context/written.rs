//! What the file of contexts says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::{Table, Value};

use crate::cli::failure::Failure;

/// Longest name, characters: it names a file too.
const MAX_NAME: usize = 63;

const CURRENT: &str = "current";
const ALL: &str = "contexts";
const SERVER: &str = "server";
const CA_FILE: &str = "ca_file";
const CLIENT_CERT_FILE: &str = "client_cert_file";
const CLIENT_KEY_FILE: &str = "client_key_file";
const LIBRARY: &str = "library";
const CREDENTIAL_FILE: &str = "credential_file";
const INSECURE_PLAINTEXT: &str = "insecure_plaintext";

/// Where and as whom to call, under one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Context {
    /// The URL.
    pub(in crate::cli) server: String,
    /// What vouches for it.
    pub(in crate::cli) ca_file: Option<PathBuf>,
    /// What vouches for this client.
    pub(in crate::cli) client_cert_file: Option<PathBuf>,
    /// The key of that.
    pub(in crate::cli) client_key_file: Option<PathBuf>,
    /// The library that is meant where a command names none.
    pub(in crate::cli) library: Option<String>,
    /// The file with the token, in the directory of the contexts or elsewhere; `None` after a logout.
    pub(in crate::cli) credential_file: Option<PathBuf>,
    /// Whether the credential may go unencrypted to another machine.
    pub(in crate::cli) insecure_plaintext: bool,
}

/// All contexts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Contexts {
    /// The one that is in force where none is named.
    pub(in crate::cli) current: Option<String>,
    /// Each by its name.
    pub(in crate::cli) all: BTreeMap<String, Context>,
}

// === impl Contexts ===

impl Contexts {
    /// The context of this name.
    pub(in crate::cli) fn named(&self, name: &str) -> Result<&Context, Failure> {
        self.all.get(name).ok_or_else(|| self.unknown(name))
    }

    /// The one that is in force where none is named.
    pub(in crate::cli) fn current(&self) -> Option<&Context> {
        self.all.get(self.current.as_deref()?)
    }

    /// The failure for a name that none has.
    pub(in crate::cli) fn unknown(&self, name: &str) -> Failure {
        let known: Vec<&str> = self.all.keys().map(String::as_str).collect();
        let there_are = match known[..] {
            [] => String::new(),
            _ => format!("there are {}; ", known.join(", ")),
        };
        // What is no name may be anything, a token too: it is not repeated.
        match name_fault(name) {
            Some(fault) => Failure::usage(
                "the context is named by what is no name of one",
                format!("{there_are}a name {fault}"),
            ),
            None => Failure::usage(
                format!("there is no context {name}"),
                format!("{there_are}to make it: token-authority login {name} --server URL"),
            ),
        }
    }

    pub(super) fn read(table: &Table) -> Result<Contexts, String> {
        let mut contexts = Contexts::default();
        for (key, value) in table {
            match (key.as_str(), value) {
                (CURRENT, Value::String(name)) => contexts.current = Some(name.clone()),
                (ALL, Value::Table(all)) => {
                    for (name, context) in all {
                        if let Some(fault) = name_fault(name) {
                            return Err(format!("holds a context whose name {fault}"));
                        }
                        let context = context
                            .as_table()
                            .ok_or(format!("holds no table for {name}"))?;
                        let context = Context::read(context)
                            .map_err(|why| format!("{why} in the context {name}"))?;
                        contexts.all.insert(name.clone(), context);
                    }
                }
                _ => return Err(unknown_key(key)),
            }
        }
        Ok(contexts)
    }

    pub(super) fn write(&self) -> String {
        let mut all = Table::new();
        for (name, context) in &self.all {
            all.insert(name.clone(), Value::Table(context.write()));
        }
        let mut table = Table::new();
        if let Some(current) = &self.current {
            table.insert(CURRENT.to_owned(), Value::String(current.clone()));
        }
        table.insert(ALL.to_owned(), Value::Table(all));
        table.to_string()
    }
}

// === impl Context ===

impl Context {
    /// How its server is reached, for somebody else to call it too.
    pub(in crate::cli) fn channel(&self) -> Context {
        Context {
            library: None,
            credential_file: None,
            ..self.clone()
        }
    }

    fn read(table: &Table) -> Result<Context, String> {
        let mut context = Context::default();
        for (key, value) in table {
            match (key.as_str(), value) {
                (SERVER, Value::String(text)) => context.server.clone_from(text),
                (CA_FILE, Value::String(text)) => context.ca_file = Some(text.into()),
                (CLIENT_CERT_FILE, Value::String(text)) => {
                    context.client_cert_file = Some(text.into());
                }
                (CLIENT_KEY_FILE, Value::String(text)) => {
                    context.client_key_file = Some(text.into());
                }
                (LIBRARY, Value::String(text)) => context.library = Some(text.clone()),
                (CREDENTIAL_FILE, Value::String(text)) => {
                    context.credential_file = Some(text.into());
                }
                (INSECURE_PLAINTEXT, Value::Boolean(truth)) => context.insecure_plaintext = *truth,
                _ => return Err(unknown_key(key)),
            }
        }
        if context.server.is_empty() {
            return Err("names no server".to_owned());
        }
        Ok(context)
    }

    fn write(&self) -> Table {
        let path = |path: &Option<PathBuf>| {
            path.as_ref()
                .map(|path| path.to_string_lossy().into_owned())
        };
        let texts = [
            (SERVER, Some(self.server.clone())),
            (CA_FILE, path(&self.ca_file)),
            (CLIENT_CERT_FILE, path(&self.client_cert_file)),
            (CLIENT_KEY_FILE, path(&self.client_key_file)),
            (LIBRARY, self.library.clone()),
            (CREDENTIAL_FILE, path(&self.credential_file)),
        ];
        let mut table = Table::new();
        for (key, text) in texts {
            if let Some(text) = text {
                table.insert(key.to_owned(), Value::String(text));
            }
        }
        if self.insecure_plaintext {
            table.insert(INSECURE_PLAINTEXT.to_owned(), Value::Boolean(true));
        }
        table
    }
}

/// A name of a context, as it is typed.
pub(in crate::cli) fn parse_name(text: &str) -> Result<String, String> {
    match name_fault(text) {
        Some(fault) => Err(format!("it {fault}")),
        None => Ok(text.to_owned()),
    }
}

fn name_fault(name: &str) -> Option<&'static str> {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    if name.len() > MAX_NAME || !name.chars().all(sound) {
        return Some("must be at most 63 small letters, digits, and . _ -");
    }
    let begins = name
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphanumeric());
    (!begins).then_some("must begin with a small letter or a digit")
}

/// A key that means nothing here; a value of it is never repeated.
fn unknown_key(key: &str) -> String {
    let shown: String = key.chars().take(24).flat_map(char::escape_debug).collect();
    format!("holds {shown}, which is no setting, or not as it must be,")
}
