//! `user-type`: named sets of permissions.

use clap::{Args, Subcommand, ValueEnum};

use super::Asker;
use super::call::{BasedOn, Limit, Repeat};
use super::connect::Session;
use super::consent::Consent;
use super::failure::Failure;
use super::output::Output;
use super::words::cleared;
use crate::proto::v1;

/// What can be done with user types.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a user type
    #[command(after_help = "Example:\n  \
        token-authority user-type create clerk --library acme \\\n    \
        --permission orders:read --permission 'invoices:*'")]
    Create(Create),
    /// Show a user type
    Get(Get),
    /// List the user types of a library
    List(List),
    /// Change what a user type grants; every token of its users follows at once
    Update(Update),
    /// Delete a user type that no user is assigned
    Delete(Delete),
}

/// Which one.
#[derive(Debug, Args)]
struct Name {
    /// Its name: [a-z0-9._@-], at most 63, the first a letter or digit
    user_type: String,
    /// The library it belongs to [default: your own]
    #[arg(long)]
    library: Option<String>,
}

/// `user-type create`.
#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    name: Name,
    /// What it grants, such as orders:read, 'orders:*' or '*:read'; may be repeated
    #[arg(long, value_name = "PATTERN")]
    permission: Vec<String>,
    #[command(flatten)]
    repeat: Repeat,
}

/// `user-type get`.
#[derive(Debug, Args)]
pub struct Get {
    #[command(flatten)]
    name: Name,
}

/// `user-type list`.
#[derive(Debug, Args)]
pub struct List {
    /// The library [default: your own]
    #[arg(long)]
    library: Option<String>,
    #[command(flatten)]
    limit: Limit,
}

/// `user-type update`.
#[derive(Debug, Args)]
pub struct Update {
    #[command(flatten)]
    name: Name,
    /// Replace all that it grants; may be repeated
    #[arg(long, value_name = "PATTERN")]
    permission: Vec<String>,
    /// Empty a field
    #[arg(long, value_enum, value_name = "FIELD")]
    clear: Vec<Field>,
    #[command(flatten)]
    based_on: BasedOn,
    #[command(flatten)]
    repeat: Repeat,
}

/// `user-type delete`.
#[derive(Debug, Args)]
pub struct Delete {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    based_on: BasedOn,
    #[command(flatten)]
    repeat: Repeat,
}

/// What can be emptied.
#[derive(Debug, Clone, ValueEnum)]
enum Field {
    Permissions,
}

// === impl Verb ===

impl Verb {
    pub(super) async fn run(
        self,
        session: &Session,
        ask: Asker<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        match self {
            Self::Create(create) => {
                let send = async |request| session.directory().create_user_type(request).await;
                let response = session.change(create.request(), send).await?;
                output.one(&response, response.user_type.as_ref())?;
            }
            Self::Get(get) => {
                let send = async |request| session.directory().get_user_type(request).await;
                let response = session.ask(get.request(), send).await?;
                output.one(&response, response.user_type.as_ref())?;
            }
            Self::List(list) => list.run(session, output).await?,
            Self::Update(update) => {
                let send = async |request| session.directory().update_user_type(request).await;
                let response = session.change(update.request(), send).await?;
                output.one(&response, response.user_type.as_ref())?;
            }
            Self::Delete(delete) => {
                let done = format!("user type {} is deleted", delete.name.user_type);
                if delete.consent.looks(ask) {
                    let request = v1::GetUserTypeRequest {
                        library: delete.name.library.clone().unwrap_or_default(),
                        user_type: delete.name.user_type.clone(),
                    };
                    let send = async |request| session.directory().get_user_type(request).await;
                    output.preview(session.ask(request, send).await?.user_type.as_slice());
                }
                if !delete.consent.to(
                    &format!("delete the user type {}", delete.name.user_type),
                    ask,
                    output,
                )? {
                    return Ok(());
                }
                let send = async |request| session.directory().delete_user_type(request).await;
                let response = session.change(delete.request(), send).await?;
                output.done(&response, &done)?;
            }
        }
        Ok(())
    }
}

// === impl Create ===

impl Create {
    fn request(self) -> v1::CreateUserTypeRequest {
        v1::CreateUserTypeRequest {
            library: self.name.library.unwrap_or_default(),
            user_type: self.name.user_type,
            permissions: self.permission,
            request_id: self.repeat.request_id(),
        }
    }
}

// === impl Get ===

impl Get {
    fn request(self) -> v1::GetUserTypeRequest {
        v1::GetUserTypeRequest {
            library: self.name.library.unwrap_or_default(),
            user_type: self.name.user_type,
        }
    }
}

// === impl List ===

impl List {
    async fn run(self, session: &Session, output: &mut Output<'_>) -> Result<(), Failure> {
        let library = self.library.unwrap_or_default();
        let fetch = async |page_size, page_token| {
            let request = v1::ListUserTypesRequest {
                library: library.clone(),
                page_size,
                page_token,
            };
            let send = async |request| session.directory().list_user_types(request).await;
            let page = session.ask(request, send).await?;
            Ok((page.user_types, page.next_page_token))
        };
        let (user_types, next_page_token) = self.limit.pages(output, fetch).await?;
        let response = v1::ListUserTypesResponse {
            user_types,
            next_page_token,
        };
        Ok(output.many(&response, &response.user_types, &response.next_page_token)?)
    }
}

// === impl Update ===

impl Update {
    fn request(self) -> v1::UpdateUserTypeRequest {
        v1::UpdateUserTypeRequest {
            library: self.name.library.unwrap_or_default(),
            user_type: self.name.user_type,
            permissions: self.permission,
            clear: cleared(&self.clear),
            etag: self.based_on.etag(),
            request_id: self.repeat.request_id(),
        }
    }
}

// === impl Delete ===

impl Delete {
    fn request(self) -> v1::DeleteUserTypeRequest {
        v1::DeleteUserTypeRequest {
            library: self.name.library.unwrap_or_default(),
            user_type: self.name.user_type,
            etag: self.based_on.etag(),
            request_id: self.repeat.request_id(),
        }
    }
}
