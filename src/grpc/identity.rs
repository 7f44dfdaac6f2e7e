//! Who calls: one layer over the whole server that refuses by default. What each RPC demands stands in one table.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderName, Request, Response, header};
use tonic::Status;
use tonic::body::Body;
use tower::Service;
use zeroize::Zeroizing;

use super::context::CallContext;
use super::status::status;
use crate::authority::cidr::Address;
use crate::authority::error::{Error, Reason};
use crate::authority::name::Name;
use crate::authority::permission::Reserved;
use crate::authority::{Access, Authority, Caller};
use crate::clock::Clock;

/// The user that a backend with `tokens:act-as` calls for.
const ACTING_USER: HeaderName = HeaderName::from_static("ta-acting-user");

/// What an RPC demands of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Nothing: it tells nothing of what the authority holds.
    Public,
    /// A good credential: it tells nothing but of the caller itself.
    Somebody,
    /// A credential with this permission.
    Demand(Reserved),
    /// A credential with either permission. What it may do with which, the command says.
    Either(Reserved, Reserved),
    /// A credential with `tokens:verify`, unless anonymous verification is switched on.
    Verify,
}

/// The rule of every RPC, the most frequent first. One that does not stand here is refused.
pub const RULES: &[(&str, Rule)] = &[
    ("/tokenauthority.v1.TokenVerify/Verify", Rule::Verify),
    ("/tokenauthority.v1.TokenVerify/VerifyBatch", Rule::Verify),
    (
        "/tokenauthority.v1.TokenAdmin/CreateToken",
        Rule::Demand(Reserved::TokensSelf),
    ),
    (
        "/tokenauthority.v1.TokenAdmin/GetToken",
        Rule::Demand(Reserved::TokensSelf),
    ),
    (
        "/tokenauthority.v1.TokenAdmin/ListTokens",
        Rule::Demand(Reserved::TokensSelf),
    ),
    (
        "/tokenauthority.v1.TokenAdmin/UpdateToken",
        Rule::Demand(Reserved::TokensSelf),
    ),
    (
        "/tokenauthority.v1.TokenAdmin/ExtendToken",
        Rule::Demand(Reserved::TokensSelf),
    ),
    (
        "/tokenauthority.v1.TokenAdmin/SuspendToken",
        Rule::Demand(Reserved::TokensSelf),
    ),
    (
        "/tokenauthority.v1.TokenAdmin/ResumeToken",
        Rule::Demand(Reserved::TokensSelf),
    ),
    (
        "/tokenauthority.v1.TokenAdmin/RotateToken",
        Rule::Demand(Reserved::TokensSelfRotate),
    ),
    (
        "/tokenauthority.v1.TokenAdmin/RevokeToken",
        Rule::Demand(Reserved::TokensSelf),
    ),
    (
        "/tokenauthority.v1.TokenAdmin/RevealToken",
        Rule::Demand(Reserved::TokensSelf),
    ),
    (
        "/tokenauthority.v1.TokenAdmin/RevokeTokens",
        Rule::Demand(Reserved::TokensSelf),
    ),
    (
        "/tokenauthority.v1.TokenAdmin/ApplyPolicy",
        Rule::Demand(Reserved::TokensAdmin),
    ),
    (
        "/tokenauthority.v1.TokenAdmin/ImportTokens",
        Rule::Demand(Reserved::TokensAdmin),
    ),
    (
        "/tokenauthority.v1.TokenAdmin/OpenSession",
        Rule::Demand(Reserved::TokensVerify),
    ),
    (
        "/tokenauthority.v1.TokenAdmin/SetPassword",
        Rule::Either(Reserved::TokensSelf, Reserved::DirectoryAdmin),
    ),
    (
        "/tokenauthority.v1.TokenAdmin/ListAuditEvents",
        Rule::Demand(Reserved::TokensAdmin),
    ),
    ("/tokenauthority.v1.TokenAdmin/WhoAmI", Rule::Somebody),
    (
        "/tokenauthority.v1.TokenAdmin/ReviewTokens",
        Rule::Demand(Reserved::TokensAdmin),
    ),
    (
        "/tokenauthority.v1.TokenAdmin/WatchEvents",
        Rule::Demand(Reserved::TokensAdmin),
    ),
    (
        "/tokenauthority.v1.Directory/CreateLibrary",
        Rule::Demand(Reserved::DirectoryAdmin),
    ),
    (
        "/tokenauthority.v1.Directory/GetLibrary",
        Rule::Demand(Reserved::DirectoryRead),
    ),
    (
        "/tokenauthority.v1.Directory/ListLibraries",
        Rule::Demand(Reserved::DirectoryRead),
    ),
    (
        "/tokenauthority.v1.Directory/UpdateLibrary",
        Rule::Demand(Reserved::DirectoryAdmin),
    ),
    (
        "/tokenauthority.v1.Directory/DeleteLibrary",
        Rule::Demand(Reserved::DirectoryAdmin),
    ),
    (
        "/tokenauthority.v1.Directory/CreateUserType",
        Rule::Demand(Reserved::DirectoryAdmin),
    ),
    (
        "/tokenauthority.v1.Directory/GetUserType",
        Rule::Demand(Reserved::DirectoryRead),
    ),
    (
        "/tokenauthority.v1.Directory/ListUserTypes",
        Rule::Demand(Reserved::DirectoryRead),
    ),
    (
        "/tokenauthority.v1.Directory/UpdateUserType",
        Rule::Demand(Reserved::DirectoryAdmin),
    ),
    (
        "/tokenauthority.v1.Directory/DeleteUserType",
        Rule::Demand(Reserved::DirectoryAdmin),
    ),
    (
        "/tokenauthority.v1.Directory/CreateUser",
        Rule::Demand(Reserved::DirectoryAdmin),
    ),
    (
        "/tokenauthority.v1.Directory/GetUser",
        Rule::Demand(Reserved::DirectoryRead),
    ),
    (
        "/tokenauthority.v1.Directory/ListUsers",
        Rule::Demand(Reserved::DirectoryRead),
    ),
    (
        "/tokenauthority.v1.Directory/UpdateUser",
        Rule::Demand(Reserved::DirectoryAdmin),
    ),
    (
        "/tokenauthority.v1.Directory/DeleteUser",
        Rule::Demand(Reserved::DirectoryAdmin),
    ),
    // Operators alone: the handlers demand that too.
    (
        "/tokenauthority.v1.Keys/GetKeyStatus",
        Rule::Demand(Reserved::TokensAdmin),
    ),
    (
        "/tokenauthority.v1.Keys/RotateKey",
        Rule::Demand(Reserved::TokensAdmin),
    ),
    (
        "/tokenauthority.v1.Keys/RetireKey",
        Rule::Demand(Reserved::TokensAdmin),
    ),
    ("/grpc.health.v1.Health/Check", Rule::Public),
    ("/grpc.health.v1.Health/Watch", Rule::Public),
    (
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        Rule::Public,
    ),
    (
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        Rule::Public,
    ),
];

/// Who calls, among the request's extensions. `None` stands for an anonymous verifier, and for nobody else.
#[derive(Debug, Clone)]
pub struct Identity(pub Option<Caller>);

/// Authenticates every call before it reaches its handler.
#[derive(Clone)]
pub struct IdentityService<S> {
    inner: S,
    authority: Arc<Authority>,
    clock: Arc<Clock>,
    verify_anonymous: bool,
}

// === impl IdentityService ===

impl<S> IdentityService<S> {
    /// Puts the layer over a service.
    pub fn new(
        inner: S,
        authority: Arc<Authority>,
        clock: Arc<Clock>,
        verify_anonymous: bool,
    ) -> Self {
        IdentityService {
            inner,
            authority,
            clock,
            verify_anonymous,
        }
    }
}

impl<S, B> Service<Request<B>> for IdentityService<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        let (right, or) = match RULES.iter().find(|(known, _)| *known == path) {
            None => {
                let refusal = Error::new(
                    Reason::PermissionDenied,
                    "this call has no rule that would allow it",
                );
                return Box::pin(std::future::ready(Ok(status(refusal).into_http())));
            }
            Some((_, Rule::Public)) => return Box::pin(self.inner.call(request)),
            Some((_, Rule::Somebody)) => (None, None),
            Some((_, Rule::Demand(right))) => (Some(*right), None),
            Some((_, Rule::Either(right, or))) => (Some(*right), Some(*or)),
            Some((_, Rule::Verify)) if self.verify_anonymous => {
                request.extensions_mut().insert(Identity(None));
                return Box::pin(self.inner.call(request));
            }
            Some((_, Rule::Verify)) => (Some(Reserved::TokensVerify), None),
        };
        let (authority, clock, mut inner) = (
            self.authority.clone(),
            self.clock.clone(),
            self.inner.clone(),
        );
        let credential = credential(&request, right);
        Box::pin(async move {
            let caller = match credential {
                Ok((token, access)) => {
                    let now = super::now(&clock);
                    let other = or.map(|right| Access {
                        right: Some(right),
                        ..access.clone()
                    });
                    match (authority.authenticate(&token, access, now).await, other) {
                        (Err(first), Some(other)) if lacks_right(&first) => {
                            let second = authority.authenticate(&token, other, now).await;
                            second.map_err(|_| first)
                        }
                        (caller, _) => caller,
                    }
                }
                Err(error) => Err(error),
            };
            match caller {
                Ok(caller) => {
                    request.extensions_mut().insert(Identity(Some(caller)));
                    inner.call(request).await
                }
                Err(error) => Ok(status(error).into_http()),
            }
        })
    }
}

/// Whether the credential is good, and another right may do.
fn lacks_right(error: &Error) -> bool {
    error.is_refusal() || error.reason == Reason::SelfServiceDenied
}

/// The token that a call presents, and what the call demands of it.
fn credential<B>(
    request: &Request<B>,
    right: Option<Reserved>,
) -> Result<(Zeroizing<String>, Access), Error> {
    let context = request.extensions().get::<CallContext>();
    let context = context.ok_or_else(|| Error::new(Reason::Internal, "the call has no context"))?;
    let token = bearer(request.headers()).ok_or_else(|| {
        Error::new(
            Reason::CredentialMissing,
            "send the metadata `authorization: Bearer <token>`, once, with one space between the two",
        )
    })?;
    let access = Access {
        right,
        acting_for: acting_user(request.headers())?,
        address: Address::new(context.peer),
    };
    Ok((Zeroizing::new(token.to_owned()), access))
}

/// The user that a call is made for, if it names one.
fn acting_user(headers: &HeaderMap) -> Result<Option<Name>, Error> {
    let mut all = headers.get_all(ACTING_USER).iter();
    let name = match (all.next(), all.next()) {
        (None, _) => return Ok(None),
        (Some(only), None) => only.to_str().ok().and_then(|text| Name::parse(text).ok()),
        (Some(_), Some(_)) => None,
    };
    let malformed = || {
        Error::new(
            Reason::MalformedRequest,
            "ta-acting-user must be the name of one user",
        )
    };
    name.ok_or_else(malformed).map(Some)
}

/// The one form of a credential: a single `authorization`, `Bearer`, one space, the token (RFC 6750, section 2.1; the scheme
/// is compared without case, as RFC 9110, section 11.1 has it).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (only, None) = (all.next()?, all.next()) else {
        return None;
    };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    let sound = scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty() && !token.contains(' ');
    sound.then_some(token)
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        status(error)
    }
}

#[cfg(test)]
mod tests;
