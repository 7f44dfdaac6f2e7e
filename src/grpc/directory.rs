//! `Directory`.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{asked, asked_to_change, convert, now};
use crate::authority::directory::{Library, User, UserType};
use crate::authority::error::{Error, Reason};
use crate::authority::keyspace::Versioned;
use crate::authority::libraries::UpdateLibrary;
use crate::authority::name::Name;
use crate::authority::transaction::{Call, Command};
use crate::authority::{Authority, Caller};
use crate::clock::Clock;
use crate::proto::v1;
use crate::proto::v1::directory_server::Directory;

/// The service.
pub(super) struct DirectoryApi {
    authority: Arc<Authority>,
    clock: Arc<Clock>,
}

// === impl DirectoryApi ===

impl DirectoryApi {
    pub(super) fn new(authority: Arc<Authority>, clock: Arc<Clock>) -> DirectoryApi {
        DirectoryApi { authority, clock }
    }

    /// Carries out a command that answers with a record.
    async fn perform<C: Command>(
        &self,
        call: &Call,
        command: &C,
    ) -> Result<Versioned<C::Answer>, Error> {
        let done = self
            .authority
            .perform(call, command, now(&self.clock))
            .await?;
        // Only the answer to a repeat has none: what the first call made is gone again.
        done.answer.ok_or_else(|| {
            Error::new(
                Reason::NotFound,
                "this was done, and what it made was deleted since",
            )
        })
    }

    async fn delete<C: Command>(&self, call: &Call, command: &C) -> Result<(), Error> {
        self.authority
            .perform(call, command, now(&self.clock))
            .await
            .map(drop)
    }

    fn library(&self, library: Versioned<Library>, usage: String) -> v1::Library {
        convert::library(
            library.value,
            self.authority.revision_text(library.revision),
            usage,
        )
    }

    /// With its instructions.
    async fn whole_library(&self, library: Versioned<Library>) -> Result<v1::Library, Error> {
        let usage = self.authority.instructions(library.value.uid).await?;
        Ok(self.library(library, usage))
    }

    /// As it would be after a change, with the etag and, unless they change too, the instructions that it has now.
    async fn proposed_library(
        &self,
        call: &Call,
        command: &UpdateLibrary,
    ) -> Result<(Versioned<Library>, String), Error> {
        let now = now(&self.clock).time;
        let proposed = self.authority.rehearse(&call.caller, command, now).await?;
        let mut library = self.authority.get_library(&command.library)?;
        library.value = proposed.unwrap_or(library.value);
        let usage = match &command.usage_instructions {
            Some(text) => text.clone(),
            None => self.authority.instructions(library.value.uid).await?,
        };
        Ok((library, usage))
    }

    fn user_type(&self, user_type: Versioned<UserType>, library: &Name) -> v1::UserType {
        convert::user_type(
            user_type.value,
            library,
            self.authority.revision_text(user_type.revision),
        )
    }

    fn user(&self, user: Versioned<User>, library: &Name) -> v1::User {
        convert::user(
            user.value,
            library,
            self.authority.revision_text(user.revision),
        )
    }
}

#[tonic::async_trait]
impl Directory for DirectoryApi {
    async fn create_library(
        &self,
        request: Request<v1::CreateLibraryRequest>,
    ) -> Result<Response<v1::CreateLibraryResponse>, Status> {
        let (call, message, ()) =
            asked_to_change(request, |caller: &Caller, _: &v1::CreateLibraryRequest| {
                caller.demand_operator("create a library")
            })?;
        let command = convert::create_library(message)?;
        let library = self.perform(&call, &command).await?;
        Ok(Response::new(v1::CreateLibraryResponse {
            library: Some(self.whole_library(library).await?),
        }))
    }

    async fn get_library(
        &self,
        request: Request<v1::GetLibraryRequest>,
    ) -> Result<Response<v1::GetLibraryResponse>, Status> {
        let (caller, message) = asked(request)?;
        let library = self
            .authority
            .get_library(&caller.reach(&message.library)?)?;
        Ok(Response::new(v1::GetLibraryResponse {
            library: Some(self.whole_library(library).await?),
        }))
    }

    async fn list_libraries(
        &self,
        request: Request<v1::ListLibrariesRequest>,
    ) -> Result<Response<v1::ListLibrariesResponse>, Status> {
        let (caller, message) = asked(request)?;
        let page = convert::page(message.page_size, message.page_token);
        let page = self
            .authority
            .list_libraries(&caller, &page, now(&self.clock).time)
            .await?;
        let libraries = page
            .items
            .into_iter()
            .map(|library| self.library(library, String::new()))
            .collect();
        Ok(Response::new(v1::ListLibrariesResponse {
            libraries,
            next_page_token: page.next,
        }))
    }

    async fn update_library(
        &self,
        request: Request<v1::UpdateLibraryRequest>,
    ) -> Result<Response<v1::UpdateLibraryResponse>, Status> {
        let (call, message, library) =
            asked_to_change(request, |caller: &Caller, m: &v1::UpdateLibraryRequest| {
                if m.tenant_id.is_some() || m.state.is_some() || m.tokens_enabled.is_some() {
                    caller.demand_operator("change state, tenant_id and tokens_enabled")?;
                }
                caller.reach(&m.library)
            })?;
        let dry_run = message.dry_run;
        let command = convert::update_library(message, library)?;
        let shown = if dry_run {
            self.proposed_library(&call, &command).await?
        } else {
            let library = self.perform(&call, &command).await?;
            let usage = self.authority.instructions(library.value.uid).await?;
            (library, usage)
        };
        let effects = if dry_run || command.changes_policy() {
            let now = now(&self.clock).time;
            self.authority
                .policy_effects(&shown.0.value, now)
                .await
                .map(Some)
        } else {
            Ok(None)
        };
        // What was changed is changed, whether or not it can be told what that hits.
        let effects = if dry_run {
            effects?
        } else {
            effects.unwrap_or_default()
        };
        Ok(Response::new(v1::UpdateLibraryResponse {
            library: Some(self.library(shown.0, shown.1)),
            effects: effects.map(convert::effects),
        }))
    }

    async fn delete_library(
        &self,
        request: Request<v1::DeleteLibraryRequest>,
    ) -> Result<Response<v1::DeleteLibraryResponse>, Status> {
        let (call, message, ()) =
            asked_to_change(request, |caller: &Caller, _: &v1::DeleteLibraryRequest| {
                caller.demand_operator("delete a library")
            })?;
        let command = convert::delete_library(message)?;
        self.delete(&call, &command).await?;
        Ok(Response::new(v1::DeleteLibraryResponse {}))
    }

    async fn create_user_type(
        &self,
        request: Request<v1::CreateUserTypeRequest>,
    ) -> Result<Response<v1::CreateUserTypeResponse>, Status> {
        let (call, message, library) =
            asked_to_change(request, |caller: &Caller, m: &v1::CreateUserTypeRequest| {
                caller.reach(&m.library)
            })?;
        let command = convert::create_user_type(message, library.clone())?;
        let user_type = self.perform(&call, &command).await?;
        Ok(Response::new(v1::CreateUserTypeResponse {
            user_type: Some(self.user_type(user_type, &library)),
        }))
    }

    async fn get_user_type(
        &self,
        request: Request<v1::GetUserTypeRequest>,
    ) -> Result<Response<v1::GetUserTypeResponse>, Status> {
        let (caller, message) = asked(request)?;
        let library = caller.reach(&message.library)?;
        let user_type = convert::name("user_type", &message.user_type)?;
        let user_type = self.authority.get_user_type(&library, &user_type)?;
        Ok(Response::new(v1::GetUserTypeResponse {
            user_type: Some(self.user_type(user_type, &library)),
        }))
    }

    async fn list_user_types(
        &self,
        request: Request<v1::ListUserTypesRequest>,
    ) -> Result<Response<v1::ListUserTypesResponse>, Status> {
        let (caller, message) = asked(request)?;
        let library = caller.reach(&message.library)?;
        let page = convert::page(message.page_size, message.page_token);
        let page = self
            .authority
            .list_user_types(&caller, &library, &page, now(&self.clock).time)
            .await?;
        let user_types = page
            .items
            .into_iter()
            .map(|user_type| self.user_type(user_type, &library))
            .collect();
        Ok(Response::new(v1::ListUserTypesResponse {
            user_types,
            next_page_token: page.next,
        }))
    }

    async fn update_user_type(
        &self,
        request: Request<v1::UpdateUserTypeRequest>,
    ) -> Result<Response<v1::UpdateUserTypeResponse>, Status> {
        let (call, message, library) =
            asked_to_change(request, |caller: &Caller, m: &v1::UpdateUserTypeRequest| {
                caller.reach(&m.library)
            })?;
        let command = convert::update_user_type(message, library.clone())?;
        let user_type = self.perform(&call, &command).await?;
        Ok(Response::new(v1::UpdateUserTypeResponse {
            user_type: Some(self.user_type(user_type, &library)),
        }))
    }

    async fn delete_user_type(
        &self,
        request: Request<v1::DeleteUserTypeRequest>,
    ) -> Result<Response<v1::DeleteUserTypeResponse>, Status> {
        let (call, message, library) =
            asked_to_change(request, |caller: &Caller, m: &v1::DeleteUserTypeRequest| {
                caller.reach(&m.library)
            })?;
        let command = convert::delete_user_type(message, library)?;
        self.delete(&call, &command).await?;
        Ok(Response::new(v1::DeleteUserTypeResponse {}))
    }

    async fn create_user(
        &self,
        request: Request<v1::CreateUserRequest>,
    ) -> Result<Response<v1::CreateUserResponse>, Status> {
        let (call, message, library) =
            asked_to_change(request, |caller: &Caller, m: &v1::CreateUserRequest| {
                caller.reach(&m.library)
            })?;
        let command = convert::create_user(message, library.clone())?;
        let user = self.perform(&call, &command).await?;
        Ok(Response::new(v1::CreateUserResponse {
            user: Some(self.user(user, &library)),
        }))
    }

    async fn get_user(
        &self,
        request: Request<v1::GetUserRequest>,
    ) -> Result<Response<v1::GetUserResponse>, Status> {
        let (caller, message) = asked(request)?;
        let library = caller.reach(&message.library)?;
        let user = convert::name("user", &message.user)?;
        let user = self.authority.get_user(&library, &user).await?;
        Ok(Response::new(v1::GetUserResponse {
            user: Some(self.user(user, &library)),
        }))
    }

    async fn list_users(
        &self,
        request: Request<v1::ListUsersRequest>,
    ) -> Result<Response<v1::ListUsersResponse>, Status> {
        let (caller, message) = asked(request)?;
        let library = caller.reach(&message.library)?;
        let page = convert::page(message.page_size, message.page_token);
        let page = self
            .authority
            .list_users(&caller, &library, &page, now(&self.clock).time)
            .await?;
        let users = page
            .items
            .into_iter()
            .map(|user| self.user(user, &library))
            .collect();
        Ok(Response::new(v1::ListUsersResponse {
            users,
            next_page_token: page.next,
        }))
    }

    async fn update_user(
        &self,
        request: Request<v1::UpdateUserRequest>,
    ) -> Result<Response<v1::UpdateUserResponse>, Status> {
        let (call, message, library) =
            asked_to_change(request, |caller: &Caller, m: &v1::UpdateUserRequest| {
                caller.reach(&m.library)
            })?;
        let command = convert::update_user(message, library.clone())?;
        let user = self.perform(&call, &command).await?;
        Ok(Response::new(v1::UpdateUserResponse {
            user: Some(self.user(user, &library)),
        }))
    }

    async fn delete_user(
        &self,
        request: Request<v1::DeleteUserRequest>,
    ) -> Result<Response<v1::DeleteUserResponse>, Status> {
        let (call, message, library) =
            asked_to_change(request, |caller: &Caller, m: &v1::DeleteUserRequest| {
                caller.reach(&m.library)
            })?;
        let command = convert::delete_user(message, library)?;
        self.delete(&call, &command).await?;
        Ok(Response::new(v1::DeleteUserResponse {}))
    }
}
