//! Points in time, and lifetimes as people type them. What `now` is, is always an argument.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// A point in time: Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub i64);

/// The time of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Judged time: the later of the clock and of the latest time that this store has seen.
    pub time: Moment,
    /// What may be kept as the latest time seen; nothing while the clock is not trusted.
    pub mark: Option<Moment>,
}

/// A lifetime such as "90d", "12mo" or "1y": positive, counted by the calendar.
#[derive(Clone, PartialEq, Eq)]
pub struct Lifetime(String);

/// Until when something shall last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// This long, from a start that the context gives.
    Lifetime(Lifetime),
    /// Until the beginning of a day, which somebody gave as a lifetime.
    Date(Moment),
    /// Until this moment.
    Moment(Moment),
}

/// Longest text of a lifetime, bytes: "100y 11mo 30d 23h 59m 59s" takes 26.
const MAX_LIFETIME_BYTES: usize = 64;

// === impl Moment ===

impl Moment {
    /// The last moment that a protobuf timestamp can tell: the end of the year 9999.
    pub const MAX: Moment = Moment(253_402_300_799_999);

    /// This moment plus so many milliseconds; the last of all beyond that.
    #[must_use]
    pub fn plus(self, milliseconds: i64) -> Moment {
        Moment(self.0.saturating_add(milliseconds))
    }

    /// This moment plus a lifetime, by the calendar in UTC: 29 February plus a year is 28 February.
    /// `None` beyond the year 9999.
    #[must_use]
    pub fn checked_add(self, lifetime: &Lifetime) -> Option<Moment> {
        let zoned = Timestamp::from_millisecond(self.0)
            .ok()?
            .to_zoned(TimeZone::UTC);
        let sum = zoned.checked_add(lifetime.span()?).ok()?;
        Some(Moment(sum.timestamp().as_millisecond())).filter(|m| *m <= Moment::MAX)
    }
}

impl fmt::Display for Moment {
    /// RFC 3339, in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => timestamp.fmt(f),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

// === impl Now ===

impl Now {
    /// The time that is judged by, where it must not be kept: the clock is not trusted.
    #[must_use]
    pub fn ahead(self) -> Option<Moment> {
        self.mark.is_none().then_some(self.time)
    }
}

// === impl Lifetime ===

impl Lifetime {
    /// The only door.
    pub fn parse(text: &str) -> Result<Lifetime, &'static str> {
        const WHAT: &str = "must be a lifetime such as \"90d\", \"12mo\" or \"1y\"";
        if text.len() > MAX_LIFETIME_BYTES || !text.is_ascii() {
            return Err(WHAT);
        }
        let span: Span = text.parse().map_err(|_| WHAT)?;
        let lifetime = Lifetime(text.to_owned());
        if !span.is_positive() {
            return Err("must be longer than nothing");
        }
        // A lifetime is only ever counted from about now, so the epoch tells whether it can be added at all.
        match Moment(0).checked_add(&lifetime) {
            None => Err("must end before the year 9999"),
            Some(end) if end <= Moment(0) => Err("must be at least a millisecond"),
            Some(_) => Ok(lifetime),
        }
    }

    /// The same, or no time at all, such as "0s", which is `None`.
    pub fn parse_or_none(text: &str) -> Result<Option<Lifetime>, &'static str> {
        let nothing = text.len() <= MAX_LIFETIME_BYTES
            && text.is_ascii()
            && text.parse().is_ok_and(|span: Span| span.is_zero());
        if nothing {
            return Ok(None);
        }
        Lifetime::parse(text).map(Some)
    }

    /// Its text, as typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn span(&self) -> Option<Span> {
        self.0.parse().ok()
    }
}

impl fmt::Debug for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

// === impl Until ===

impl Until {
    /// A lifetime, or a date such as "2027-06-30", which ends where that day begins in UTC: it must be used before it.
    pub fn parse(text: &str) -> Result<Until, &'static str> {
        const WHAT: &str = "must be a lifetime such as \"90d\", \"12mo\" or \"1y\", or a date such as \"2027-06-30\"";
        if text.len() == 10 && text.as_bytes()[4] == b'-' {
            let date: Date = text.parse().map_err(|_| WHAT)?;
            let start = date.to_zoned(TimeZone::UTC).map_err(|_| WHAT)?;
            return Ok(Until::Date(Moment(start.timestamp().as_millisecond())));
        }
        Lifetime::parse(text).map(Until::Lifetime).map_err(|why| {
            if why.starts_with("must be a lifetime") {
                WHAT
            } else {
                why
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        Moment(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    fn later(start: &str, lifetime: &str) -> String {
        at(start)
            .checked_add(&Lifetime::parse(lifetime).unwrap())
            .unwrap()
            .to_string()
    }

    #[test]
    fn lifetimes_count_by_the_calendar() {
        assert_eq!(later("2026-01-31T10:00:00Z", "90d"), "2026-05-01T10:00:00Z");
        assert_eq!(later("2026-01-31T10:00:00Z", "1mo"), "2026-02-28T10:00:00Z");
        assert_eq!(later("2028-02-29T00:00:00Z", "1y"), "2029-02-28T00:00:00Z");
        assert_eq!(
            later("2026-01-01T00:00:00Z", "12mo"),
            "2027-01-01T00:00:00Z"
        );
        assert_eq!(later("2026-01-01T00:00:00Z", "36h"), "2026-01-02T12:00:00Z");
    }

    #[test]
    fn what_is_no_lifetime_is_refused() {
        for bad in [
            "",
            "0d",
            "-1d",
            "1y ago",
            "90",
            "d",
            "1x",
            "18446744073709551615d",
            "99999y",
            "9999999999999h",
            "1d\0",
            "٣d",
            &"1d".repeat(100),
        ] {
            assert!(Lifetime::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_date_ends_where_its_day_begins() {
        assert_eq!(
            Until::parse("2027-06-30"),
            Ok(Until::Date(at("2027-06-30T00:00:00Z")))
        );
        for bad in ["2027-02-30", "2027-13-01", "2027/06/30", "27-06-30"] {
            assert!(Until::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_sum_passes_the_year_9999() {
        assert_eq!(
            Moment::MAX.checked_add(&Lifetime::parse("1d").unwrap()),
            None
        );
        assert_eq!(
            Moment(i64::MAX).checked_add(&Lifetime::parse("1d").unwrap()),
            None
        );
    }
}
