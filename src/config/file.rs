//! The configuration file: a flat TOML table.

use std::path::Path;

use super::{ConfigFaults, setting};

/// What the file says, each value as the text that a flag would have.
pub(super) fn read(path: &Path, faults: &mut ConfigFaults) -> Vec<(&'static str, String)> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            faults.add(
                "config",
                format!("names a file that can't be read: {}", error.kind()),
            );
            return Vec::new();
        }
    };
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            faults.add(
                "config",
                format!("names a file that is not TOML{}", place(&text, &error)),
            );
            return Vec::new();
        }
    };
    let mut values = Vec::new();
    for (key, value) in table {
        match (setting(&key), plain(&value)) {
            (Some(setting), Some(value)) => values.push((setting.name, value)),
            (Some(setting), None) => {
                faults.add(
                    setting.name,
                    "(in the file) must be a text, a number, true or false, or a list of texts",
                );
            }
            (None, _) => faults.add_unknown(&key, &key),
        }
    }
    values
}

/// The value as a flag would spell it.
fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            Some(texts?.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

/// Where the file stops being TOML. The parser's own message would quote the line.
fn place(text: &str, error: &toml::de::Error) -> String {
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return String::new();
    };
    format!(", from line {} on", before.matches('\n').count() + 1)
}
