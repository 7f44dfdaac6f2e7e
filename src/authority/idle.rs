//! How long a session may lie idle.

use std::fmt;

use super::moment::{Lifetime, Moment};

/// The shortest idle timeout, milliseconds: below it, what a crash takes back of the last uses would outweigh it.
const SHORTEST_MS: i64 = 5 * 60 * 1000;

/// For how long a session may go unused, as people type it: at least five minutes. A month counts as 31 days, so that no
/// calendar is needed to judge a session.
#[derive(Clone)]
pub struct IdleTimeout {
    text: Lifetime,
    milliseconds: i64,
}

// === impl IdleTimeout ===

impl IdleTimeout {
    /// The only door.
    pub fn parse(text: &str) -> Result<IdleTimeout, &'static str> {
        let text = Lifetime::parse(text)?;
        match Moment(0).checked_add(&text) {
            Some(Moment(milliseconds)) if milliseconds >= SHORTEST_MS => {
                Ok(IdleTimeout { text, milliseconds })
            }
            _ => Err("must be at least 5 minutes"),
        }
    }

    /// The same; `None` for an empty text, which stands for no timeout.
    pub fn parse_optional(text: &str) -> Result<Option<IdleTimeout>, &'static str> {
        if text.is_empty() {
            return Ok(None);
        }
        IdleTimeout::parse(text).map(Some)
    }

    /// Its text, as typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// When a session that was active at this moment has lain idle for this long.
    #[must_use]
    pub fn after(&self, active: Moment) -> Moment {
        active.plus(self.milliseconds)
    }
}

impl PartialEq for IdleTimeout {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for IdleTimeout {}

impl fmt::Debug for IdleTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_at_least_five_minutes_long() {
        for good in ["5m", "300s", "30m", "12h", "7d", "1mo"] {
            assert_eq!(IdleTimeout::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "299s", "4m", "0s", "-1h", "soon"] {
            assert!(IdleTimeout::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(IdleTimeout::parse_optional(""), Ok(None));
    }

    #[test]
    fn it_is_counted_from_the_last_activity() {
        let timeout = IdleTimeout::parse("1h30m").unwrap();
        assert_eq!(timeout.after(Moment(1000)), Moment(1000 + 90 * 60 * 1000));
        assert_eq!(timeout.after(Moment(i64::MAX)), Moment(i64::MAX));
    }
}
