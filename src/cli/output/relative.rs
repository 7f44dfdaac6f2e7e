//! Moments as they are from now: "in 12 d", "3 h ago".

use jiff::Timestamp;

/// The units, the largest first, with their milliseconds.
const UNITS: [(&str, i64); 5] = [
    ("y", 365 * 24 * 60 * 60 * 1000),
    ("d", 24 * 60 * 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("min", 60 * 1000),
    ("s", 1000),
];

/// The nearest whole number of the largest unit of which there are two or more, so that it is never off by more than a quarter.
pub(super) fn relative(then: Timestamp, now: Timestamp) -> String {
    let apart = then.as_millisecond() - now.as_millisecond();
    let length = apart.abs();
    let Some((unit, of)) = UNITS.iter().find(|(_, of)| length >= 2 * of) else {
        return "now".to_owned();
    };
    let count = (length + of / 2) / of;
    if apart > 0 {
        format!("in {count} {unit}")
    } else {
        format!("{count} {unit} ago")
    }
}

/// The same of a text in RFC 3339; `None` if it is none.
pub(super) fn relative_text(then: &str, now: Timestamp) -> Option<String> {
    Some(relative(then.parse().ok()?, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_the_largest_unit_of_which_there_are_two() {
        const MINUTE: i64 = 60;
        const HOUR: i64 = 60 * MINUTE;
        const DAY: i64 = 24 * HOUR;
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for (seconds, told) in [
            (0, "now"),
            (1, "now"),
            (2, "in 2 s"),
            (-2, "2 s ago"),
            (119, "in 119 s"),
            (2 * MINUTE, "in 2 min"),
            (2 * MINUTE + 29, "in 2 min"),
            (2 * MINUTE + 30, "in 3 min"),
            (2 * HOUR - 1, "in 120 min"),
            (-2 * HOUR, "2 h ago"),
            (-36 * HOUR, "36 h ago"),
            (48 * HOUR, "in 2 d"),
            (12 * DAY, "in 12 d"),
            (365 * DAY, "in 365 d"),
            (2 * 365 * DAY, "in 2 y"),
            (-10 * 365 * DAY, "10 y ago"),
        ] {
            let then = Timestamp::from_second(1_800_000_000 + seconds).unwrap();
            assert_eq!(relative(then, now), told, "{seconds}");
        }
    }

    #[test]
    fn a_text_that_is_no_moment_has_none() {
        assert_eq!(relative_text("soon", Timestamp::UNIX_EPOCH), None);
        assert_eq!(
            relative_text("1970-01-13T00:00:00Z", Timestamp::UNIX_EPOCH).as_deref(),
            Some("in 12 d")
        );
    }
}
