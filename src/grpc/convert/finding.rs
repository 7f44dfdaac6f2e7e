//! Findings of a review.

use super::timestamp;
use crate::authority::review::{Found, ReviewReason};
use crate::proto::v1;

pub(in crate::grpc) fn finding(token: v1::Token, found: Found) -> v1::TokenFinding {
    let Found {
        reasons,
        unused_permissions,
        needed_permissions,
        latest_expire_time,
    } = found;
    v1::TokenFinding {
        token: Some(token),
        reasons: reasons.into_iter().map(|why| reason(why).into()).collect(),
        unused_permissions,
        needed_permissions,
        latest_expire_time: latest_expire_time.map(timestamp),
    }
}

fn reason(reason: ReviewReason) -> v1::ReviewReason {
    match reason {
        ReviewReason::OwnerDisabled => v1::ReviewReason::OwnerDisabled,
        ReviewReason::NeverUsed => v1::ReviewReason::NeverUsed,
        ReviewReason::Unused => v1::ReviewReason::Unused,
        ReviewReason::ExpiresSoon => v1::ReviewReason::ExpiresSoon,
        ReviewReason::LongerThanPolicy => v1::ReviewReason::LongerThanPolicy,
        ReviewReason::MoreRightsThanUsed => v1::ReviewReason::MoreRightsThanUsed,
        ReviewReason::NoIpRestriction => v1::ReviewReason::NoIpRestriction,
        ReviewReason::ImportedWeak => v1::ReviewReason::ImportedWeak,
    }
}
