//! What an answer is seen on: how wide it is, whether it shows colours, and when it is read.

use std::io::{self, IsTerminal};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use jiff::Timestamp;

use super::form::Colour;
use crate::clock::{SystemTimeSource, TimeSource as _};

/// Columns of a terminal that does not say how many it has.
const USUAL_WIDTH: u16 = 80;

const GOOD: Style = AnsiColor::Green.on_default();
const CAUTION: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const HINT: Style = AnsiColor::Cyan.on_default();
const HEADING: Style = Style::new().bold();

/// What stands for a style while a table is laid out: tag characters take no column. Stored text has none (`plain`).
const MARKS: [(char, Style); 4] = [
    ('\u{e0061}', GOOD),
    ('\u{e0062}', CAUTION),
    ('\u{e0063}', BAD),
    ('\u{e0064}', HEADING),
];
/// What stands for the end of a style.
const END: char = '\u{e007f}';

/// The fields whose words have a colour.
const COLOURED: [&str; 5] = ["state", "user-state", "verdict", "status", "outcome"];

/// What standard output and standard error are seen on.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Screen {
    /// Columns of standard output; `None` where it is no terminal, and nothing is wrapped.
    pub(in crate::cli) width: Option<u16>,
    /// Whether standard output takes colours.
    pub(in crate::cli) colours: bool,
    /// Whether standard error does.
    pub(in crate::cli) colours_aside: bool,
    /// Whether somebody watches standard error as it is written.
    pub(in crate::cli) watched: bool,
    /// When it is read.
    pub(in crate::cli) now: Timestamp,
}

// === impl Screen ===

impl Screen {
    /// That of this process. Its environment may ask for colours, or for none (`NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE`, `TERM`).
    pub(in crate::cli) fn of_process() -> Screen {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let wanted = |choice| choice != ColorChoice::Never;
        let now = Timestamp::from_millisecond(SystemTimeSource.wall_ms());
        Screen {
            width: width(),
            colours: wanted(AutoStream::choice(&stdout)),
            colours_aside: wanted(AutoStream::choice(&stderr)),
            watched: stderr.is_terminal(),
            now: now.unwrap_or_default(),
        }
    }

    /// The same, as an option wants it.
    pub(in crate::cli) fn with(self, colour: Colour) -> Screen {
        let (colours, colours_aside) = match colour {
            Colour::Auto => return self,
            Colour::Always => (true, true),
            Colour::Never => (false, false),
        };
        Screen {
            colours,
            colours_aside,
            ..self
        }
    }

    /// The words of an error or a warning, in colours where there are any: each line by what it begins with.
    pub(in crate::cli) fn aside(self, text: &str) -> String {
        if !self.colours_aside {
            return text.to_owned();
        }
        let painted = text.split_inclusive('\n').map(|line| {
            let style = match line.split_once(": ").map(|(kind, _)| kind) {
                Some("error") => BAD,
                Some("warning" | "dry run") => CAUTION,
                Some("hint" | "note" | "usage") => HINT,
                _ => return line.to_owned(),
            };
            let (kind, rest) = line.split_once(": ").unwrap_or_default();
            format!("{}: {rest}", paint(style, kind))
        });
        painted.collect()
    }

    /// The heading of a column, marked.
    pub(super) fn heading(self, name: &str) -> String {
        self.marked(Some(HEADING), name)
    }

    /// The value of a field, marked if it has a colour.
    pub(in crate::cli) fn value(self, field: &str, value: &str) -> String {
        let style = style(value.trim()).filter(|_| COLOURED.contains(&field));
        self.marked(style, value)
    }

    /// Text with its marks turned into colours.
    pub(in crate::cli) fn painted(self, text: String) -> String {
        if !self.colours {
            return text;
        }
        let mut painted = text.replace(END, &anstyle::Reset.to_string());
        for (mark, style) in MARKS {
            painted = painted.replace(mark, &style.to_string());
        }
        painted
    }

    fn marked(self, style: Option<Style>, text: &str) -> String {
        let mark = MARKS.iter().find(|(_, marked)| Some(*marked) == style);
        match mark.filter(|_| self.colours) {
            Some((mark, _)) => format!("{mark}{text}{END}"),
            None => text.to_owned(),
        }
    }
}

fn style(word: &str) -> Option<Style> {
    match word {
        "active" | "valid" | "serving" | "ok" => Some(GOOD),
        "suspended" | "not-yet-valid" | "warn" => Some(CAUTION),
        "revoked" | "expired" | "owner-deleted" | "disabled" | "fail" | "not-serving"
        | "service-unknown" | "malformed" | "not-found" | "permission-denied" => Some(BAD),
        _ => None,
    }
}

fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// How wide standard output is, if it is a terminal.
fn width() -> Option<u16> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout);
    let columns = size.map_or(0, |size| size.ws_col);
    Some(if columns == 0 { USUAL_WIDTH } else { columns })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOURFUL: Screen = Screen {
        width: None,
        colours: true,
        colours_aside: true,
        watched: false,
        now: Timestamp::UNIX_EPOCH,
    };

    #[test]
    fn a_state_has_its_colour_and_a_name_that_is_spelt_like_one_has_none() {
        let painted = |field, value| COLOURFUL.painted(COLOURFUL.value(field, value));
        assert_eq!(painted("state", "active"), "\u{1b}[32mactive\u{1b}[0m");
        assert_eq!(painted("state", "revoked"), "\u{1b}[31mrevoked\u{1b}[0m");
        assert_eq!(painted("display-name", "active"), "active");
        let newer = "of-a-newer-server";
        assert_eq!(painted("state", newer), newer);
    }

    #[test]
    fn an_error_is_coloured_by_the_word_that_it_begins_with_alone() {
        let text = "error: no\nreason: error: X\nhint: go on\n";
        assert_eq!(
            COLOURFUL.aside(text),
            "\u{1b}[31merror\u{1b}[0m: no\nreason: error: X\n\u{1b}[36mhint\u{1b}[0m: go on\n"
        );
    }

    #[test]
    fn without_colours_nothing_is_added() {
        let plain = COLOURFUL.with(Colour::Never);
        assert_eq!(plain.value("state", "active"), "active");
        assert_eq!(plain.aside("error: no\n"), "error: no\n");
        assert_eq!(plain.heading("STATE"), "STATE");
        assert!(plain.with(Colour::Always).colours);
    }
}
