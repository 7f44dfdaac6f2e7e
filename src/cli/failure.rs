//! What went wrong, told so that a person knows what to do next.

mod hint;

use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use tonic::{Code, Status};
use tonic_types::{FieldViolation, StatusExt};

use self::hint::hint;
use super::Exit;
use super::output::plain;

/// Why a command did not do what it was told. No text of it holds a secret.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was not given as it must be; nothing was sent.
    Usage { message: String, hint: String },
    /// There is no connection; nothing was sent.
    Unreachable { server: String, cause: String },
    /// The call failed.
    Call(Box<Status>),
    /// Nobody knows whether the change was made.
    Unsettled {
        status: Box<Status>,
        request_id: String,
    },
    /// The token was made, but its secret could not be written out.
    Undelivered {
        token_id: String,
        request_id: String,
        error: io::Error,
    },
    /// Of several things, some were not done; what was shown says which.
    Partly { failed: usize, of: usize },
    /// This machine: its streams, its randomness.
    Local(io::Error),
}

// === impl Failure ===

impl Failure {
    pub(super) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            hint: hint.into(),
        }
    }

    pub(super) fn file(what: &str, path: &Path, error: &io::Error) -> Self {
        let hint = match error.kind() {
            ErrorKind::NotFound => "check the path",
            ErrorKind::PermissionDenied => "run this as somebody who may read it",
            _ => "check the file",
        };
        Self::usage(
            format!("can't read {what} from {}: {error}", path.display()),
            hint,
        )
    }

    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Unreachable { .. } | Self::Unsettled { .. } => Exit::Unreachable,
            Self::Call(status) if is_unsettled(status) => Exit::Unreachable,
            Self::Call(_) | Self::Undelivered { .. } | Self::Partly { .. } | Self::Local(_) => {
                Exit::Failed
            }
        }
    }

    pub(super) fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Usage { message, hint } => {
                writeln!(to, "error: {message}\nhint: {hint}")
            }
            Self::Unreachable { server, cause } => {
                writeln!(to, "error: can't reach {server}: {cause}")?;
                writeln!(
                    to,
                    "hint: is it running? --server or TOKEN_AUTHORITY_SERVER names another one"
                )
            }
            Self::Call(status) => {
                write_status(status, to)?;
                hint(status).map_or(Ok(()), |hint| writeln!(to, "hint: {hint}"))
            }
            Self::Unsettled { status, request_id } => {
                write_status(status, to)?;
                writeln!(to, "The change may or may not have been made.")?;
                writeln!(
                    to,
                    "hint: within 10 minutes, repeat the command with --request-id {request_id}"
                )?;
                writeln!(
                    to,
                    "      and it is carried out once, however often it is sent"
                )
            }
            Self::Undelivered {
                token_id,
                request_id,
                error,
            } => {
                writeln!(
                    to,
                    "error: token {token_id} was made, but its secret could not be written out: {error}"
                )?;
                writeln!(
                    to,
                    "hint: within 10 minutes, repeat the command with --request-id {request_id}"
                )?;
                writeln!(to, "      to get it once more, or revoke the token")
            }
            Self::Partly { failed, of } => {
                writeln!(
                    to,
                    "error: {failed} of {of} could not be done\nhint: see above"
                )
            }
            Self::Local(error) => writeln!(to, "error: {error}"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Local(error)
    }
}

/// Whether nobody has said what became of the call: it may have been carried out.
pub(super) fn is_unsettled(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded => true,
        // Without a reason, it was not the authority that spoke but the transport, as of a broken connection.
        Code::Unknown | Code::Internal | Code::Cancelled => {
            status.get_details_error_info().is_none()
        }
        _ => false,
    }
}

/// An error with what caused it, on one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Many a wrapper says what it wraps; once is enough.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn write_status(status: &Status, to: &mut dyn Write) -> io::Result<()> {
    let message = if status.message().is_empty() {
        status.code().description()
    } else {
        status.message()
    };
    writeln!(to, "error: {}", plain(message))?;
    let details = status.get_error_details();
    if let Some(request) = details.bad_request() {
        let told = |violation: &&FieldViolation| {
            status.message() == format!("{} {}", violation.field, violation.description)
        };
        for violation in request.field_violations.iter().filter(|v| !told(v)) {
            writeln!(
                to,
                "  {}: {}",
                plain(&violation.field),
                plain(&violation.description)
            )?;
        }
    }
    if let Some(info) = details.error_info() {
        writeln!(to, "reason: {}", plain(&info.reason))?;
        if let Some(verdict) = info.metadata.get("verdict") {
            writeln!(to, "verdict: {}", plain(verdict))?;
        }
    }
    match details.retry_info().and_then(|retry| retry.retry_delay) {
        Some(delay) => writeln!(to, "retry after: {delay:?}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn told(failure: &Failure) -> String {
        let mut text = Vec::new();
        failure.write(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn status(code: Code, reason: &str) -> Status {
        let details = ErrorDetails::with_error_info(reason, "tokenauthority.v1", []);
        Status::with_error_details(code, "it went wrong", details)
    }

    #[test]
    fn a_failed_call_names_its_fields_its_reason_and_what_to_do() {
        let mut details = ErrorDetails::with_error_info("INVALID_FIELDS", "tokenauthority.v1", []);
        details.add_bad_request_violation("allowed_cidrs[0]", "host bits are set in 10.0.0.1/8");
        details.add_bad_request_violation("lifetime", "is not a\u{1b}[2J lifetime");
        let status =
            Status::with_error_details(Code::InvalidArgument, "2 fields are wrong", details);
        assert_eq!(
            told(&Failure::Call(Box::new(status))),
            "error: 2 fields are wrong\n  allowed_cidrs[0]: host bits are set in 10.0.0.1/8\n  lifetime: is not a\u{fffd}[2J \
             lifetime\nreason: INVALID_FIELDS\nhint: correct what is named above; --help says what each option takes\n"
        );
    }

    #[test]
    fn a_change_of_unknown_outcome_says_so_and_how_to_repeat_it() {
        let mut details = ErrorDetails::with_error_info("NOT_READY", "tokenauthority.v1", []);
        details.set_retry_info(Some(std::time::Duration::from_secs(2)));
        let status = Box::new(Status::with_error_details(
            Code::Unavailable,
            "still loading",
            details,
        ));
        let text = told(&Failure::Unsettled {
            status,
            request_id: "1234".to_owned(),
        });
        assert!(
            text.contains("may or may not have been made") && text.contains("--request-id 1234"),
            "{text}"
        );
        assert!(
            text.contains("reason: NOT_READY\nretry after: 2s\n"),
            "{text}"
        );
    }

    #[test]
    fn a_call_without_an_answer_exits_otherwise_than_one_that_the_authority_refused() {
        let exit = |status| Failure::Call(Box::new(status)).exit();
        assert_eq!(exit(status(Code::NotFound, "NOT_FOUND")), Exit::Failed);
        assert_eq!(
            exit(status(Code::Unauthenticated, "CREDENTIAL_REFUSED")),
            Exit::Failed
        );
        assert_eq!(exit(status(Code::Internal, "INTERNAL")), Exit::Failed);
        assert_eq!(
            exit(status(Code::Unavailable, "NOT_READY")),
            Exit::Unreachable
        );
        assert_eq!(exit(Status::deadline_exceeded("late")), Exit::Unreachable);
        assert_eq!(
            exit(Status::unknown("h2 protocol error")),
            Exit::Unreachable
        );
        assert_eq!(Failure::usage("x", "y").exit(), Exit::Usage);
        assert_eq!(Failure::from(io::Error::other("x")).exit(), Exit::Failed);
    }
}
