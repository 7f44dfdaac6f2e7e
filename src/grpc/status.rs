//! The one table from an error's reason to its gRPC code, and what goes with it.

use std::collections::HashMap;
use std::time::Duration;

use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::authority::error::{Error, Reason};
use crate::proto::v1::ErrorReason;

/// The domain of every `google.rpc.ErrorInfo` of this API.
pub const DOMAIN: &str = "tokenauthority.v1";
/// What the enum's names begin with, and reasons on the wire don't.
const REASON_PREFIX: &str = "ERROR_REASON_";
/// When to try again if the error doesn't say: soon, but not at once by everybody.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Field violations in one answer at most: details travel in a header, and clients take about 8 KiB of headers.
const MAX_VIOLATIONS: usize = 16;
/// What tonic adds when it refuses a compression: the ones that it would have read.
const ACCEPT_ENCODING: &str = "grpc-accept-encoding";

/// The error as it is sent.
#[must_use]
pub fn status(error: Error) -> Status {
    let (code, reason) = code_and_reason(error.reason);
    let metadata: HashMap<String, String> = error
        .metadata
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    let reason = reason.as_str_name();
    let reason = reason.strip_prefix(REASON_PREFIX).unwrap_or(reason);

    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, metadata);
    for violation in error.violations.into_iter().take(MAX_VIOLATIONS) {
        details.add_bad_request_violation(violation.field, violation.description);
    }
    let again = (code == Code::Unavailable).then_some(RETRY_AFTER);
    if let Some(after) = error.retry_after.or(again) {
        details.set_retry_info(Some(after));
    }
    Status::with_error_details(code, error.message, details)
}

/// The error as an item of a batch carries it.
#[must_use]
pub fn as_item(error: Error) -> tonic_types::pb::Status {
    let status = status(error);
    tonic_types::pb::Status::decode(status.details()).unwrap_or_else(|_| tonic_types::pb::Status {
        code: status.code().into(),
        message: status.message().to_owned(),
        details: Vec::new(),
    })
}

/// An error with no more than a reason and a sentence.
#[must_use]
pub fn plain(reason: Reason, message: &str) -> Status {
    status(Error {
        reason,
        message: message.to_owned(),
        violations: Vec::new(),
        retry_after: None,
        metadata: Vec::new(),
    })
}

/// An error that tonic made before a handler was reached: it quotes field names, and has no details.
#[must_use]
pub fn foreign(status: &Status) -> Status {
    let mut mapped = match status.code() {
        Code::Unimplemented if status.metadata().contains_key(ACCEPT_ENCODING) => plain(
            Reason::MalformedRequest,
            "the request is compressed in a way that the server does not read",
        ),
        Code::Unimplemented => plain(Reason::UnknownMethod, "there is no such method"),
        Code::OutOfRange | Code::ResourceExhausted => plain(
            Reason::LimitExceeded,
            "the request is larger than this call takes",
        ),
        // Decoding: a damaged frame, a damaged message, a text that is not UTF-8.
        Code::Internal | Code::InvalidArgument | Code::Unknown => plain(
            Reason::MalformedRequest,
            "the request is not a message of its type",
        ),
        Code::NotFound => plain(Reason::NotFound, "there is none such"),
        Code::DeadlineExceeded => deadline_exceeded(),
        Code::Unavailable => plain(Reason::NotReady, "it can't be decided now; try again"),
        Code::Ok
        | Code::Cancelled
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::DataLoss
        | Code::Unauthenticated => internal(),
    };
    if let Some(accepted) = status.metadata().get(ACCEPT_ENCODING) {
        mapped
            .metadata_mut()
            .insert(ACCEPT_ENCODING, accepted.clone());
    }
    mapped
}

/// An error that tonic made after a handler had answered: it is about the response, so the request is not to blame.
#[must_use]
pub fn unfinished(status: &Status) -> Status {
    match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => plain(
            Reason::LimitExceeded,
            "the response is larger than this call gives; ask for less",
        ),
        Code::NotFound => plain(Reason::NotFound, "there is none such"),
        Code::InvalidArgument => plain(
            Reason::MalformedRequest,
            "the request is not a message of its type",
        ),
        _ => internal(),
    }
}

/// The call took too long.
#[must_use]
pub fn deadline_exceeded() -> Status {
    plain(
        Reason::DeadlineExceeded,
        "it took longer than the call's deadline; a change may or may not have been made: repeat it with the same request_id",
    )
}

/// A fault of ours; the log says more.
#[must_use]
pub fn internal() -> Status {
    plain(
        Reason::Internal,
        "a fault of the authority itself; its log has the call id in ta-call-id",
    )
}

/// The table.
fn code_and_reason(reason: Reason) -> (Code, ErrorReason) {
    match reason {
        Reason::CredentialMissing => (Code::Unauthenticated, ErrorReason::CredentialMissing),
        Reason::CredentialRefused => (Code::Unauthenticated, ErrorReason::CredentialRefused),
        Reason::LoginRefused => (Code::Unauthenticated, ErrorReason::LoginRefused),
        Reason::PermissionDenied => (Code::PermissionDenied, ErrorReason::PermissionDenied),
        Reason::ReservedPermission => (Code::PermissionDenied, ErrorReason::ReservedPermission),
        Reason::SelfServiceDenied => (Code::FailedPrecondition, ErrorReason::SelfServiceDenied),
        Reason::InvalidFields => (Code::InvalidArgument, ErrorReason::InvalidFields),
        Reason::MalformedRequest => (Code::InvalidArgument, ErrorReason::MalformedRequest),
        Reason::NotFound => (Code::NotFound, ErrorReason::NotFound),
        Reason::NameTaken => (Code::AlreadyExists, ErrorReason::NameTaken),
        Reason::AlreadyImported => (Code::AlreadyExists, ErrorReason::AlreadyImported),
        Reason::RequestIdReused => (Code::AlreadyExists, ErrorReason::RequestIdReused),
        Reason::EtagMismatch => (Code::Aborted, ErrorReason::EtagMismatch),
        Reason::Contention => (Code::Aborted, ErrorReason::Contention),
        Reason::TokensNotEnabled => (Code::FailedPrecondition, ErrorReason::TokensNotEnabled),
        Reason::TokenState => (Code::FailedPrecondition, ErrorReason::TokenState),
        Reason::LifetimeAtMaximum => (Code::FailedPrecondition, ErrorReason::LifetimeAtMaximum),
        Reason::NotRevealable => (Code::FailedPrecondition, ErrorReason::NotRevealable),
        Reason::InUse => (Code::FailedPrecondition, ErrorReason::InUse),
        Reason::OwnerDisabled => (Code::FailedPrecondition, ErrorReason::OwnerDisabled),
        Reason::RevisionUnknown => (Code::FailedPrecondition, ErrorReason::RevisionUnknown),
        Reason::LimitExceeded => (Code::ResourceExhausted, ErrorReason::LimitExceeded),
        Reason::TooManyTokens => (Code::ResourceExhausted, ErrorReason::TooManyTokens),
        Reason::NotReady => (Code::Unavailable, ErrorReason::NotReady),
        Reason::StoreUnavailable => (Code::Unavailable, ErrorReason::StoreUnavailable),
        Reason::RecordDamaged => (Code::DataLoss, ErrorReason::RecordDamaged),
        Reason::DeadlineExceeded => (Code::DeadlineExceeded, ErrorReason::DeadlineExceeded),
        Reason::UnknownMethod => (Code::Unimplemented, ErrorReason::UnknownMethod),
        Reason::Internal => (Code::Internal, ErrorReason::Internal),
    }
}

#[cfg(test)]
mod tests;
