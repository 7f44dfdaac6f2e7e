//! Things that people look at, and what scripts pick out of them.

use std::io;

use super::{COLUMN_GAP, plain};

/// A thing that people look at.
pub(in crate::cli) trait Shown {
    /// The fields that are the columns of a list.
    const COLUMNS: &'static [&'static str];
    /// More of them, where there is room.
    const MORE: &'static [&'static str] = &[];
    /// The fields that are moments, as RFC 3339 writes them.
    const MOMENTS: &'static [&'static str] = &[];
    /// The field that names it, by which other commands take it.
    const NAMED_BY: &'static str;

    /// All its fields by name, in the order in which people want them; empty where there is nothing to show.
    fn fields(&self) -> Vec<(&'static str, String)>;

    /// What stands in a list instead of a field that is too much for a column.
    fn abridged(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// All that can be picked.
    fn all_fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = self.fields();
        fields.extend(self.abridged());
        fields
    }
}

/// One column of a thing in a list.
pub(super) fn cell(fields: &[(&'static str, String)], column: &str) -> String {
    let field = fields.iter().find(|(name, _)| *name == column);
    field.map(|(_, value)| plain(value)).unwrap_or_default()
}

/// A thing on one line: the columns of a list, without their widths, which nobody knows yet.
pub(super) fn line<S: Shown>(item: &S) -> String {
    let fields = item.all_fields();
    let told = S::COLUMNS.iter().map(|column| cell(&fields, column));
    let told: Vec<String> = told.filter(|value| !value.is_empty()).collect();
    format!("{}\n", told.join(&" ".repeat(COLUMN_GAP.into())))
}

/// The names of things, a line each; of several things about the same one, it is named once.
pub(super) fn names<S: Shown>(items: &[S]) -> String {
    let mut names: Vec<String> = items
        .iter()
        .map(|item| cell(&item.fields(), S::NAMED_BY))
        .collect();
    names.retain(|name| !name.is_empty());
    names.dedup();
    let mut text = names.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// One field of things, a line each.
pub(super) fn picked<S: Shown>(items: &[S], wanted: &str) -> io::Result<String> {
    let mut text = String::new();
    for item in items {
        let fields = item.all_fields();
        let Some((_, value)) = fields.iter().find(|(name, _)| *name == wanted) else {
            let known: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
            let known = known.join(", ");
            return Err(io::Error::other(format!(
                "the call succeeded, but its answer has no field {wanted}; it has {known}"
            )));
        };
        text.push_str(&plain(value));
        text.push('\n');
    }
    Ok(text)
}
