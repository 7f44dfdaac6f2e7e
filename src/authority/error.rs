//! What can go wrong, in the words of the domain. The gRPC layer has the one table that gives each a code.

use std::fmt;
use std::time::Duration;

use super::judge::Verdict;
use super::secret::NoRandomness;
use crate::store::StoreError;

/// Why a command was not carried out. The public list, with an example each, is `error_reason.proto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The call carries no usable credential.
    CredentialMissing,
    /// The credential is not good.
    CredentialRefused,
    /// Nobody logs in with this user name and password.
    LoginRefused,
    /// The caller lacks the permission, or names a library that is not its own.
    PermissionDenied,
    /// A reserved permission would be conveyed by somebody who doesn't hold it.
    ReservedPermission,
    /// The user doesn't log in or manage its own tokens.
    SelfServiceDenied,
    /// Fields are not as they must be.
    InvalidFields,
    /// Not a message of its type.
    MalformedRequest,
    /// None such, or none that the caller may see.
    NotFound,
    /// The name is taken.
    NameTaken,
    /// The token, or another with its locator, was imported before.
    AlreadyImported,
    /// The request id was used with another payload.
    RequestIdReused,
    /// The etag is stale.
    EtagMismatch,
    /// Other changes kept getting in between.
    Contention,
    /// The library does not allow tokens to be made or extended.
    TokensNotEnabled,
    /// The token is in a state in which this can't be done.
    TokenState,
    /// The expiry can't be moved any further.
    LifetimeAtMaximum,
    /// The secret is not kept.
    NotRevealable,
    /// Something depends on it.
    InUse,
    /// The library or the user is disabled.
    OwnerDisabled,
    /// This store has never had the revision.
    RevisionUnknown,
    /// Larger or more than is taken.
    LimitExceeded,
    /// The user has as many tokens as its library allows.
    TooManyTokens,
    /// It can't be decided now.
    NotReady,
    /// The store does not answer; a change may or may not have been made.
    StoreUnavailable,
    /// A stored record can't be read.
    RecordDamaged,
    /// It took longer than the call's deadline.
    DeadlineExceeded,
    /// There is no such method.
    UnknownMethod,
    /// A fault of the authority itself.
    Internal,
}

/// A field that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's path in the request, such as `allowed_cidrs[0]`.
    pub field: String,
    /// What it must be. Never what it was.
    pub description: String,
}

/// Why a command was not carried out, and what to do. It holds no secret, and nothing that the caller may not see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The kind.
    pub reason: Reason,
    /// A sentence that says what to do.
    pub message: String,
    /// The fields at fault, for [`Reason::InvalidFields`].
    pub violations: Vec<Violation>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// More for programs, such as the verdict on a credential.
    pub metadata: Vec<(&'static str, String)>,
}

/// Collects what is wrong with a request, so that all of it is reported at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<Violation>);

/// Most fields that the sentence names: it travels in a header, and clients take about 8 KiB of headers.
const MAX_NAMED: usize = 8;
/// What a caller should wait before it tries again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

// === impl Error ===

impl Error {
    /// An error of this kind, with a sentence that says what to do.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        let retry_after = matches!(
            reason,
            Reason::NotReady | Reason::StoreUnavailable | Reason::LimitExceeded
        )
        .then_some(RETRY_AFTER);
        Error {
            reason,
            message: message.into(),
            violations: Vec::new(),
            retry_after,
            metadata: Vec::new(),
        }
    }

    /// One field is not as it must be.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        let mut faults = Faults::default();
        faults.add(field, description);
        faults.into_error()
    }

    /// There is none such, or none that the caller may see: the two are the same to the byte.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Error::new(
            Reason::NotFound,
            format!("there is no such {what}; check the name and the library"),
        )
    }

    /// The etag is stale.
    #[must_use]
    pub fn etag_mismatch() -> Self {
        Error::new(
            Reason::EtagMismatch,
            "it was changed since this etag was read; read it again and repeat",
        )
    }

    /// Whether the caller has no right to it.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self.reason,
            Reason::PermissionDenied | Reason::ReservedPermission
        )
    }

    /// The verdict on the caller's own token, if it is that for which the call is refused.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        let mut told = self.metadata.iter().filter(|(key, _)| *key == "verdict");
        let (_, verdict) = told.next()?;
        Verdict::ALL.into_iter().find(|v| v.as_str() == verdict)
    }

    /// The same error with more for programs.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.metadata.push((key, value.into()));
        self
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Error::new(
                Reason::Contention,
                "other changes kept getting in between; nothing was done, try again",
            ),
            StoreError::TooLarge => Error::invalid(
                "",
                "the record would be larger than 4 KiB; shorten its lists or texts",
            ),
            StoreError::Busy => Error::new(
                Reason::NotReady,
                "too many calls wait for the store; nothing was done, try again",
            ),
            StoreError::Damaged(key) => {
                tracing::error!(key = %key.escape_ascii(), "a stored record is damaged");
                Error::new(
                    Reason::RecordDamaged,
                    "a stored record can't be read; an operator finds its key in the log",
                )
            }
            StoreError::Failed => Error::new(
                Reason::StoreUnavailable,
                "the store has stopped; a change may or may not have been made, repeat it with the same request_id",
            ),
        }
    }
}

impl From<NoRandomness> for Error {
    fn from(no: NoRandomness) -> Self {
        Error::new(Reason::Internal, no.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.reason, self.message)?;
        for violation in &self.violations {
            write!(f, "; {}: {}", violation.field, violation.description)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

// === impl Faults ===

impl Faults {
    /// Notes that a field is not as it must be.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(Violation {
            field: field.into(),
            description: description.into(),
        });
    }

    /// Takes what a field was parsed to, or notes why it could not be.
    pub fn take<T>(
        &mut self,
        field: impl Into<String>,
        parsed: Result<T, impl fmt::Display>,
    ) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(why) => {
                self.add(field, why.to_string());
                None
            }
        }
    }

    /// Takes a list of at most `limit` items, or notes what is wrong with each.
    pub fn take_list<I, T, E: fmt::Display>(
        &mut self,
        field: &str,
        items: &[I],
        limit: usize,
        parse: impl Fn(&I) -> Result<T, E>,
    ) -> Vec<T> {
        if items.len() > limit {
            self.add(field, format!("holds more than {limit} items"));
            return Vec::new();
        }
        items
            .iter()
            .enumerate()
            .filter_map(|(i, item)| self.take(format!("{field}[{i}]"), parse(item)))
            .collect()
    }

    /// Fails if anything was noted.
    pub fn check(self) -> Result<(), Error> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(self.into_error())
        }
    }

    fn into_error(self) -> Error {
        let mut error = Error::new(Reason::InvalidFields, String::new());
        let named: Vec<String> = self
            .0
            .iter()
            .take(MAX_NAMED)
            .map(|v| match v.field.as_str() {
                "" => v.description.clone(),
                field => format!("{field} {}", v.description),
            })
            .collect();
        error.message = match self.0.len().saturating_sub(MAX_NAMED) {
            0 => named.join("; "),
            more => format!("{}; and {more} more", named.join("; ")),
        };
        error.violations = self.0;
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_names_eight_fields_and_counts_the_rest() {
        let mut faults = Faults::default();
        for i in 0..8 {
            faults.add(format!("apis[{i}]"), "is wrong");
        }
        faults.add("user", "is wrong too");
        let error = faults.check().unwrap_err();
        assert!(
            error.message.ends_with("apis[7] is wrong; and 1 more"),
            "{}",
            error.message
        );
        assert_eq!(error.violations.len(), 9);
    }
}
