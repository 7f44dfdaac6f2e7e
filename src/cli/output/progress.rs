//! How far long work is, on one line of standard error that what comes next takes the place of.

use super::Output;

/// Characters of the bar.
const BAR: usize = 24;
/// Goes back to the beginning of the line, and empties it.
const CLEAR: &str = "\r\u{1b}[K";

// === impl Output ===

impl Output<'_> {
    /// Tells that so many of so many are done, or so many of nobody knows how many; where somebody watches, and nowhere else.
    pub(in crate::cli) fn progress(&mut self, what: &str, done: usize, of: Option<usize>) {
        if !self.screen.watched {
            return;
        }
        let told = match of {
            Some(of) => format!("{what} {} {done} of {of}", bar(done, of)),
            None => format!("{what} ... {done}"),
        };
        self.aside(&told);
        self.in_progress = true;
    }

    /// The line is free again.
    pub(in crate::cli) fn end_progress(&mut self) {
        if std::mem::take(&mut self.in_progress) {
            self.aside(CLEAR);
        }
    }
}

fn bar(done: usize, of: usize) -> String {
    let full = (BAR * done.min(of)).checked_div(of).unwrap_or(BAR);
    format!("[{}{}]", "#".repeat(full), " ".repeat(BAR - full))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::{Form, Format, Screen};
    use super::*;

    /// What standard error gets of work that is told of three times, and then of its end.
    fn told(watched: bool) -> String {
        let screen = Screen {
            width: None,
            colours: false,
            colours_aside: false,
            watched,
            now: Timestamp::UNIX_EPOCH,
        };
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut output = Output::new(Form::Whole(Format::Table), screen, &mut stdout, &mut stderr);
        output.progress("importing", 0, Some(4));
        output.progress("importing", 3, Some(4));
        output.progress("looking", 7, None);
        output.note("note", "done");
        String::from_utf8(stderr).unwrap()
    }

    #[test]
    fn a_line_is_drawn_anew_and_gone_before_anything_else_is_told() {
        let expected = [
            "importing [                        ] 0 of 4",
            CLEAR,
            "importing [##################      ] 3 of 4",
            CLEAR,
            "looking ... 7",
            CLEAR,
            "note: done\n",
        ];
        assert_eq!(told(true), expected.concat());
    }

    #[test]
    fn where_nobody_watches_nothing_is_drawn() {
        assert_eq!(told(false), "note: done\n");
    }

    #[test]
    fn a_bar_of_nothing_is_full() {
        assert_eq!(bar(0, 0), format!("[{}]", "#".repeat(BAR)));
    }
}
