//! Verify's demand and its answer.

use super::token::token_kind;
use super::user::user_kind;
use super::{assignment, timestamp};
use crate::authority::cidr::Address;
use crate::authority::error::{Error, Faults};
use crate::authority::judge::{Demand, Verdict};
use crate::authority::name::{self as names, MAX_DISPLAY_NAME_BYTES, Name};
use crate::authority::permission::{MAX_PERMISSIONS, Permission};
use crate::authority::{Authority, Judgement, Seen};
use crate::proto::v1;

/// Most promises in a demand: each of those that exist, and as many again.
const MAX_FILTERS: usize = 4;

/// The token and the demand. `library` is the one that the verifier is bound to; without it the message names one, or none.
pub(in crate::grpc) fn verify(
    message: v1::VerifyRequest,
    library: Option<Name>,
) -> Result<(String, Demand), Error> {
    let v1::VerifyRequest {
        token,
        library: named,
        permissions,
        department,
        api,
        data_owner,
        client_ip,
        filters,
    } = message;
    let mut faults = Faults::default();
    if token.is_empty() {
        faults.add("token", "must be given");
    }
    let library = match library {
        Some(bound) => Some(bound),
        None => faults
            .take("library", Name::parse_optional(&named))
            .flatten(),
    };
    let permissions = faults.take_list("permissions", &permissions, MAX_PERMISSIONS, |text| {
        Permission::parse(text)
    });
    let filters =
        faults.take_list(
            "filters",
            &filters,
            MAX_FILTERS,
            |value| match v1::Filter::try_from(*value) {
                Ok(filter @ (v1::Filter::DataOwner | v1::Filter::Department)) => Ok(filter),
                Ok(v1::Filter::Unspecified) | Err(_) => {
                    Err("is not a promise that this server knows")
                }
            },
        );
    let data_owner = match data_owner.as_str() {
        "" => None,
        text => faults.take("data_owner", names::text(text, MAX_DISPLAY_NAME_BYTES)),
    };
    let client_ip = match client_ip.as_str() {
        "" => None,
        text => faults.take("client_ip", Address::parse(text)),
    };
    let demand = Demand {
        library,
        permissions,
        department: faults
            .take("department", Name::parse_optional(&department))
            .flatten(),
        api: faults.take("api", Name::parse_optional(&api)).flatten(),
        data_owner,
        client_ip,
        confines_data_owner: filters.contains(&v1::Filter::DataOwner),
        confines_department: filters.contains(&v1::Filter::Department),
    };
    faults.check()?;
    Ok((token, demand))
}

pub(in crate::grpc) fn judgement(
    authority: &Authority,
    judgement: Judgement,
) -> v1::VerifyResponse {
    let Judgement {
        verdict: found,
        revision,
        seen,
    } = judgement;
    let answer = v1::VerifyResponse {
        verdict: verdict(found).into(),
        revision: authority.revision_text(revision),
        message: found.advice().to_owned(),
        ..v1::VerifyResponse::default()
    };
    let Some(seen) = seen else { return answer };
    let Seen {
        token_id,
        kind,
        library,
        library_uid: _,
        tenant_id,
        user,
        user_kind: kind_of_user,
        expire_time,
        assignments,
        permissions,
        data_owner,
        successor,
    } = seen;
    v1::VerifyResponse {
        token_id: token_id.to_string(),
        kind: token_kind(kind).into(),
        library: library.to_string(),
        tenant_id,
        user: user.to_string(),
        user_kind: kind_of_user
            .map_or(v1::UserKind::Unspecified, user_kind)
            .into(),
        expire_time: Some(timestamp(expire_time)),
        assignments: assignments.iter().map(assignment).collect(),
        permissions,
        data_owner,
        superseded_by: successor.map(|s| s.id.to_string()).unwrap_or_default(),
        superseded_until: successor.map(|s| timestamp(s.until)),
        ..answer
    }
}

pub(in crate::grpc::convert) fn verdict(verdict: Verdict) -> v1::Verdict {
    match verdict {
        Verdict::Valid => v1::Verdict::Valid,
        Verdict::Malformed => v1::Verdict::Malformed,
        Verdict::NotFound => v1::Verdict::NotFound,
        Verdict::Revoked => v1::Verdict::Revoked,
        Verdict::Suspended => v1::Verdict::Suspended,
        Verdict::NotYetValid => v1::Verdict::NotYetValid,
        Verdict::Expired => v1::Verdict::Expired,
        Verdict::LibraryDisabled => v1::Verdict::LibraryDisabled,
        Verdict::UserDisabled => v1::Verdict::UserDisabled,
        Verdict::WrongLibrary => v1::Verdict::WrongLibrary,
        Verdict::AssignmentRemoved => v1::Verdict::AssignmentRemoved,
        Verdict::IpNotAllowed => v1::Verdict::IpNotAllowed,
        Verdict::WrongApi => v1::Verdict::WrongApi,
        Verdict::WrongDataOwner => v1::Verdict::WrongDataOwner,
        Verdict::WrongDepartment => v1::Verdict::WrongDepartment,
        Verdict::MissingPermission => v1::Verdict::MissingPermission,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_the_enum_s_value_of_the_same_name() {
        for (value, found) in (1..).zip(Verdict::ALL) {
            let sent = verdict(found);
            assert_eq!(
                i32::from(sent),
                value,
                "in the order in which they are judged"
            );
            assert_eq!(sent.as_str_name(), format!("VERDICT_{}", found.as_str()));
        }
    }
}
