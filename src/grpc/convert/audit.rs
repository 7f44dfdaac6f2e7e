//! Audit events.

use super::timestamp;
use crate::authority::audit::AuditEvent;
use crate::authority::keyspace::Versioned;
use crate::proto::v1;
use crate::store::Revision;

pub(in crate::grpc) fn audit_event(
    event: Versioned<AuditEvent>,
    revision_text: impl Fn(Revision) -> String,
) -> v1::AuditEvent {
    let AuditEvent {
        key: _,
        time,
        action,
        actor,
        acting_for,
        actor_token_id,
        library,
        token_id,
        user,
        user_type,
        fields,
        comment,
        call_id,
    } = event.value;
    v1::AuditEvent {
        time: Some(timestamp(time)),
        action,
        actor,
        acting_for,
        actor_token_id,
        library,
        token_id,
        user,
        user_type,
        fields,
        comment,
        call_id,
        revision: revision_text(event.revision),
    }
}
