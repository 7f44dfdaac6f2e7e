//! What is typed, or piped in, and shown nowhere: tokens and passwords.

use std::io::{self, Cursor, Read, Write};

use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use zeroize::Zeroizing;

use super::failure::Failure;

/// Standard input, where it is a terminal: asks at the first read, and ends with the line that is typed then.
pub(super) struct HiddenLine {
    /// Each is asked; all must be answered alike.
    prompts: &'static [&'static str],
    line: Option<Cursor<Zeroizing<String>>>,
}

/// What is read from standard input.
pub(super) struct Wanted {
    /// As it is called.
    pub(super) what: &'static str,
    /// How it is handed over.
    pub(super) hint: &'static str,
    /// Longest, bytes.
    pub(super) limit: u64,
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hushed<'a> {
    terminal: &'a io::Stdin,
    before: Termios,
}

// === impl HiddenLine ===

impl HiddenLine {
    pub(super) fn new(prompts: &'static [&'static str]) -> Self {
        let line = None;
        Self { prompts, line }
    }
}

impl Read for HiddenLine {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.line {
            Some(line) => line.read(buffer),
            unasked @ None => unasked.insert(Cursor::new(ask(self.prompts)?)).read(buffer),
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

// === impl Wanted ===

impl Wanted {
    /// All that there is, but for the newline that ends a file.
    pub(super) fn read(&self, input: &mut dyn Read) -> Result<Zeroizing<String>, Failure> {
        let Wanted { what, hint, limit } = *self;
        let mut bytes = Zeroizing::new(Vec::new());
        input.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            let why = format!("standard input is longer than any {what}");
            return Err(Failure::usage(why, hint));
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| Failure::usage("standard input is not text", hint))?;
        let line = text.strip_suffix('\n').unwrap_or(text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            let why = format!("there is no {what} on standard input");
            return Err(Failure::usage(why, hint));
        }
        Ok(Zeroizing::new(line.to_owned()))
    }
}

/// Asks a question on the terminal that standard input is, and shows what is typed.
pub(super) fn question(text: &str) -> io::Result<String> {
    write!(io::stderr(), "{text}")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer)
}

fn ask(prompts: &[&str]) -> io::Result<Zeroizing<String>> {
    let terminal = io::stdin();
    let _hushed = Hushed::new(&terminal)?;
    let mut first: Option<Zeroizing<String>> = None;
    for prompt in prompts {
        write!(io::stderr(), "{prompt}")?;
        let mut line = Zeroizing::new(String::new());
        terminal.read_line(&mut line)?;
        if first.get_or_insert_with(|| line.clone()) != &line {
            return Err(io::Error::other(
                "the two are not the same; nothing was sent",
            ));
        }
    }
    Ok(first.unwrap_or_default())
}
