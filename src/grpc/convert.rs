//! Between messages and the domain. Every message is taken apart field by field, so that a new field is a compile error here;
//! all that is wrong with a request is reported at once.

mod audit;
mod filter;
mod finding;
mod import;
mod key;
mod library;
mod oneself;
mod policy;
mod session;
mod token;
mod user;
mod verify;

use prost_types::Timestamp;

pub(super) use self::audit::audit_event;
pub(super) use self::filter::{event_filter, library_uid, token_filter, watch_filter};
pub(super) use self::finding::finding;
pub(super) use self::import::{Terms, import_strength, import_terms, import_token};
pub(super) use self::key::{key_version, root_source};
pub(super) use self::library::{create_library, delete_library, library, update_library};
pub(super) use self::oneself::oneself;
pub(super) use self::policy::{applied, apply_policy, effects};
pub(super) use self::session::{open_session, set_password};
pub(super) use self::token::{
    create_token, extend_token, resume_token, revoke_all, revoke_many, revoke_token, rotate_token,
    suspend_token, token, token_id, update_token,
};
pub(super) use self::user::{
    create_user, create_user_type, delete_user, delete_user_type, update_user, update_user_type,
    user, user_type,
};
pub(super) use self::verify::{judgement, verify};
use crate::authority::cidr::Cidr;
use crate::authority::directory::{Assignment, MAX_APIS, MAX_CIDRS};
use crate::authority::error::{Error, Faults};
use crate::authority::moment::Moment;
use crate::authority::name::{self as names, MAX_DESCRIPTION_BYTES, MAX_DISPLAY_NAME_BYTES, Name};
use crate::authority::page::PageRequest;
use crate::authority::permission::{MAX_PERMISSIONS, PermissionSet};
use crate::proto::v1;

/// A request id: a UUID in its usual form, or none.
pub(super) fn request_id(text: &str) -> Result<Option<[u8; 16]>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    match uuid::Uuid::try_parse(text) {
        Ok(uuid) if text.len() == uuid::fmt::Hyphenated::LENGTH => Ok(Some(*uuid.as_bytes())),
        _ => Err(Error::invalid(
            "request_id",
            "must be a UUID, such as \"3f1c9a52-8a0e-4f0b-9d53-0a1b6c7d8e9f\"",
        )),
    }
}

/// A name that a call is about.
pub(super) fn name(field: &str, text: &str) -> Result<Name, Error> {
    Name::parse(text).map_err(|why| Error::invalid(field, why.to_string()))
}

/// Which page of a list.
pub(super) fn page(size: i32, token: String) -> PageRequest {
    PageRequest { size, token }
}

fn timestamp(moment: Moment) -> Timestamp {
    Timestamp {
        seconds: moment.0.div_euclid(1000),
        nanos: i32::try_from(moment.0.rem_euclid(1000) * 1_000_000).unwrap_or(0),
    }
}

/// A point in time, cut to milliseconds.
fn moment(timestamp: Timestamp) -> Result<Moment, &'static str> {
    const WHAT: &str = "must be a point in time between the years 1970 and 9999";
    let Timestamp { seconds, nanos } = timestamp;
    let millis = seconds
        .checked_mul(1000)
        .and_then(|ms| ms.checked_add(i64::from(nanos) / 1_000_000));
    let sound = (0..1_000_000_000).contains(&nanos);
    match millis.map(Moment) {
        Some(moment) if sound && (Moment(1)..=Moment::MAX).contains(&moment) => Ok(moment),
        _ => Err(WHAT),
    }
}

fn display_name(faults: &mut Faults, text: &str) -> String {
    faults
        .take("display_name", names::text(text, MAX_DISPLAY_NAME_BYTES))
        .unwrap_or_default()
}

fn description(faults: &mut Faults, field: &str, text: &str) -> String {
    faults
        .take(field, names::text(text, MAX_DESCRIPTION_BYTES))
        .unwrap_or_default()
}

fn short(faults: &mut Faults, field: &str, text: &str) -> String {
    faults
        .take(field, names::text(text, MAX_DISPLAY_NAME_BYTES))
        .unwrap_or_default()
}

fn required_name(faults: &mut Faults, field: &str, text: &str) -> Option<Name> {
    faults.take(field, Name::parse(text))
}

fn permissions(faults: &mut Faults, texts: &[String]) -> PermissionSet {
    if texts.len() > MAX_PERMISSIONS {
        faults.add(
            "permissions",
            format!("holds more than {MAX_PERMISSIONS} items"),
        );
        return PermissionSet::default();
    }
    PermissionSet::parse(texts).unwrap_or_else(|(i, why)| {
        faults.add(format!("permissions[{i}]"), why);
        PermissionSet::default()
    })
}

fn apis(faults: &mut Faults, field: &str, texts: &[String]) -> Vec<Name> {
    as_set(faults.take_list(field, texts, MAX_APIS, |text| Name::parse(text)))
}

fn cidrs(faults: &mut Faults, texts: &[String]) -> Vec<Cidr> {
    as_set(faults.take_list("allowed_cidrs", texts, MAX_CIDRS, |text| Cidr::parse(text)))
}

/// Sorted, each item once.
fn as_set<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort_unstable();
    items.dedup();
    items
}

/// The pinned assignment: a user type, with a department or without one.
fn pin(faults: &mut Faults, department: &str, user_type: &str) -> Option<Assignment> {
    let department = faults.take("department", Name::parse_optional(department))?;
    let user_type = faults.take("user_type", Name::parse_optional(user_type))?;
    match (department, user_type) {
        (None, None) => None,
        (department, Some(user_type)) => Some(Assignment {
            department,
            user_type,
        }),
        (Some(_), None) => {
            faults.add(
                "user_type",
                "must be given with a department: together they name an assignment",
            );
            None
        }
    }
}

/// A value of an enum; `None` for 0, a fault for one that this version does not know.
fn known<E: TryFrom<i32>>(faults: &mut Faults, field: &str, value: i32) -> Option<E> {
    if value == 0 {
        return None;
    }
    faults.take(
        field,
        E::try_from(value).map_err(|_| "is not a value that this server knows"),
    )
}

/// The fields that an update empties. A field that is set as well contradicts itself.
struct Clear<'a>(&'a [String]);

impl Clear<'_> {
    fn check(&self, faults: &mut Faults, allowed: &[&str]) {
        if self.0.len() > allowed.len() {
            faults.add("clear", format!("holds more than {} items", allowed.len()));
            return;
        }
        for (i, field) in self.0.iter().enumerate() {
            if !allowed.contains(&field.as_str()) {
                faults.add(
                    format!("clear[{i}]"),
                    format!("must be one of {}", allowed.join(", ")),
                );
            }
        }
    }

    /// A new list: the one given if it is not empty, an empty one if the field is cleared, else `None`.
    fn list<T, U>(
        &self,
        faults: &mut Faults,
        field: &str,
        given: &[T],
        parsed: U,
        empty: U,
    ) -> Option<U> {
        match (given.is_empty(), self.has(field)) {
            (true, false) => None,
            (true, true) => Some(empty),
            (false, false) => Some(parsed),
            (false, true) => {
                self.contradicts(faults, field);
                None
            }
        }
    }

    /// A new text: the one given, an empty one if the field is cleared, else `None`.
    fn text(&self, faults: &mut Faults, field: &str, given: Option<String>) -> Option<String> {
        match (given, self.has(field)) {
            (given, false) => given,
            (None, true) => Some(String::new()),
            (Some(_), true) => {
                self.contradicts(faults, field);
                None
            }
        }
    }

    fn has(&self, field: &str) -> bool {
        self.0.iter().any(|f| f == field)
    }

    #[expect(clippy::unused_self, reason = "it is about what is cleared")]
    fn contradicts(&self, faults: &mut Faults, field: &str) {
        faults.add(field, "must not be set and cleared at once");
    }
}

fn texts<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(T::to_string).collect()
}

fn assignment(assignment: &Assignment) -> v1::Assignment {
    v1::Assignment {
        department: assignment
            .department
            .as_ref()
            .map(Name::to_string)
            .unwrap_or_default(),
        user_type: assignment.user_type.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time_are_checked_and_cut_to_milliseconds() {
        let at = |seconds, nanos| moment(Timestamp { seconds, nanos });
        assert_eq!(at(1, 999_999), Ok(Moment(1000)));
        assert_eq!(at(253_402_300_799, 999_999_999), Ok(Moment::MAX));
        for (seconds, nanos) in [
            (0, 0),
            (-1, 0),
            (i64::MAX, 0),
            (i64::MIN, 0),
            (253_402_300_800, 0),
            (1, -1),
            (1, i32::MAX),
        ] {
            assert!(at(seconds, nanos).is_err(), "{seconds} {nanos}");
        }
        assert_eq!(moment(timestamp(Moment(1_234_567))), Ok(Moment(1_234_567)));
    }

    #[test]
    fn request_ids_are_uuids_in_their_usual_form() {
        assert_eq!(request_id(""), Ok(None));
        let id = request_id("3F1C9A52-8a0e-4f0b-9d53-0a1b6c7d8e9f").unwrap();
        assert_eq!(
            id,
            request_id("3f1c9a52-8a0e-4f0b-9d53-0a1b6c7d8e9f").unwrap()
        );
        for bad in [
            "1",
            "3f1c9a528a0e4f0b9d530a1b6c7d8e9f",
            "{3f1c9a52-8a0e-4f0b-9d53-0a1b6c7d8e9f}",
            "3f1c9a52-8a0e-4f0b-9d53-0a1b6c7d8e9g",
        ] {
            assert!(request_id(bad).is_err(), "{bad}");
        }
    }
}
