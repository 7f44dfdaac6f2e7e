//! The API's enums and moments as people type and read them: `USER_KIND_API_ONLY` is `api-only`.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::proto::v1;

/// An enum that people read.
pub(super) trait Word {
    /// The short word for a number on the wire; empty for the unspecified one.
    fn word(number: i32) -> String;
}

macro_rules! read {
    ($($name:ident $prefix:literal;)*) => {$(
        impl Word for v1::$name {
            fn word(number: i32) -> String {
                match Self::try_from(number) {
                    Ok(Self::Unspecified) => String::new(),
                    Ok(value) => value.as_str_name().trim_start_matches($prefix).to_lowercase().replace('_', "-"),
                    // A newer server than this client.
                    Err(_) => format!("unknown-{number}"),
                }
            }
        }
    )*};
}

read! {
    AccessRight "ACCESS_RIGHT_";
    ImportStrength "IMPORT_STRENGTH_";
    KeyState "KEY_STATE_";
    LibraryState "LIBRARY_STATE_";
    ReviewReason "REVIEW_REASON_";
    RevocationReason "REVOCATION_REASON_";
    RootKeySource "ROOT_KEY_SOURCE_";
    SecretDisplay "SECRET_DISPLAY_";
    TokenKind "TOKEN_KIND_";
    TokenSort "TOKEN_SORT_";
    TokenState "TOKEN_STATE_";
    UserKind "USER_KIND_";
    UserState "USER_STATE_";
    Verdict "VERDICT_";
}

/// The enums that people type as well. The words are literals because clap wants them so; a test holds them against the
/// names in the API.
macro_rules! typed {
    ($($name:ident { $($value:ident $word:literal $help:literal,)* })*) => {$(
        impl ValueEnum for v1::$name {
            fn value_variants<'a>() -> &'a [Self] {
                &[$(Self::$value),*]
            }

            fn to_possible_value(&self) -> Option<PossibleValue> {
                match self {
                    Self::Unspecified => None,
                    $(Self::$value => Some(PossibleValue::new($word).help($help)),)*
                }
            }
        }
    )*};
}

typed! {
    AccessRight {
        Full "full" "All that the user has, except reserved permissions that are not listed",
        ReadOnly "read-only" "Of full, the actions read, list and get",
        Custom "custom" "The listed permissions, as far as the user has them",
    }
    Filter {
        DataOwner "data-owner" "To the data of the data owner that the answer names",
        Department "department" "To the departments of the assignments that the answer names",
    }
    ImportStrength {
        Strong "strong" "112 bits of entropy or more",
        Weak "weak" "Less, or unknown: to be rotated",
    }
    LibraryState {
        Active "active" "Its tokens are judged on their own merits",
        Disabled "disabled" "All its tokens are refused, until it is active again",
    }
    RevocationReason {
        Compromised "compromised" "Its secret was seen, or may have been seen, by somebody else",
        Superseded "superseded" "Another token took its place",
        NoLongerNeeded "no-longer-needed" "What it was made for has ended",
        OwnerLeft "owner-left" "The person or system that used it has left",
        Other "other" "Anything else: see --comment",
    }
    SecretDisplay {
        Once "once" "When the token is made, and never again",
        Revealable "revealable" "As often as its user or an administrator asks; they are kept, sealed",
    }
    TokenSort {
        Created "created" "When they were made: the newest first",
        Expires "expires" "When they expire: the soonest first",
    }
    TokenState {
        Active "active" "Good, as far as the token itself is concerned",
        Suspended "suspended" "Switched off; it can be resumed",
        NotYetValid "not-yet-valid" "Its first moment is still to come",
        Expired "expired" "Its last moment has passed",
        Revoked "revoked" "Revoked, for good",
        OwnerDeleted "owner-deleted" "Its user or its library was deleted",
    }
    TokenKind {
        Api "api" "An integration: external applications and code",
        Session "session" "A login with user name and password, as of a mobile app",
    }
    UserKind {
        Standard "standard" "A person who can log in",
        ApiOnly "api-only" "A system: administrators manage its tokens",
        Contact "contact" "A customer's person, who may see that customer's data alone",
    }
    UserState {
        Active "active" "Its tokens are judged on their own merits",
        Disabled "disabled" "All its tokens are refused, until it is active again",
    }
}

/// The number on the wire of what was typed; 0 if nothing was.
pub(super) fn number(typed: Option<impl Into<i32>>) -> i32 {
    typed.map_or(0, Into::into)
}

/// What a length of time that somebody types is counted from.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock is that of whoever types; no server is asked for its own"
)]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

/// A moment as people type it: in RFC 3339, or a date, which is its first moment in UTC.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    let of_date = || {
        let date = Date::strptime("%Y-%m-%d", text).ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    let told = text.parse().ok().or_else(of_date);
    told.ok_or_else(|| "write 2027-06-30, or 2027-06-30T00:00:00Z".to_owned())
}

/// As the API takes a moment.
pub(super) fn time(time: Timestamp) -> prost_types::Timestamp {
    // On the wire the fraction counts forward from the second, before 1970 too.
    let nanos = time.as_nanosecond();
    let (seconds, nanos) = (
        nanos.div_euclid(1_000_000_000),
        nanos.rem_euclid(1_000_000_000),
    );
    prost_types::Timestamp {
        seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
        nanos: i32::try_from(nanos).unwrap_or_default(),
    }
}

/// The fields to empty, as the API spells them, of what was typed after `--clear`.
pub(super) fn cleared<Field: ValueEnum>(typed: &[Field]) -> Vec<String> {
    let name = |field: &Field| {
        field
            .to_possible_value()
            .map(|value| value.get_name().replace('-', "_"))
    };
    typed.iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_spelled_as_what_is_read() {
        fn check<E: ValueEnum + Word + Into<i32>>() {
            for value in E::value_variants() {
                let typed = value.to_possible_value().unwrap().get_name().to_owned();
                assert_eq!(typed, E::word(value.clone().into()));
            }
        }
        check::<v1::AccessRight>();
        check::<v1::ImportStrength>();
        check::<v1::LibraryState>();
        check::<v1::RevocationReason>();
        check::<v1::SecretDisplay>();
        check::<v1::TokenSort>();
        check::<v1::TokenState>();
        check::<v1::TokenKind>();
        check::<v1::UserKind>();
        check::<v1::UserState>();
    }

    #[test]
    fn every_value_of_the_api_can_be_typed() {
        fn check<E: ValueEnum + TryFrom<i32>>() {
            let named = (1..100)
                .filter(|number| E::try_from(*number).is_ok())
                .count();
            assert_eq!(E::value_variants().len(), named);
        }
        check::<v1::AccessRight>();
        check::<v1::Filter>();
        check::<v1::ImportStrength>();
        check::<v1::LibraryState>();
        check::<v1::RevocationReason>();
        check::<v1::TokenSort>();
        check::<v1::TokenState>();
        check::<v1::TokenKind>();
        check::<v1::UserKind>();
        check::<v1::UserState>();
    }

    #[test]
    fn a_date_is_its_first_moment_in_utc() {
        let first = moment("2027-06-30T00:00:00Z").unwrap();
        assert_eq!(moment("2027-06-30"), Ok(first));
        assert_eq!(moment("2027-06-30T02:00:00+02:00"), Ok(first));
        // A time of day means nothing without the place it is told at.
        for text in ["2027-06-30T02:00:00", "2027-02-30", "tomorrow", "", "30d"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_value_of_a_newer_server_is_shown_by_its_number() {
        assert_eq!(v1::Verdict::word(99), "unknown-99");
        assert_eq!(
            v1::Verdict::word(v1::Verdict::NotYetValid.into()),
            "not-yet-valid"
        );
        assert_eq!(v1::RevocationReason::word(0), "");
    }
}
