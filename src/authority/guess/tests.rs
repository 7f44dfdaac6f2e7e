//! Who is let through how often, and what is remembered of it.

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
