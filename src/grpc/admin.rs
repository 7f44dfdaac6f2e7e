//! `TokenAdmin`.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::import::Importer;
use super::revoke::revoke_each;
use super::watch::Responses;
use super::{asked, asked_to_change, asked_to_change_one, convert, now};
use crate::authority::error::Error;
use crate::authority::keyspace::Versioned;
use crate::authority::list::LibraryRef;
use crate::authority::moment::Now;
use crate::authority::reveal::RevealToken;
use crate::authority::review::Finding;
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
        let done = self.authority.perform(call, command, now).await?;
        Ok((self.answer(&done, now)?, done))
    }

    /// The token that a command answers with.
    fn answer(&self, done: &Done<Token>, now: Now) -> Result<Option<v1::Token>, Error> {
        let token = done.answer.as_ref();
        token.map(|token| self.show(token, now)).transpose()
    }

    fn show(&self, token: &Versioned<Token>, now: Now) -> Result<v1::Token, Error> {
        let state = self.authority.token_state(&token.value, now.time)?;
        Ok(convert::token(
            &token.value,
            state,
            self.authority.uses().of(token.value.id),
            self.authority.revision_text(token.etag()),
        ))
    }
}

#[tonic::async_trait]
impl TokenAdmin for Admin {
    type WatchEventsStream = Responses;

    async fn watch_events(
        &self,
        request: Request<v1::WatchEventsRequest>,
    ) -> Result<Response<Responses>, Status> {
        let (caller, message) = asked(request)?;
        let library = listed(&caller, &message.library, &message.library_uid)?;
        let filter = convert::watch_filter(&message, library)?;
        let now = now(&self.clock).time;
        let after = &message.after_revision;
        let watch = self.authority.watch_events(&caller, &filter, after, now)?;
        Ok(Response::new(Responses::of(watch, self.clock.clone())))
    }

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
        let usage = match &done.answer {
            Some(token) => self.authority.usage(&token.value).await?,
            None => String::new(),
        };
        Ok(Response::new(v1::CreateTokenResponse {
            token,
            usage,
            secret: secret_of(&done),
            warnings: done.warnings,
        }))
    }

    async fn who_am_i(
        &self,
        request: Request<v1::WhoAmIRequest>,
    ) -> Result<Response<v1::WhoAmIResponse>, Status> {
        let (caller, v1::WhoAmIRequest {}) = asked(request)?;
        let now = now(&self.clock);
        let oneself = self.authority.who_is(&caller, now.time).await?;
        let token = self.show(&oneself.token, now)?;
        let told = convert::oneself(oneself, token, &caller, self.clock.wall());
        Ok(Response::new(told))
    }

    async fn get_token(
        &self,
        request: Request<v1::GetTokenRequest>,
    ) -> Result<Response<v1::GetTokenResponse>, Status> {
        let (caller, message) = asked(request)?;
        let now = now(&self.clock);
        let id = convert::token_id(&message.token_id)?;
        let token = self.authority.get_token(&caller, id, now.time).await?;
        let user = self.authority.user_of(&token.value).await?;
        Ok(Response::new(v1::GetTokenResponse {
            user: user.map(|user| {
                let etag = self.authority.revision_text(user.revision);
                convert::user(user.value, &token.value.library, etag)
            }),
            usage: self.authority.usage(&token.value).await?,
            tenant_id: self.authority.tenant_of(&token.value)?,
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

    async fn reveal_token(
        &self,
        request: Request<v1::RevealTokenRequest>,
    ) -> Result<Response<v1::RevealTokenResponse>, Status> {
        let (call, message) = asked_to_change_one(request)?;
        let id = convert::token_id(&message.token_id)?;
        let command = RevealToken { id };
        let (token, done) = self.perform(&call, &command, now(&self.clock)).await?;
        Ok(Response::new(v1::RevealTokenResponse {
            token,
            secret: secret_of(&done),
        }))
    }

    async fn revoke_tokens(
        &self,
        request: Request<v1::RevokeTokensRequest>,
    ) -> Result<Response<v1::RevokeTokensResponse>, Status> {
        let (call, message, library) =
            asked_to_change(request, |caller, m: &v1::RevokeTokensRequest| {
                let all = m.all.as_ref();
                all.map(|all| caller.reach(&all.library)).transpose()
            })?;
        let (results, revision) = match (&message.all, library) {
            (Some(all), Some(library)) => {
                let command = convert::revoke_all(&message, all, library)?;
                let done = self.authority.perform(&call, &command, now(&self.clock));
                (Vec::new(), done.await?.revision)
            }
            _ => revoke_each(&self.authority, &self.clock, call, &message).await?,
        };
        Ok(Response::new(v1::RevokeTokensResponse {
            results,
            revision: self.authority.revision_text(revision),
        }))
    }

    async fn apply_policy(
        &self,
        request: Request<v1::ApplyPolicyRequest>,
    ) -> Result<Response<v1::ApplyPolicyResponse>, Status> {
        let (call, message, library) =
            asked_to_change(request, |caller: &Caller, m: &v1::ApplyPolicyRequest| {
                caller.reach(&m.library)
            })?;
        let asked = convert::apply_policy(message, library);
        let now = now(&self.clock);
        let applied = self.authority.apply_policy(&call, &asked, now).await?;
        Ok(Response::new(convert::applied(applied)))
    }

    async fn import_tokens(
        &self,
        request: Request<v1::ImportTokensRequest>,
    ) -> Result<Response<v1::ImportTokensResponse>, Status> {
        let (call, message, library) =
            asked_to_change(request, |caller: &Caller, m: &v1::ImportTokensRequest| {
                caller.reach(&m.library)
            })?;
        // A repeat finds what is imported already: it needs no id, and what it holds is kept nowhere.
        let call = Call {
            request: None,
            ..call
        };
        let importer = Importer {
            authority: self.authority.clone(),
            clock: self.clock.clone(),
            call: Arc::new(call),
            library,
        };
        let results = importer.import(message).await?;
        Ok(Response::new(v1::ImportTokensResponse { results }))
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
        let done = self.authority.open_session(&call, asked, now).await?;
        Ok(Response::new(v1::OpenSessionResponse {
            token: self.answer(&done, now)?,
            secret: secret_of(&done),
        }))
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
        let filter = convert::event_filter(&message, library)?;
        let page = convert::page(message.page_size, message.page_token);
        let page = self
            .authority
            .list_audit_events(&caller, &filter, &page, now(&self.clock).time)
            .await?;
        let show =
            |event| convert::audit_event(event, |revision| self.authority.revision_text(revision));
        let events = page.items.into_iter().map(show).collect();
        Ok(Response::new(v1::ListAuditEventsResponse {
            events,
            next_page_token: page.next,
        }))
    }

    async fn review_tokens(
        &self,
        request: Request<v1::ReviewTokensRequest>,
    ) -> Result<Response<v1::ReviewTokensResponse>, Status> {
        let (caller, message) = asked(request)?;
        let now = now(&self.clock);
        let library = caller.reach(&message.library)?;
        let page = convert::page(message.page_size, message.page_token);
        let page = self
            .authority
            .review_tokens(&caller, &library, &page, now.time)
            .await?;
        let show = |finding: Finding| {
            let token = self.show(&finding.token, now)?;
            Ok(convert::finding(token, finding.found))
        };
        let findings = page.items.into_iter().map(show);
        Ok(Response::new(v1::ReviewTokensResponse {
            findings: findings.collect::<Result<_, Error>>()?,
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
