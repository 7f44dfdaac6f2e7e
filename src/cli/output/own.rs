//! Answers of the command line itself, which no message of the API stands for.

use std::io;
use std::slice;

use serde_json::{Map, Value};

use super::form::{Form, Format};
use super::shown::{Shown, names, picked};
use super::{Output, plain};

// === impl Output ===

impl Output<'_> {
    /// Answers with a list of the command line's own things; as a message, each is an object of texts.
    pub(in crate::cli) fn own<S: Shown>(&mut self, items: &[S]) -> io::Result<()> {
        let text = match &self.form {
            Form::Whole(Format::Json) => pretty(&Value::Array(items.iter().map(object).collect())),
            Form::Whole(Format::Yaml) => {
                let all: Vec<Value> = items.iter().map(object).collect();
                serde_saphyr::to_string(&all).map_err(io::Error::other)?
            }
            Form::Whole(Format::Name) => names(items),
            Form::Field(field) => picked(items, field)?,
            Form::Whole(_) if items.is_empty() => String::new(),
            Form::Whole(_) => self.list(items),
        };
        self.answer(&text)
    }

    /// Answers with one of them.
    pub(in crate::cli) fn own_one<S: Shown>(&mut self, shown: &S) -> io::Result<()> {
        let one = slice::from_ref(shown);
        let text = match &self.form {
            Form::Whole(Format::Json) => pretty(&object(shown)),
            Form::Whole(Format::Yaml) => {
                serde_saphyr::to_string(&object(shown)).map_err(io::Error::other)?
            }
            Form::Whole(Format::Name) => names(one),
            Form::Field(field) => picked(one, field)?,
            Form::Whole(_) => self.record(shown),
        };
        self.answer(&text)
    }

    /// Answers with a list of them, which people are told in these words.
    pub(in crate::cli) fn report<S: Shown>(&mut self, items: &[S], told: &str) -> io::Result<()> {
        if self.form.is_table() {
            return self.answer(told);
        }
        self.own(items)
    }

    /// Answers with a text that is what was asked for, in whatever form.
    pub(in crate::cli) fn text(&mut self, text: &str) -> io::Result<()> {
        self.answer(text)
    }

    /// Says that something is done, where nobody waits for an answer in another form.
    pub(in crate::cli) fn did(&mut self, sentence: &str) -> io::Result<()> {
        if self.form.is_table() {
            return self.answer(&format!("{}\n", plain(sentence)));
        }
        Ok(())
    }
}

fn object(shown: &impl Shown) -> Value {
    let fields = shown
        .fields()
        .into_iter()
        .filter(|(_, value)| !value.is_empty());
    Value::Object(
        fields
            .map(|(name, value)| (name.to_owned(), Value::String(value)))
            .collect::<Map<_, _>>(),
    )
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
