//! What every error of this API must look like. The list of reasons in `error_reason.proto` is the contract.

use std::fmt::Debug;

use prost::Message as _;
use token_authority::proto::v1::ErrorReason;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

const LIST: &str = include_str!("../../proto/tokenauthority/v1/error_reason.proto");
const PREFIX: &str = "ERROR_REASON_";
const DOMAIN: &str = "tokenauthority.v1";

/// Fails unless the call was refused for this reason, in the form that is documented.
#[track_caller]
pub(crate) fn assert_refused<T: Debug>(answer: Result<T, Status>, reason: ErrorReason) -> Status {
    let status = answer.expect_err("the call must be refused");
    assert_eq!(
        reason_of(&status),
        reason,
        "{} {:?}",
        status.message(),
        status.get_error_details()
    );
    status
}

/// The reason of an error, which is checked to be one of the list, with its code and its details.
#[track_caller]
pub(crate) fn reason_of(status: &Status) -> ErrorReason {
    let details = status.get_error_details();
    let info = details
        .error_info()
        .unwrap_or_else(|| panic!("an error without ErrorInfo: {status:?}"));
    assert_eq!(info.domain, DOMAIN);
    let name = format!("{PREFIX}{}", info.reason);
    let reason = ErrorReason::from_str_name(&name).expect("a reason of the list");
    assert_eq!(status.code(), code_of(reason), "{name}");
    assert!(
        !status.message().is_empty(),
        "{name}: it says what can be done"
    );
    if reason == ErrorReason::InvalidFields {
        let bad = details.bad_request().expect("the fields are named");
        assert!(!bad.field_violations.is_empty());
    }
    if status.code() == Code::Unavailable {
        let retry = details.retry_info().expect("it says when to try again");
        assert!(retry.retry_delay.is_some());
    }
    let inside = tonic_types::pb::Status::decode(status.details()).expect("a google.rpc.Status");
    assert_eq!(inside.code, i32::from(status.code()));
    assert_eq!(inside.message, status.message());
    reason
}

/// The fields that an error names.
pub(crate) fn fields_of(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let violations = details
        .bad_request()
        .map(|bad| bad.field_violations.clone());
    let fields = violations.unwrap_or_default();
    fields
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

/// How many bytes the headers of an error take, as HTTP/2 counts them (RFC 9113, section 6.5.2).
pub(crate) fn bytes_sent(status: &Status) -> usize {
    let response = status.clone().into_http::<()>();
    let headers = response.headers().iter();
    headers
        .map(|(name, value)| name.as_str().len() + value.len() + 32)
        .sum()
}

/// What an error tells programs under this key.
pub(crate) fn told(status: &Status, key: &str) -> Option<String> {
    let info = status.get_details_error_info()?;
    info.metadata.get(key).cloned()
}

/// Every reason, in the order of the list.
pub(crate) fn every_reason() -> Vec<ErrorReason> {
    (1..1000)
        .filter_map(|number| ErrorReason::try_from(number).ok())
        .collect()
}

/// The code in brackets in the list, above the value.
fn code_of(reason: ErrorReason) -> Code {
    let value = format!("\n  {} = ", reason.as_str_name());
    let (before, _) = LIST.split_once(&value).expect("a value of the list");
    let (_, bracket) = before.rsplit_once("// [").expect("its comment");
    let (name, _) = bracket.split_once(']').expect("its code");
    (1..=16)
        .map(Code::from_i32)
        .find(|code| screaming(&format!("{code:?}")) == name)
        .unwrap_or_else(|| panic!("{name} is no code"))
}

/// `NotFound` as `NOT_FOUND`.
fn screaming(camel: &str) -> String {
    let mut name = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[test]
fn the_list_gives_every_reason_a_code() {
    let reasons = every_reason();
    // Less the unspecified one.
    assert_eq!(reasons.len(), LIST.matches("\n  ERROR_REASON_").count() - 1);
    for reason in reasons {
        assert_ne!(code_of(reason), Code::Ok);
    }
    assert_eq!(code_of(ErrorReason::NotFound), Code::NotFound);
    assert_eq!(code_of(ErrorReason::InUse), Code::FailedPrecondition);
}
