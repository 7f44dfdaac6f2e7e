//! What is written, and where: answers to standard output as tables or as messages, all else to standard error.

mod form;
mod message;
mod own;
mod plain;
mod progress;
mod relative;
mod screen;
mod secret;
mod shown;

use std::io::{self, ErrorKind, Write};
use std::slice;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use tonic_health::pb::HealthCheckResponse;

pub(super) use self::form::{Colour, Form, FormOptions, Format};
use self::message::{json, json_line, yaml, yaml_document};
pub(super) use self::plain::plain;
use self::relative::relative_text;
pub(super) use self::screen::Screen;
pub(super) use self::secret::WithSecret;
pub(super) use self::shown::Shown;
use self::shown::{cell, line, names, picked};
use crate::proto::v1;

/// Spaces between two columns.
const COLUMN_GAP: u16 = 2;
/// Stands in a list where there is nothing, so that each row has as many words as the heading.
const NOTHING_THERE: &str = "-";

/// The two streams.
pub(super) struct Output<'a> {
    form: Form,
    screen: Screen,
    stdout: &'a mut dyn Write,
    stderr: &'a mut dyn Write,
    /// Whether a line of standard error tells how far something is.
    in_progress: bool,
}

/// A response of the API.
pub(super) trait Answer: prost::Message {
    /// Its full name.
    const NAME: &'static str;
    /// The descriptors that it is among.
    const DESCRIPTORS: &'static [u8] = crate::proto::FILE_DESCRIPTOR_SET;
}

macro_rules! answers {
    ($($name:ident)*) => {
        $(impl Answer for v1::$name {
            const NAME: &'static str = concat!("tokenauthority.v1.", stringify!($name));
        })*

        #[cfg(test)]
        const ANSWERS: &[&str] = &[$(v1::$name::NAME),*];
    };
}

answers! {
    CreateLibraryResponse GetLibraryResponse ListLibrariesResponse UpdateLibraryResponse DeleteLibraryResponse
    CreateUserTypeResponse GetUserTypeResponse ListUserTypesResponse UpdateUserTypeResponse DeleteUserTypeResponse
    CreateUserResponse GetUserResponse ListUsersResponse UpdateUserResponse DeleteUserResponse
    CreateTokenResponse GetTokenResponse ListTokensResponse UpdateTokenResponse ExtendTokenResponse RotateTokenResponse
    SuspendTokenResponse ResumeTokenResponse RevokeTokenResponse RevokeTokensResponse RevealTokenResponse
    GetKeyStatusResponse RotateKeyResponse RetireKeyResponse
    ApplyPolicyResponse ImportTokensResponse OpenSessionResponse SetPasswordResponse
    ListAuditEventsResponse ReviewTokensResponse WatchEventsResponse VerifyResponse WhoAmIResponse
}

impl Answer for HealthCheckResponse {
    const NAME: &'static str = "grpc.health.v1.HealthCheckResponse";
    const DESCRIPTORS: &'static [u8] = tonic_health::pb::FILE_DESCRIPTOR_SET;
}

// === impl Output ===

impl<'a> Output<'a> {
    pub(super) fn new(
        form: Form,
        screen: Screen,
        stdout: &'a mut dyn Write,
        stderr: &'a mut dyn Write,
    ) -> Self {
        Self {
            form,
            screen,
            stdout,
            stderr,
            in_progress: false,
        }
    }

    /// Answers with one thing.
    pub(super) fn one(
        &mut self,
        response: &impl Answer,
        shown: Option<&impl Shown>,
    ) -> io::Result<()> {
        let text = match (&self.form, shown) {
            (Form::Whole(Format::Json), _) => json(response)?,
            (Form::Whole(Format::Yaml), _) => yaml(response)?,
            (_, None) => String::new(),
            (Form::Whole(Format::Table | Format::Wide), Some(shown)) => self.record(shown),
            (Form::Whole(Format::Name), Some(shown)) => names(slice::from_ref(shown)),
            (Form::Field(field), Some(shown)) => picked(slice::from_ref(shown), field)?,
        };
        self.answer(&text)
    }

    /// Answers with a list; `rest` is the page token of what was left off.
    pub(super) fn many<S: Shown>(
        &mut self,
        response: &impl Answer,
        items: &[S],
        rest: &str,
    ) -> io::Result<()> {
        let text = match &self.form {
            Form::Whole(Format::Json) => json(response)?,
            Form::Whole(Format::Yaml) => yaml(response)?,
            Form::Whole(Format::Table | Format::Wide) => self.list(items),
            Form::Whole(Format::Name) => names(items),
            Form::Field(field) => picked(items, field)?,
        };
        self.answer(&text)?;
        if !rest.is_empty() {
            self.note("note", "there are more; --limit says how many are listed");
        }
        Ok(())
    }

    /// Answers with more of a list that has no end, a line for each item; in JSON, for each response. Says whether anybody still
    /// reads.
    pub(super) fn more<S: Shown>(
        &mut self,
        response: &impl Answer,
        items: &[S],
    ) -> io::Result<bool> {
        let text = match &self.form {
            Form::Whole(Format::Json) => json_line(response)?,
            Form::Whole(Format::Yaml) => yaml_document(response)?,
            Form::Whole(Format::Table | Format::Wide) => items.iter().map(line).collect(),
            Form::Whole(Format::Name) => names(items),
            Form::Field(field) => picked(items, field)?,
        };
        match write_whole(self.stdout, &text) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true),
        }
    }

    /// Answers that something is done, of which nothing is left to show.
    pub(super) fn done(&mut self, response: &impl Answer, sentence: &str) -> io::Result<()> {
        let text = match &self.form {
            Form::Whole(Format::Json) => json(response)?,
            Form::Whole(Format::Yaml) => yaml(response)?,
            Form::Whole(Format::Table | Format::Wide) => format!("{sentence}\n"),
            Form::Whole(Format::Name) | Form::Field(_) => {
                self.aside(&format!("{sentence}\n"));
                String::new()
            }
        };
        self.answer(&text)
    }

    /// Whether it leaves out what it is not told to write, and so a secret.
    pub(super) fn picks(&self) -> bool {
        matches!(self.form, Form::Field(_) | Form::Whole(Format::Name))
    }

    /// Answers with a new token: its secret alone on standard output, so that `> file` keeps it and nothing else. Here,
    /// unlike elsewhere, a reader that has gone is an error: it has missed what can't be had again.
    pub(super) fn secret(&mut self, response: &impl WithSecret) -> io::Result<()> {
        match self.form {
            Form::Whole(Format::Json) => return write_whole(self.stdout, &json(response)?),
            Form::Whole(Format::Yaml) => return write_whole(self.stdout, &yaml(response)?),
            _ => {}
        }
        write_whole(self.stdout, &format!("{}\n", response.secret()))?;
        if let Some(token) = response.token() {
            self.aside_as(|output| output.record(token));
        }
        self.warnings(response.warnings());
        self.usage(response.usage().unwrap_or_default());
        Ok(())
    }

    /// Passes on what the server warns of. In a message it stands in the answer.
    pub(super) fn warnings(&mut self, warnings: &[String]) {
        for warning in warnings {
            self.remark("warning", warning);
        }
    }

    /// Tells how to use a token. In a message it stands in the answer.
    pub(super) fn usage(&mut self, usage: &str) {
        if !usage.is_empty() {
            self.remark("usage", usage);
        }
    }

    /// Tells what belongs to an answer. In a message it stands in the answer.
    pub(super) fn remark(&mut self, kind: &str, text: &str) {
        if !self.form.is_message() {
            self.note(kind, text);
        }
    }

    /// Shows aside what a question is about.
    pub(super) fn preview<S: Shown>(&mut self, items: &[S]) {
        self.aside_as(|output| output.list(items));
    }

    /// Tells something aside.
    pub(super) fn note(&mut self, kind: &str, text: &str) {
        let text = format!("{kind}: {}\n", plain(text));
        self.aside(&self.screen.aside(&text));
    }

    /// Tells aside what would else be an answer, in colours only if standard error takes them.
    fn aside_as(&mut self, told: impl Fn(&Self) -> String) {
        let colours = std::mem::replace(&mut self.screen.colours, self.screen.colours_aside);
        let told = told(self);
        self.screen.colours = colours;
        self.aside(&told);
    }

    fn aside(&mut self, text: &str) {
        self.end_progress();
        // Where standard error can't be written to, nobody can be told so; the answer still counts.
        let _ = write_whole(self.stderr, text);
    }

    fn answer(&mut self, text: &str) -> io::Result<()> {
        self.end_progress();
        unless_gone(write_whole(self.stdout, text))
    }

    fn record<S: Shown>(&self, shown: &S) -> String {
        let mut table = self.table();
        let fields = shown
            .fields()
            .into_iter()
            .filter(|(_, value)| !value.is_empty());
        let told = fields.map(|(name, value)| {
            let value = plain(&value);
            let from_now = self.told_from_now::<S>(name, &value);
            let value = match from_now {
                Some(from_now) => format!("{value} ({from_now})"),
                None => self.screen.value(name, &value),
            };
            [name.to_owned(), value]
        });
        table.add_rows(told);
        self.screen.painted(render(table))
    }

    fn list<S: Shown>(&self, items: &[S]) -> String {
        let more: &[&str] = match self.form {
            Form::Whole(Format::Wide) => S::MORE,
            _ => &[],
        };
        let columns: Vec<&str> = S::COLUMNS.iter().chain(more).copied().collect();
        let mut table = self.table();
        table.set_header(
            columns
                .iter()
                .map(|name| self.screen.heading(&name.to_uppercase())),
        );
        for item in items {
            let fields = item.all_fields();
            let filled = |column: &&str| match cell(&fields, column) {
                value if value.is_empty() => NOTHING_THERE.to_owned(),
                value => match self.told_from_now::<S>(column, &value) {
                    Some(from_now) => from_now,
                    None => self.screen.value(column, &value),
                },
            };
            table.add_row(columns.iter().map(filled));
        }
        self.screen.painted(render(table))
    }

    /// A moment as it is from now; the wide form tells it to the second.
    fn told_from_now<S: Shown>(&self, field: &str, value: &str) -> Option<String> {
        let told = S::MOMENTS.contains(&field) && self.form != Form::Whole(Format::Wide);
        told.then(|| relative_text(value, self.screen.now))?
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(NOTHING);
        match self.screen.width {
            Some(width) => table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        table
    }
}

fn render(mut table: Table) -> String {
    if table.row_count() == 0 && table.header().is_none() {
        return String::new();
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, COLUMN_GAP));
    }
    table.trim_fmt() + "\n"
}

fn write_whole(to: &mut dyn Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes())?;
    to.flush()
}

/// A reader that has gone, as `head` does, has read what it wanted.
fn unless_gone(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;

    use super::*;
    use crate::proto::FILE_DESCRIPTOR_SET;

    #[test]
    fn every_answer_is_known_by_its_name_in_the_api() {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
        for service in pool.services() {
            for method in service
                .methods()
                .filter(|method| method.name() != "VerifyBatch")
            {
                assert!(
                    ANSWERS.contains(&method.output().full_name()),
                    "{}",
                    method.full_name()
                );
            }
        }
        assert!(
            ANSWERS
                .iter()
                .all(|name| pool.get_message_by_name(name).is_some())
        );
    }

    #[test]
    fn json_is_canonical_and_leaves_no_field_out() {
        let answer = v1::ListUserTypesResponse {
            user_types: vec![v1::UserType {
                library: "acme".to_owned(),
                user_type: "clerk".to_owned(),
                create_time: Some(prost_types::Timestamp {
                    seconds: 1_800_000_000,
                    nanos: 500_000_000,
                }),
                ..Default::default()
            }],
            next_page_token: String::new(),
        };
        let expected = r#"{
  "userTypes": [
    {
      "library": "acme",
      "userType": "clerk",
      "permissions": [],
      "createTime": "2027-01-15T08:00:00.500Z",
      "etag": ""
    }
  ],
  "nextPageToken": ""
}
"#;
        assert_eq!(json(&answer).unwrap(), expected);
    }
}
