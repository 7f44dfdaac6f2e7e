//! Lifetimes as people type them, and sums with them: nothing panics, nothing lies beyond the last moment, nothing goes back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_authority::authority::idle::IdleTimeout;
use token_authority::authority::moment::{Lifetime, Moment, Until};

/// By how much the calendar can turn two moments around: a month has 28 days at least and 31 at most.
const TURNED_MS: i64 = 3 * 24 * 60 * 60 * 1000;

// Eight bytes of a moment, eight more of how much later another one is, then the text.
fuzz_target!(|input: &[u8]| {
    let Some((moment, rest)) = input.split_first_chunk::<8>() else {
        return;
    };
    let Some((later, text)) = rest.split_first_chunk::<4>() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let moment = Moment(i64::from_le_bytes(*moment));
    let later = moment.plus(u32::from_le_bytes(*later).into());
    let _ = (moment.to_string(), later.to_string());

    if let Ok(lifetime) = Lifetime::parse(text) {
        assert_eq!(lifetime.as_str(), text);
        assert_eq!(Lifetime::parse_or_none(text), Ok(Some(lifetime.clone())));
        assert_eq!(Until::parse(text), Ok(Until::Lifetime(lifetime.clone())));
        add(moment, later, &lifetime);
    }
    if let Ok(Until::Date(date)) = Until::parse(text) {
        assert!(date <= Moment::MAX);
        assert!(date.to_string().starts_with(text), "{date}");
    }
    if let Ok(idle) = IdleTimeout::parse(text) {
        assert_eq!(idle.as_str(), text);
        assert!(idle.after(moment) >= moment);
    }
});

fn add(moment: Moment, later: Moment, lifetime: &Lifetime) {
    let sum = moment.checked_add(lifetime);
    if let Some(sum) = sum {
        assert!(moment < sum && sum <= Moment::MAX);
    }
    match (sum, later.checked_add(lifetime)) {
        (Some(first), Some(second)) => assert!(first.0 <= second.0.saturating_add(TURNED_MS)),
        // What can't be added to a moment can't be added to a later one, but for the moments that there are not.
        (None, Some(_)) => assert!(moment.0 < -377_705_023_201_000),
        _ => {}
    }
}
