//! How often passwords and weak imported tokens may be guessed at, counted before anything is hashed.
//!
//! | of | at once | then one in | so that |
//! |---|---|---|---|
//! | a user's passwords; an imported token's strings from one client | 5 | 30 s | nobody guesses on |
//! | a client | 60 | 1 s | nobody goes from user to user |
//! | an imported token's strings from all clients | 60 | 6 s | many clients together do not either |
//!
//! An attempt takes one of each that it counts for, and a right secret gives them back. A token that is in use everywhere is
//! not closed to all by one client with a string of yesterday, or with a grudge: that takes twelve at once, and then five, and
//! gets them 14,400 guesses a day. Users that there are not are counted as those that there are, so that nothing tells one
//! from the other. The tables are bounded: a flood of names or addresses makes them forget the oldest counts, and never grow.

mod table;
#[cfg(test)]
mod tests;

use std::sync::Mutex;
use std::time::Duration;

use ring::digest::{SHA256, digest};

use self::table::{Allowance, Table};
use super::cidr::Address;
use super::directory::Uid;
use super::error::{Error, Reason};
use super::moment::Moment;
use super::name::Name;
use super::secret::TokenId;
use super::verify::Scope;

/// The counts.
#[derive(Default)]
pub(super) struct Guesses(Mutex<Counts>);

/// Who is counted, as 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Counted([u8; 16]);

/// What an attempt counts for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guess {
    who: Counted,
    client: Option<Counted>,
    token: Option<Counted>,
}

/// An attempt that was let through, and what it took.
#[derive(Debug)]
pub(super) struct Attempt {
    guess: Guess,
    time: Moment,
}

#[derive(Default)]
struct Counts {
    users: Table,
    clients: Table,
    tokens: Table,
}

const OF_USER: Allowance = Allowance {
    burst: 5,
    interval: 30 * 1000,
};
const OF_CLIENT: Allowance = Allowance {
    burst: 60,
    interval: 1000,
};
const OF_TOKEN: Allowance = Allowance {
    burst: 60,
    interval: 6 * 1000,
};
// === impl Guesses ===

impl Guesses {
    /// Whether an attempt would be let through now. It counts for nothing.
    ///
    /// # Errors
    /// [`Reason::LimitExceeded`].
    pub(super) fn ask(&self, guess: Guess, now: Moment) -> Result<(), Error> {
        let mut counts = self.0.lock().map_err(|_| unsound())?;
        counts.ask(guess, now)
    }

    /// Lets an attempt through, or says when to try again.
    ///
    /// # Errors
    /// [`Reason::LimitExceeded`], with nothing counted.
    pub(super) fn attempt(&self, guess: Guess, now: Moment) -> Result<Attempt, Error> {
        let mut counts = self.0.lock().map_err(|_| unsound())?;
        counts.ask(guess, now)?;
        for (table, who, allowance) in counts.of(guess) {
            table.take(who, allowance, now);
        }
        Ok(Attempt { guess, time: now })
    }

    /// An attempt turned out to be no guess: it gets back what it took.
    pub(super) fn forgive(&self, attempt: &Attempt) {
        if let Ok(mut counts) = self.0.lock() {
            for (table, who, allowance) in counts.of(attempt.guess) {
                table.give_back(who, allowance, attempt.time);
            }
        }
    }
}

// === impl Guess ===

impl Guess {
    /// At a password, which a client sends if one is known.
    pub(super) fn at_password(user: Counted, client: Option<Counted>) -> Guess {
        Guess {
            who: user,
            client,
            token: None,
        }
    }

    /// At the string of an imported token.
    pub(super) fn at_token(id: TokenId, client: Counted) -> Guess {
        Guess {
            who: Counted::hashed(&[b"import", &id.0, &client.0]),
            client: Some(client),
            token: Some(Counted(id.0)),
        }
    }
}

// === impl Counts ===

impl Counts {
    /// Where an attempt is counted.
    fn of(
        &mut self,
        guess: Guess,
    ) -> impl Iterator<Item = (&mut Table, Counted, &'static Allowance)> {
        let Guess { who, client, token } = guess;
        let client = client.map(|client| (&mut self.clients, client, &OF_CLIENT));
        let token = token.map(|token| (&mut self.tokens, token, &OF_TOKEN));
        std::iter::once((&mut self.users, who, &OF_USER))
            .chain(client)
            .chain(token)
    }

    fn ask(&mut self, guess: Guess, now: Moment) -> Result<(), Error> {
        let waits = self
            .of(guess)
            .map(|(table, who, allowance)| table.wait(who, allowance, now));
        match waits.max() {
            Some(wait) if wait > 0 => {
                let mut error = Error::new(
                    Reason::LimitExceeded,
                    "too many guesses at this user or token, or from this address; wait, then try again",
                );
                error.retry_after = Some(Duration::from_millis(wait.unsigned_abs()));
                Err(error)
            }
            _ => Ok(()),
        }
    }
}

// === impl Counted ===

impl Counted {
    /// The logins of a user, whether there is one of this name or not.
    pub(super) fn logins(library: Uid, user: &Name) -> Counted {
        Counted::named(b"login", library, user)
    }

    /// The new passwords of a user.
    pub(super) fn changes(library: Uid, user: &Name) -> Counted {
        Counted::named(b"change", library, user)
    }

    /// A verifier that does not say for which client it asks: all of its library are one.
    pub(super) fn verifier(scope: Scope) -> Counted {
        let library = match scope {
            Scope::All => [0; 16],
            Scope::Library(uid) => uid.0,
        };
        Counted::hashed(&[b"verifier", &library])
    }

    /// A client.
    pub(super) fn client(address: Address) -> Counted {
        Counted(address.client())
    }

    fn named(what: &[u8], library: Uid, user: &Name) -> Counted {
        Counted::hashed(&[what, &library.0, user.as_str().as_bytes()])
    }

    fn hashed(parts: &[&[u8]]) -> Counted {
        let mut short = [0; 16];
        short.copy_from_slice(&digest(&SHA256, &parts.concat()).as_ref()[..16]);
        Counted(short)
    }
}

fn unsound() -> Error {
    Error::new(
        Reason::Internal,
        "the counts of guesses are not sound; the authority must be restarted",
    )
}
