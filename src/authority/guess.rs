//! How often passwords and weak imported tokens may be guessed at: per user or token, and per client, counted before anything
//! is hashed.
//!
//! Each has an allowance that refills with time. An attempt takes one from both, and a right password gives it back. Users
//! that there are not are counted as those that there are, so that nothing tells one from the other. The tables are
//! bounded: a flood of names or addresses makes them forget the oldest counts, and never grow.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use ring::digest::{SHA256, digest};

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

/// An attempt that was let through, and what it took.
#[derive(Debug)]
pub(super) struct Attempt {
    user: Counted,
    client: Option<Counted>,
    time: Moment,
}

#[derive(Default)]
struct Counts {
    users: Table,
    clients: Table,
}

/// The moments, in Unix milliseconds, at which each allowance is whole again. One that is not here is whole.
///
/// What is full is put aside, and what was aside before is forgotten.
#[derive(Default)]
struct Table {
    recent: HashMap<Counted, i64>,
    aside: HashMap<Counted, i64>,
}

/// An allowance.
struct Allowance {
    /// How many at once.
    burst: i64,
    /// How long until there is one more, milliseconds.
    interval: i64,
}

const OF_USER: Allowance = Allowance {
    burst: 5,
    interval: 30 * 1000,
};
const OF_CLIENT: Allowance = Allowance {
    burst: 60,
    interval: 1000,
};
/// Most entries of half a table: the four halves take about 13 MiB then. A count is forgotten after as many others within the
/// 150 s that a user's allowance takes to be whole again: 437 hashes a second, and hundreds of clients to ask for them.
const MOST: usize = 1 << 16;

// === impl Guesses ===

impl Guesses {
    /// Lets an attempt through, or says when to try again.
    ///
    /// # Errors
    /// [`Reason::LimitExceeded`], with nothing counted.
    pub(super) fn attempt(
        &self,
        user: Counted,
        client: Option<Counted>,
        now: Moment,
    ) -> Result<Attempt, Error> {
        let mut counts = self.0.lock().map_err(|_| unsound())?;
        let wait = counts.users.wait(user, &OF_USER, now);
        let of_client = client.map_or(0, |client| counts.clients.wait(client, &OF_CLIENT, now));
        let wait = wait.max(of_client);
        if wait > 0 {
            let mut error = Error::new(
                Reason::LimitExceeded,
                "too many guesses at this user or token, or from this address; wait, then try again",
            );
            error.retry_after = Some(Duration::from_millis(wait.unsigned_abs()));
            return Err(error);
        }
        counts.users.take(user, &OF_USER, now);
        if let Some(client) = client {
            counts.clients.take(client, &OF_CLIENT, now);
        }
        Ok(Attempt {
            user,
            client,
            time: now,
        })
    }

    /// An attempt turned out to be no guess: it gets back what it took.
    pub(super) fn forgive(&self, attempt: &Attempt) {
        if let Ok(mut counts) = self.0.lock() {
            counts.users.give_back(attempt.user, &OF_USER, attempt.time);
            if let Some(client) = attempt.client {
                counts.clients.give_back(client, &OF_CLIENT, attempt.time);
            }
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

    /// The strings that are presented as an imported token.
    pub(super) fn imported(id: TokenId) -> Counted {
        Counted::hashed(&[b"import", &id.0])
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

// === impl Table ===

impl Table {
    /// When this allowance is whole again.
    fn whole_at(&mut self, who: Counted, allowance: &Allowance, now: Moment) -> i64 {
        let Some(at) = self.found(who) else {
            return now.0;
        };
        // A clock that was set back makes nobody wait for longer than an empty allowance does.
        *at = (*at).min(now.0 + allowance.burst * allowance.interval);
        (*at).max(now.0)
    }

    /// Milliseconds until there is one to take.
    fn wait(&mut self, who: Counted, allowance: &Allowance, now: Moment) -> i64 {
        let missing = self.whole_at(who, allowance, now) - now.0;
        missing - (allowance.burst - 1) * allowance.interval
    }

    fn take(&mut self, who: Counted, allowance: &Allowance, now: Moment) {
        let whole_at = self.whole_at(who, allowance, now) + allowance.interval;
        if self.recent.len() >= MOST && !self.recent.contains_key(&who) {
            self.aside = std::mem::take(&mut self.recent);
        }
        self.recent.insert(who, whole_at);
    }

    /// Takes one back. An allowance that is whole again leaves nothing behind: whoever is turned away before a hash is made
    /// must not fill the table.
    fn give_back(&mut self, who: Counted, allowance: &Allowance, taken: Moment) {
        let Some(at) = self.found(who) else { return };
        *at -= allowance.interval;
        if *at <= taken.0 {
            self.recent.remove(&who);
            self.aside.remove(&who);
        }
    }

    fn found(&mut self, who: Counted) -> Option<&mut i64> {
        let recent = self.recent.get_mut(&who);
        recent.or_else(|| self.aside.get_mut(&who))
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
            guesses.attempt(user(1), Some(client(number)), NOW).unwrap();
        }
        let refused = guesses
            .attempt(user(1), Some(client(9)), later(1000))
            .unwrap_err();
        assert_eq!(refused.reason, Reason::LimitExceeded);
        assert_eq!(refused.retry_after, Some(Duration::from_secs(29)));
        guesses.attempt(user(2), Some(client(0)), NOW).unwrap();
        guesses
            .attempt(user(1), Some(client(9)), later(30_000))
            .unwrap();
        assert!(
            guesses
                .attempt(user(1), Some(client(9)), later(30_000))
                .is_err()
        );
        // Whole again after a while, and no fuller than that.
        for _ in 0..5 {
            guesses
                .attempt(user(1), Some(client(9)), later(3_600_000))
                .unwrap();
        }
        assert!(
            guesses
                .attempt(user(1), Some(client(9)), later(3_600_000))
                .is_err()
        );
    }

    #[test]
    fn a_client_tries_sixty_users_and_then_one_a_second_and_others_are_not_affected() {
        let guesses = Guesses::default();
        for number in 0..60 {
            guesses.attempt(user(number), Some(client(1)), NOW).unwrap();
        }
        let refused = guesses.attempt(user(99), Some(client(1)), NOW).unwrap_err();
        assert_eq!(refused.retry_after, Some(Duration::from_secs(1)));
        // What was refused is not counted to the user either.
        for _ in 0..5 {
            guesses.attempt(user(99), Some(client(2)), NOW).unwrap();
        }
        guesses
            .attempt(user(100), Some(client(1)), later(1000))
            .unwrap();
    }

    #[test]
    fn a_right_password_gives_back_what_it_took() {
        let guesses = Guesses::default();
        for _ in 0..100 {
            let attempt = guesses.attempt(user(1), Some(client(1)), NOW).unwrap();
            guesses.forgive(&attempt);
        }
        for _ in 0..4 {
            guesses.attempt(user(1), Some(client(1)), NOW).unwrap();
        }
        let right = guesses.attempt(user(1), Some(client(1)), NOW).unwrap();
        assert!(guesses.attempt(user(1), Some(client(1)), NOW).is_err());
        guesses.forgive(&right);
        guesses.attempt(user(1), Some(client(1)), NOW).unwrap();
    }

    #[test]
    fn a_flood_of_names_and_addresses_is_remembered_in_bounded_memory() {
        let guesses = Guesses::default();
        for _ in 0..5 {
            guesses.attempt(user(0), None, NOW).unwrap();
        }
        let most = u32::try_from(MOST).unwrap();
        for number in 1..most {
            guesses
                .attempt(user(number), Some(client(number)), NOW)
                .unwrap();
        }
        assert!(guesses.attempt(user(0), None, NOW).is_err(), "still known");
        for number in most..5 * most {
            guesses
                .attempt(user(number), Some(client(number)), NOW)
                .unwrap();
        }
        let counts = guesses.0.lock().unwrap();
        for table in [&counts.users, &counts.clients] {
            assert!(table.recent.len() <= MOST && table.aside.len() <= MOST);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out_for_longer_than_an_empty_allowance() {
        let guesses = Guesses::default();
        for _ in 0..5 {
            guesses
                .attempt(user(1), Some(client(1)), later(DAY))
                .unwrap();
        }
        let refused = guesses.attempt(user(1), Some(client(1)), NOW).unwrap_err();
        assert_eq!(refused.retry_after, Some(Duration::from_secs(30)));
        guesses
            .attempt(user(1), Some(client(1)), later(30_000))
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
