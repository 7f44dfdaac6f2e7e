//! Lifetimes added by the calendar, computed anew: days are numbered as in Howard Hinnant's `days_from_civil`.

use crate::authority::tests::stage::DAY;

const HOUR: i64 = DAY / 24;

/// A time plus a lifetime of one unit, such as "90d" or "12mo". In a shorter month the last day stands for a later one.
pub(super) fn later(time: i64, lifetime: &str) -> i64 {
    let digits = lifetime.find(|c: char| !c.is_ascii_digit()).unwrap();
    let (number, unit) = lifetime.split_at(digits);
    let number: i64 = number.parse().unwrap();
    match unit {
        "h" => time + number * HOUR,
        "d" => time + number * DAY,
        "mo" => months_later(time, number),
        "y" => months_later(time, 12 * number),
        other => panic!("{other}"),
    }
}

fn months_later(time: i64, months: i64) -> i64 {
    let (days, of_day) = (time.div_euclid(DAY), time.rem_euclid(DAY));
    let (year, month, day) = date_of(days);
    let month = year * 12 + month - 1 + months;
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
    let next = if month == 12 {
        (year + 1, 1)
    } else {
        (year, month + 1)
    };
    let length = number_of(next.0, next.1, 1) - number_of(year, month, 1);
    number_of(year, month, day.min(length)) * DAY + of_day
}

/// The number of a day, counted from 1970-01-01.
fn number_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn date_of(number: i64) -> (i64, i64, i64) {
    // No library is needed to find the year and month whose first day is the last not after it.
    let mut year = 1970 + number.div_euclid(366);
    while number_of(year + 1, 1, 1) <= number {
        year += 1;
    }
    let month = (1..=12).rev().find(|m| number_of(year, *m, 1) <= number);
    let month = month.unwrap();
    (year, month, number - number_of(year, month, 1) + 1)
}

#[test]
fn the_calendar_is_right_where_it_is_odd() {
    use crate::authority::tests::samples::at;
    for (start, lifetime, end) in [
        ("2026-01-31T10:00:00Z", "1mo", "2026-02-28T10:00:00Z"),
        ("2028-02-29T00:00:00Z", "1y", "2029-02-28T00:00:00Z"),
        ("2027-12-31T23:59:59Z", "2mo", "2028-02-29T23:59:59Z"),
        ("2026-11-30T00:00:00Z", "1mo", "2026-12-30T00:00:00Z"),
        ("2026-03-01T12:00:00Z", "36h", "2026-03-03T00:00:00Z"),
        ("2099-12-31T00:00:00Z", "24mo", "2101-12-31T00:00:00Z"),
    ] {
        assert_eq!(
            later(at(start).0, lifetime),
            at(end).0,
            "{start} {lifetime}"
        );
    }
}
