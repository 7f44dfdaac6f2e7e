//! `TokenAdmin`.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{asked, asked_to_change, asked_to_change_one, convert, now};
use crate::authority::error::Error;
use crate::authority::keyspace::Versioned;
use crate::authority::list::LibraryRef;
use crate::authority::moment::Now;
use crate::authority::token::Token;
use crate::authority::transaction::{Call, Command, Done};
use crate::authority::{Authority, Caller};
use crate::clock::Clock;
use crate::proto::v1;
use crate::proto::v1::token_admin_server::TokenAdmin;

/// The service.
pub(super) struct Admin {
    authority: Arc<Authority>,
    clock: Arc<Clock>,
}

// === impl Admin ===

impl Admin {
    pub(super) fn new(authority: Arc<Authority>, clock: Arc<Clock>) -> Admin {
        Admin { authority, clock }
    }

    async fn perform<C>(
        &self,
        call: &Call,
        command: &C,
        now: Now,
    ) -> Result<(Option<v1::Token>, Done<Token>), Error>
    where
        C: Command<Answer = Token>,
    {
        let mut done = self.authority.perform(call, command, now).await?;
        let token = done
            .answer
            .take()
            .map(|token| self.show(&token, now))
            .transpose()?;
        Ok((token, done))
    }

    fn show(&self, token: &Versioned<Token>, now: Now) -> Result<v1::Token, Error> {
        let state = self.authority.token_state(&token.value, now.time)?;
        Ok(convert::token(
            &token.value,
            state,
            self.authority.revision_text(token.revision),
        ))
    }
}

#[tonic::async_trait]
impl TokenAdmin for Admin {
    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Result<Response<v1::CreateTokenResponse>, Status> {
        let (call, message, library) =
            asked_to_change(request, |caller: &Caller, m: &v1::CreateTokenRequest| {
                caller.reach(&m.library)
            })?;
        let command = convert::create_token(message, library)?;
        let (token, done) = self.perform(&call, &command, now(&self.clock)).await?;
        Ok(Response::new(v1::CreateTokenResponse {
            token,
            secret: secret_of(&done),
            warnings: done.warnings,
        }))
    }

    async fn get_token(
        &self,
        request: Request<v1::GetTokenRequest>,
    ) -> Result<Response<v1::GetTokenResponse>, Status> {
        let (caller, message) = asked(request)?;
        let now = now(&self.clock);
        let id = convert::token_id(&message.token_id)?;
        let token = self.authority.get_token(&caller, id, now.time).await?;
        Ok(Response::new(v1::GetTokenResponse {
            token: Some(self.show(&token, now)?),
        }))
    }

    async fn list_tokens(
        &self,
        request: Request<v1::ListTokensRequest>,
    ) -> Result<Response<v1::ListTokensResponse>, Status> {
        let (caller, message) = asked(request)?;
        let now = now(&self.clock);
        let library = listed(&caller, &message.library, &message.library_uid)?;
        let filter = convert::token_filter(&message, library)?;
        let page = convert::page(message.page_size, message.page_token);
        let page = self
            .authority
            .list_tokens(&caller, &filter, &page, now.time)
            .await?;
        let tokens = page
            .items
            .iter()
            .map(|token| self.show(token, now))
            .collect::<Result<_, _>>()?;
        Ok(Response::new(v1::ListTokensResponse {
            tokens,
            next_page_token: page.next,
        }))
    }

    async fn update_token(
        &self,
        request: Request<v1::UpdateTokenRequest>,
    ) -> Result<Response<v1::UpdateTokenResponse>, Status> {
        let (call, message) = asked_to_change_one(request)?;
        let command = convert::update_token(message)?;
        let (token, done) = self.perform(&call, &command, now(&self.clock)).await?;
        Ok(Response::new(v1::UpdateTokenResponse {
            token,
            warnings: done.warnings,
            clamped: Some(done.clamped),
        }))
    }

    async fn extend_token(
        &self,
        request: Request<v1::ExtendTokenRequest>,
    ) -> Result<Response<v1::ExtendTokenResponse>, Status> {
        let (call, message) = asked_to_change_one(request)?;
        let command = convert::extend_token(message)?;
        let (token, done) = self.perform(&call, &command, now(&self.clock)).await?;
        let clamped = Some(done.clamped);
        Ok(Response::new(v1::ExtendTokenResponse {
            token,
            clamped,
            warnings: done.warnings,
        }))
    }

    async fn suspend_token(
        &self,
        request: Request<v1::SuspendTokenRequest>,
    ) -> Result<Response<v1::SuspendTokenResponse>, Status> {
        let (call, message) = asked_to_change_one(request)?;
        let command = convert::suspend_token(message)?;
        let (token, _) = self.perform(&call, &command, now(&self.clock)).await?;
        Ok(Response::new(v1::SuspendTokenResponse { token }))
    }

    async fn resume_token(
        &self,
        request: Request<v1::ResumeTokenRequest>,
    ) -> Result<Response<v1::ResumeTokenResponse>, Status> {
        let (call, message) = asked_to_change_one(request)?;
        let command = convert::resume_token(message)?;
        let (token, _) = self.perform(&call, &command, now(&self.clock)).await?;
        Ok(Response::new(v1::ResumeTokenResponse { token }))
    }

    async fn rotate_token(
        &self,
        request: Request<v1::RotateTokenRequest>,
    ) -> Result<Response<v1::RotateTokenResponse>, Status> {
        let (call, message) = asked_to_change_one(request)?;
        let command = convert::rotate_token(message)?;
        let (token, done) = self.perform(&call, &command, now(&self.clock)).await?;
        Ok(Response::new(v1::RotateTokenResponse {
            token,
            secret: secret_of(&done),
            clamped: Some(done.clamped),
            warnings: done.warnings,
        }))
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Result<Response<v1::RevokeTokenResponse>, Status> {
        let (call, message) = asked_to_change_one(request)?;
        let command = convert::revoke_token(message)?;
        let (token, done) = self.perform(&call, &command, now(&self.clock)).await?;
        let revision = self.authority.revision_text(done.revision);
        Ok(Response::new(v1::RevokeTokenResponse { token, revision }))
    }

    async fn open_session(
        &self,
        request: Request<v1::OpenSessionRequest>,
    ) -> Result<Response<v1::OpenSessionResponse>, Status> {
        let (call, message, library) =
            asked_to_change(request, |caller: &Caller, m: &v1::OpenSessionRequest| {
                caller.reach(&m.library)
            })?;
        let asked = convert::open_session(message, library)?;
        let now = now(&self.clock);
        let mut done = self.authority.open_session(&call, asked, now).await?;
        let token = done.answer.take();
        let token = token.map(|token| self.show(&token, now)).transpose()?;
        let secret = secret_of(&done);
        Ok(Response::new(v1::OpenSessionResponse { token, secret }))
    }

    async fn set_password(
        &self,
        request: Request<v1::SetPasswordRequest>,
    ) -> Result<Response<v1::SetPasswordResponse>, Status> {
        let (call, message, library) =
            asked_to_change(request, |caller: &Caller, m: &v1::SetPasswordRequest| {
                caller.reach(&m.library)
            })?;
        let asked = convert::set_password(message, library)?;
        let now = now(&self.clock);
        self.authority.set_password(&call, asked, now).await?;
        Ok(Response::new(v1::SetPasswordResponse {}))
    }

    async fn list_audit_events(
        &self,
        request: Request<v1::ListAuditEventsRequest>,
    ) -> Result<Response<v1::ListAuditEventsResponse>, Status> {
        let (caller, message) = asked(request)?;
        let library = listed(&caller, &message.library, &message.library_uid)?;
        let page = convert::page(message.page_size, message.page_token);
        let page = self
            .authority
            .list_audit_events(&caller, &library, &page, now(&self.clock).time)
            .await?;
        let show =
            |event| convert::audit_event(event, |revision| self.authority.revision_text(revision));
        let events = page.items.into_iter().map(show).collect();
        Ok(Response::new(v1::ListAuditEventsResponse {
            events,
            next_page_token: page.next,
        }))
    }
}

/// The one place where a secret goes into an answer.
fn secret_of(done: &Done<Token>) -> String {
    let secret = done.secret.as_ref();
    secret.map(|s| s.expose().to_owned()).unwrap_or_default()
}

/// The library that a list is of: by its name, or for operators by its uid.
fn listed(caller: &Caller, library: &str, uid: &str) -> Result<LibraryRef, Error> {
    if uid.is_empty() {
        return caller.reach(library).map(LibraryRef::Named);
    }
    caller.demand_operator("name a library by its uid")?;
    convert::library_uid(library, uid)
}
