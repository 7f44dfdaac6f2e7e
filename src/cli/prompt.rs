//! A line that is typed at a terminal without being shown.

use std::io::{self, Cursor, Read, Write};

use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use zeroize::Zeroizing;

/// Standard input, where it is a terminal: asks at the first read, and ends with the line that is typed then.
#[derive(Default)]
pub(super) struct HiddenLine(Option<Cursor<Zeroizing<String>>>);

/// A terminal that does not show what is typed, until this is dropped.
struct Hushed<'a> {
    terminal: &'a io::Stdin,
    before: Termios,
}

// === impl HiddenLine ===

impl Read for HiddenLine {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Some(line) => line.read(buffer),
            unasked @ None => unasked.insert(Cursor::new(ask()?)).read(buffer),
        }
    }
}

// === impl Hushed ===

impl<'a> Hushed<'a> {
    fn new(terminal: &'a io::Stdin) -> io::Result<Self> {
        let before = termios::tcgetattr(terminal)?;
        let mut hushed = before.clone();
        hushed.local_modes.remove(LocalModes::ECHO);
        // Enter still ends the line on the screen.
        hushed.local_modes.insert(LocalModes::ECHONL);
        termios::tcsetattr(terminal, OptionalActions::Flush, &hushed)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hushed<'_> {
    fn drop(&mut self) {
        // Nothing better can be done for a terminal that does not listen.
        let _ = termios::tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

fn ask() -> io::Result<Zeroizing<String>> {
    let terminal = io::stdin();
    let _hushed = Hushed::new(&terminal)?;
    write!(io::stderr(), "Token: ")?;
    let mut line = Zeroizing::new(String::new());
    terminal.read_line(&mut line)?;
    Ok(line)
}
