use std::collections::HashSet;

use super::*;
use crate::authority::error::Violation;

const REASONS: [Reason; 29] = [
    Reason::CredentialMissing,
    Reason::CredentialRefused,
    Reason::LoginRefused,
    Reason::PermissionDenied,
    Reason::ReservedPermission,
    Reason::SelfServiceDenied,
    Reason::InvalidFields,
    Reason::MalformedRequest,
    Reason::NotFound,
    Reason::NameTaken,
    Reason::RequestIdReused,
    Reason::EtagMismatch,
    Reason::Contention,
    Reason::TokensNotEnabled,
    Reason::TokenState,
    Reason::LifetimeAtMaximum,
    Reason::NotRevealable,
    Reason::InUse,
    Reason::OwnerDisabled,
    Reason::RevisionUnknown,
    Reason::LimitExceeded,
    Reason::TooManyTokens,
    Reason::AlreadyImported,
    Reason::NotReady,
    Reason::StoreUnavailable,
    Reason::RecordDamaged,
    Reason::DeadlineExceeded,
    Reason::UnknownMethod,
    Reason::Internal,
];

#[test]
fn every_documented_reason_is_sent_with_its_documented_code() {
    let documented = include_str!("../../../proto/tokenauthority/v1/error_reason.proto");
    let mut sent = HashSet::new();
    for reason in REASONS {
        let status = plain(reason, "A sentence.");
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.domain, DOMAIN);
        let code = documented_code(documented, &info.reason);
        assert_eq!(
            format!("{:?}", status.code()).to_lowercase(),
            code,
            "{}",
            info.reason
        );
        assert!(sent.insert(info.reason));
    }
    let values = (1..1000).filter_map(|number| ErrorReason::try_from(number).ok());
    assert_eq!(values.count(), sent.len());
}

/// The code in brackets above the reason, such as `notfound`.
fn documented_code(documented: &str, reason: &str) -> String {
    let (before, _) = documented
        .split_once(&format!("  {REASON_PREFIX}{reason} ="))
        .unwrap();
    let (_, after) = before.rsplit_once("// [").unwrap();
    let (code, _) = after.split_once(']').unwrap();
    code.replace('_', "").to_lowercase()
}

#[test]
fn an_error_carries_all_that_it_says() {
    let status = status(Error {
        reason: Reason::InvalidFields,
        message: "Two fields are wrong.".to_owned(),
        violations: vec![Violation {
            field: "lifetime".to_owned(),
            description: "Too long.".to_owned(),
        }],
        retry_after: Some(Duration::from_secs(3)),
        metadata: vec![("latest", "2027-06-30".to_owned())],
    });
    let details = status.get_error_details();
    assert_eq!(status.message(), "Two fields are wrong.");
    assert_eq!(
        details.bad_request().unwrap().field_violations[0].field,
        "lifetime"
    );
    assert_eq!(
        details.retry_info().unwrap().retry_delay,
        Some(Duration::from_secs(3))
    );
    assert_eq!(
        details.error_info().unwrap().metadata["latest"],
        "2027-06-30"
    );
}

#[test]
fn unavailable_always_says_when_to_try_again() {
    for reason in REASONS {
        let status = plain(reason, "");
        let says = status.get_details_retry_info().is_some();
        assert_eq!(says, status.code() == Code::Unavailable, "{reason:?}");
    }
}

#[test]
fn an_error_fits_into_a_header_however_many_fields_are_wrong() {
    let violation = Violation {
        field: "permissions[63]".to_owned(),
        description: "x".repeat(200),
    };
    let status = status(Error {
        reason: Reason::InvalidFields,
        message: String::new(),
        violations: vec![violation; 1_000],
        retry_after: None,
        metadata: Vec::new(),
    });
    assert!(
        status.details().len() < 6 * 1024,
        "{}",
        status.details().len()
    );
}

#[test]
fn an_error_of_the_transport_loses_its_words_and_gains_a_reason() {
    for (code, mapped, reason) in [
        (Code::Internal, Code::InvalidArgument, "MALFORMED_REQUEST"),
        (Code::Unknown, Code::InvalidArgument, "MALFORMED_REQUEST"),
        (Code::OutOfRange, Code::ResourceExhausted, "LIMIT_EXCEEDED"),
        (
            Code::ResourceExhausted,
            Code::ResourceExhausted,
            "LIMIT_EXCEEDED",
        ),
        (Code::Unimplemented, Code::Unimplemented, "UNKNOWN_METHOD"),
        (Code::NotFound, Code::NotFound, "NOT_FOUND"),
        (Code::Unavailable, Code::Unavailable, "NOT_READY"),
        (
            Code::DeadlineExceeded,
            Code::DeadlineExceeded,
            "DEADLINE_EXCEEDED",
        ),
        (Code::DataLoss, Code::Internal, "INTERNAL"),
    ] {
        let status = foreign(&Status::new(code, "VerifyRequest.token: canary"));
        assert_eq!(status.code(), mapped);
        assert_eq!(status.get_details_error_info().unwrap().reason, reason);
        assert!(!status.message().contains("canary"));
    }
    let encoding = unfinished(&Status::internal("Error encoding: canary"));
    assert_eq!(
        encoding.get_details_error_info().unwrap().reason,
        "INTERNAL"
    );
}

#[test]
fn a_refused_compression_says_which_would_be_read() {
    let mut refused = Status::unimplemented("gzip");
    refused
        .metadata_mut()
        .insert(ACCEPT_ENCODING, "identity".parse().unwrap());
    let status = foreign(&refused);
    assert_eq!(
        status.get_details_error_info().unwrap().reason,
        "MALFORMED_REQUEST"
    );
    assert_eq!(status.metadata().get(ACCEPT_ENCODING).unwrap(), "identity");
}
