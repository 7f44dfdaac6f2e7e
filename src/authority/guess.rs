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

#[cfg(test)]
mod tests {
    use super::table::MOST;
    use super::*;

    const NOW: Moment = Moment(1_800_000_000_000);
    const DAY: i64 = 24 * 3600 * 1000;

    fn user(number: u32) -> Counted {
        Counted::logins(Uid([7; 16]), &Name::parse(&format!("u{number}")).unwrap())
    }

    fn client(number: u32) -> Counted {
        Counted::client(Address::new(std::net::Ipv4Addr::from_bits(number).into()))
    }

    fn later(milliseconds: i64) -> Moment {
        Moment(NOW.0 + milliseconds)
    }

    #[test]
    fn a_user_is_guessed_at_five_times_and_then_once_in_thirty_seconds() {
        let guesses = Guesses::default();
        for number in 0..5 {
            guesses
                .attempt(Guess::at_password(user(1), Some(client(number))), NOW)
                .unwrap();
        }
        let refused = guesses
            .attempt(Guess::at_password(user(1), Some(client(9))), later(1000))
            .unwrap_err();
        assert_eq!(refused.reason, Reason::LimitExceeded);
        assert_eq!(refused.retry_after, Some(Duration::from_secs(29)));
        guesses
            .attempt(Guess::at_password(user(2), Some(client(0))), NOW)
            .unwrap();
        guesses
            .attempt(Guess::at_password(user(1), Some(client(9))), later(30_000))
            .unwrap();
        assert!(
            guesses
                .attempt(Guess::at_password(user(1), Some(client(9))), later(30_000))
                .is_err()
        );
        // Whole again after a while, and no fuller than that.
        for _ in 0..5 {
            guesses
                .attempt(
                    Guess::at_password(user(1), Some(client(9))),
                    later(3_600_000),
                )
                .unwrap();
        }
        assert!(
            guesses
                .attempt(
                    Guess::at_password(user(1), Some(client(9))),
                    later(3_600_000)
                )
                .is_err()
        );
    }

    #[test]
    fn a_client_tries_sixty_users_and_then_one_a_second_and_others_are_not_affected() {
        let guesses = Guesses::default();
        for number in 0..60 {
            guesses
                .attempt(Guess::at_password(user(number), Some(client(1))), NOW)
                .unwrap();
        }
        let refused = guesses
            .attempt(Guess::at_password(user(99), Some(client(1))), NOW)
            .unwrap_err();
        assert_eq!(refused.retry_after, Some(Duration::from_secs(1)));
        // What was refused is not counted to the user either.
        for _ in 0..5 {
            guesses
                .attempt(Guess::at_password(user(99), Some(client(2))), NOW)
                .unwrap();
        }
        guesses
            .attempt(Guess::at_password(user(100), Some(client(1))), later(1000))
            .unwrap();
    }

    #[test]
    fn a_client_that_guesses_at_a_token_blocks_itself_and_many_together_are_stopped() {
        let guesses = Guesses::default();
        let attempt = |number: u32, now| {
            let guess = Guess::at_token(TokenId([7; 16]), client(number));
            guesses.attempt(guess, now)
        };
        for _ in 0..5 {
            attempt(0, NOW).unwrap();
        }
        let refused = attempt(0, NOW).unwrap_err();
        assert_eq!(refused.retry_after, Some(Duration::from_secs(30)));
        for number in 5..60 {
            attempt(number, NOW).unwrap();
        }
        let refused = attempt(60, NOW).unwrap_err();
        assert_eq!(refused.retry_after, Some(Duration::from_secs(6)));
        let of_token = Guess::at_token(TokenId([7; 16]), client(60));
        assert!(guesses.ask(of_token, NOW).is_err());
        // Asking takes nothing, and each six seconds let one more through, from whomever.
        for _ in 0..9 {
            guesses.ask(of_token, later(6000)).unwrap();
        }
        let right = attempt(60, later(6000)).unwrap();
        assert!(attempt(61, later(6000)).is_err());
        guesses.forgive(&right);
        attempt(61, later(6000)).unwrap();
        // It is one client of other tokens, too.
        let other = Guess::at_token(TokenId([8; 16]), client(60));
        guesses.attempt(other, NOW).unwrap();
    }

    #[test]
    fn a_right_password_gives_back_what_it_took() {
        let guesses = Guesses::default();
        for _ in 0..100 {
            let attempt = guesses
                .attempt(Guess::at_password(user(1), Some(client(1))), NOW)
                .unwrap();
            guesses.forgive(&attempt);
        }
        for _ in 0..4 {
            guesses
                .attempt(Guess::at_password(user(1), Some(client(1))), NOW)
                .unwrap();
        }
        let right = guesses
            .attempt(Guess::at_password(user(1), Some(client(1))), NOW)
            .unwrap();
        assert!(
            guesses
                .attempt(Guess::at_password(user(1), Some(client(1))), NOW)
                .is_err()
        );
        guesses.forgive(&right);
        guesses
            .attempt(Guess::at_password(user(1), Some(client(1))), NOW)
            .unwrap();
    }

    #[test]
    fn a_flood_of_names_and_addresses_is_remembered_in_bounded_memory() {
        let guesses = Guesses::default();
        for _ in 0..5 {
            guesses
                .attempt(Guess::at_password(user(0), None), NOW)
                .unwrap();
        }
        let most = u32::try_from(MOST).unwrap();
        for number in 1..most {
            guesses
                .attempt(Guess::at_password(user(number), Some(client(number))), NOW)
                .unwrap();
        }
        assert!(
            guesses
                .attempt(Guess::at_password(user(0), None), NOW)
                .is_err(),
            "still known"
        );
        for number in most..5 * most {
            guesses
                .attempt(Guess::at_password(user(number), Some(client(number))), NOW)
                .unwrap();
            let mut token = [0; 16];
            token[..4].copy_from_slice(&number.to_be_bytes());
            let guess = Guess::at_token(TokenId(token), client(number));
            guesses.attempt(guess, NOW).unwrap();
        }
        let counts = guesses.0.lock().unwrap();
        for table in [&counts.users, &counts.clients, &counts.tokens] {
            assert!(table.recent.len() <= MOST && table.aside.len() <= MOST);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out_for_longer_than_an_empty_allowance() {
        let guesses = Guesses::default();
        for _ in 0..5 {
            guesses
                .attempt(Guess::at_password(user(1), Some(client(1))), later(DAY))
                .unwrap();
        }
        let refused = guesses
            .attempt(Guess::at_password(user(1), Some(client(1))), NOW)
            .unwrap_err();
        assert_eq!(refused.retry_after, Some(Duration::from_secs(30)));
        guesses
            .attempt(Guess::at_password(user(1), Some(client(1))), later(30_000))
            .unwrap();
    }

    #[test]
    fn the_addresses_of_one_network_of_a_client_are_one_client() {
        let counted = |text: &str| Counted::client(Address::parse(text).unwrap());
        assert_eq!(counted("2001:db8::1"), counted("2001:db8::ffff:1"));
        assert_ne!(counted("2001:db8::1"), counted("2001:db8:0:1::1"));
        assert_eq!(counted("::ffff:192.0.2.1"), counted("192.0.2.1"));
        assert_ne!(counted("192.0.2.1"), counted("192.0.2.2"));
    }
}
