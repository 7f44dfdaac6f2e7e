//! gRPC speaks: it converts, finds out who calls, and gives each error its code. What anything means is the authority's.

mod admin;
pub mod codec;
pub mod context;
mod convert;
mod directory;
pub mod health;
pub mod identity;
mod import;
mod keys;
pub mod method;
pub mod reflection;
mod revoke;
pub mod routes;
pub mod status;
mod verify;
mod watch;

use ring::digest::{SHA256, digest};
use tonic::{Request, Status};

use crate::authority::Caller;
use crate::authority::error::{Error, Reason};
use crate::authority::moment::{Moment, Now};
use crate::authority::requests::RequestKey;
use crate::authority::transaction::Call;
use crate::clock::Clock;
use crate::proto::Change;
use context::CallContext;
use identity::Identity;

/// The time of a call.
fn now(clock: &Clock) -> Now {
    Now {
        time: Moment(clock.now()),
        mark: clock.mark().map(Moment),
    }
}

/// The caller of an RPC that demands one, and the message.
fn asked<T>(request: Request<T>) -> Result<(Caller, T), Status> {
    let (_, mut extensions, message) = request.into_parts();
    let caller = extensions
        .remove::<Identity>()
        .and_then(|identity| identity.0);
    let caller = caller.ok_or_else(|| Error::new(Reason::Internal, "the call has no caller"))?;
    Ok((caller, message))
}

/// The call of an RPC that changes something, the message, and what `reach` says that the caller may: authorisation comes
/// before validation.
fn asked_to_change<T: Change, R>(
    request: Request<T>,
    reach: impl FnOnce(&Caller, &T) -> Result<R, Error>,
) -> Result<(Call, T, R), Status> {
    let context = request.extensions().get::<CallContext>().copied();
    let context = context.ok_or_else(|| Error::new(Reason::Internal, "the call has no context"))?;
    let (caller, message) = asked(request)?;
    let reached = reach(&caller, &message)?;
    let request = convert::request_id(message.request_id())?.map(|id| {
        let mut payload_hash = [0; 32];
        payload_hash.copy_from_slice(digest(&SHA256, &message.encode_to_vec()).as_ref());
        RequestKey { id, payload_hash }
    });
    let call_id = context.call_id.to_string();
    Ok((
        Call {
            caller,
            call_id,
            request,
        },
        message,
        reached,
    ))
}

/// The call of an RPC that changes one token, and the message: whether the caller reaches it, the command finds out.
fn asked_to_change_one<T: Change>(request: Request<T>) -> Result<(Call, T), Status> {
    let (call, message, ()) = asked_to_change(request, |_, _| Ok(()))?;
    Ok((call, message))
}
