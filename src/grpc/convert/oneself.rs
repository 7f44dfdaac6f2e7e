//! What a caller is told of itself.

use super::timestamp;
use super::user::user_kind;
use crate::authority::moment::Moment;
use crate::authority::{Caller, Oneself};
use crate::proto::v1;

/// The answer to `WhoAmI`; `token` is the caller's own as it is shown, `wall_ms` what the clock says.
pub(in crate::grpc) fn oneself(
    oneself: Oneself,
    token: v1::Token,
    caller: &Caller,
    wall_ms: i64,
) -> v1::WhoAmIResponse {
    let Oneself {
        token: _,
        user_kind: kind,
        permissions,
    } = oneself;
    let acted_for = caller.access.acting_for.as_ref();
    v1::WhoAmIResponse {
        token: Some(token),
        user_kind: kind.map_or(v1::UserKind::Unspecified, user_kind).into(),
        permissions,
        acting_user: acted_for.map(ToString::to_string).unwrap_or_default(),
        server_time: Some(timestamp(Moment(wall_ms))),
    }
}
