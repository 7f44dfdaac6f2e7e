//! `user`: the persons and systems that tokens stand for.

use std::io::Read;

use clap::{Args, Subcommand, ValueEnum};

use super::Asker;
use super::call::{BasedOn, Limit, Repeat};
use super::connect::Session;
use super::consent::Consent;
use super::failure::Failure;
use super::output::Output;
use super::session::PASSWORD;
use super::words::{cleared, number};
use crate::proto::v1;

/// What can be done with users.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a user
    #[command(
        after_help = "Examples: a clerk of one department, a system, and a customer's person\n  \
        token-authority user create ann --library acme --assign sales:clerk\n  \
        token-authority user create till --library acme --kind api-only --assign clerk\n  \
        token-authority user create eve --library acme --kind contact \\\n    \
        --data-owner customer-7 --assign reader"
    )]
    Create(Create),
    /// Show a user
    Get(Get),
    /// List the users of a library
    List(List),
    /// Change a user; what is not given stays, and every token of it follows at once
    Update(Update),
    /// Set the password that a user logs in with, read from standard input
    #[command(
        after_help = "Examples: one that is typed, without being shown, and one from a file\n  \
        token-authority user set-password ann --library acme\n  \
        token-authority user set-password ann --library acme < ann.password"
    )]
    SetPassword(SetPassword),
    /// Delete a user; its tokens stay dead, even if its name is used again
    Delete(Delete),
}

/// Which one.
#[derive(Debug, Args)]
struct Name {
    /// Its name: [a-z0-9._@-], at most 63, the first a letter or digit
    user: String,
    /// The library it belongs to [default: your own]
    #[arg(long)]
    library: Option<String>,
}

/// `user create`.
#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    name: Name,
    /// A name for people
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// An address for people
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// What kind of user it is; never changes [default: standard]
    #[arg(long, value_enum)]
    kind: Option<v1::UserKind>,
    /// A user type that it holds, in one department or in the whole library; may be repeated
    #[arg(long, value_name = "[DEPARTMENT:]USER_TYPE", value_parser = parse_assignment)]
    assign: Vec<v1::Assignment>,
    /// Of a contact: the customer whose data it may see
    #[arg(long, value_name = "ID")]
    data_owner: Option<String>,
    #[command(flatten)]
    repeat: Repeat,
}

/// `user get`.
#[derive(Debug, Args)]
pub struct Get {
    #[command(flatten)]
    name: Name,
}

/// `user list`.
#[derive(Debug, Args)]
pub struct List {
    /// The library [default: your own]
    #[arg(long)]
    library: Option<String>,
    #[command(flatten)]
    limit: Limit,
}

/// `user update`.
#[derive(Debug, Args)]
pub struct Update {
    #[command(flatten)]
    name: Name,
    /// A name for people
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// An address for people
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Whether its tokens are good at all
    #[arg(long, value_enum)]
    state: Option<v1::UserState>,
    /// Replace all the user types that it holds; may be repeated
    #[arg(long, value_name = "[DEPARTMENT:]USER_TYPE", value_parser = parse_assignment)]
    assign: Vec<v1::Assignment>,
    /// Of a contact: the customer whose data it may see
    #[arg(long, value_name = "ID")]
    data_owner: Option<String>,
    /// Empty a field; may be repeated
    #[arg(long, value_enum, value_name = "FIELD")]
    clear: Vec<Field>,
    #[command(flatten)]
    based_on: BasedOn,
    #[command(flatten)]
    repeat: Repeat,
}

/// `user set-password`.
#[derive(Debug, Args)]
pub struct SetPassword {
    /// The user [default: yourself]
    user: Option<String>,
    /// The library it belongs to [default: your own]
    #[arg(long)]
    library: Option<String>,
    /// Instead of setting one: remove the one that there is, so that the user can't log in
    #[arg(long)]
    remove: bool,
    #[command(flatten)]
    repeat: Repeat,
}

/// `user delete`.
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
    DisplayName,
    Email,
    Assignments,
}

// === impl Verb ===

impl Verb {
    pub(super) async fn run(
        self,
        session: &Session,
        stdin: &mut dyn Read,
        ask: Asker<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        match self {
            Self::Create(create) => {
                let send = async |request| session.directory().create_user(request).await;
                let response = session.change(create.request(), send).await?;
                output.one(&response, response.user.as_ref())?;
            }
            Self::Get(get) => {
                let send = async |request| session.directory().get_user(request).await;
                let response = session.ask(get.request(), send).await?;
                output.one(&response, response.user.as_ref())?;
            }
            Self::List(list) => list.run(session, output).await?,
            Self::Update(update) => {
                let send = async |request| session.directory().update_user(request).await;
                let response = session.change(update.request(), send).await?;
                output.one(&response, response.user.as_ref())?;
            }
            Self::SetPassword(set) => {
                let done = if set.remove {
                    "the password is removed"
                } else {
                    "the password is set; sessions that there are go on working"
                };
                let request = set.request(stdin)?;
                let send = async |request| session.token_admin().set_password(request).await;
                let response = session.change(request, send).await?;
                output.done(&response, done)?;
            }
            Self::Delete(delete) => {
                let done = format!("user {} is deleted", delete.name.user);
                if delete.consent.looks(ask) {
                    let request = v1::GetUserRequest {
                        library: delete.name.library.clone().unwrap_or_default(),
                        user: delete.name.user.clone(),
                    };
                    let send = async |request| session.directory().get_user(request).await;
                    output.preview(session.ask(request, send).await?.user.as_slice());
                }
                if !delete.consent.to(
                    &format!("delete the user {}", delete.name.user),
                    ask,
                    output,
                )? {
                    return Ok(());
                }
                let send = async |request| session.directory().delete_user(request).await;
                let response = session.change(delete.request(), send).await?;
                output.done(&response, &done)?;
            }
        }
        Ok(())
    }
}

// === impl Create ===

impl Create {
    fn request(self) -> v1::CreateUserRequest {
        v1::CreateUserRequest {
            library: self.name.library.unwrap_or_default(),
            user: self.name.user,
            display_name: self.display_name.unwrap_or_default(),
            email: self.email.unwrap_or_default(),
            kind: number(self.kind),
            assignments: self.assign,
            data_owner: self.data_owner.unwrap_or_default(),
            request_id: self.repeat.request_id(),
        }
    }
}

// === impl Get ===

impl Get {
    fn request(self) -> v1::GetUserRequest {
        v1::GetUserRequest {
            library: self.name.library.unwrap_or_default(),
            user: self.name.user,
        }
    }
}

// === impl List ===

impl List {
    async fn run(self, session: &Session, output: &mut Output<'_>) -> Result<(), Failure> {
        let library = self.library.unwrap_or_default();
        let fetch = async |page_size, page_token| {
            let request = v1::ListUsersRequest {
                library: library.clone(),
                page_size,
                page_token,
            };
            let send = async |request| session.directory().list_users(request).await;
            let page = session.ask(request, send).await?;
            Ok((page.users, page.next_page_token))
        };
        let (users, next_page_token) = self.limit.pages(output, fetch).await?;
        let response = v1::ListUsersResponse {
            users,
            next_page_token,
        };
        Ok(output.many(&response, &response.users, &response.next_page_token)?)
    }
}

// === impl Update ===

impl Update {
    fn request(self) -> v1::UpdateUserRequest {
        v1::UpdateUserRequest {
            library: self.name.library.unwrap_or_default(),
            user: self.name.user,
            display_name: self.display_name,
            email: self.email,
            state: self.state.map(Into::into),
            assignments: self.assign,
            data_owner: self.data_owner,
            clear: cleared(&self.clear),
            etag: self.based_on.etag(),
            request_id: self.repeat.request_id(),
        }
    }
}

// === impl SetPassword ===

impl SetPassword {
    fn request(self, stdin: &mut dyn Read) -> Result<v1::SetPasswordRequest, Failure> {
        let password = if self.remove {
            String::new()
        } else {
            PASSWORD.read(stdin)?.to_string()
        };
        Ok(v1::SetPasswordRequest {
            library: self.library.unwrap_or_default(),
            user: self.user.unwrap_or_default(),
            password,
            remove: self.remove,
            request_id: self.repeat.request_id(),
        })
    }
}

// === impl Delete ===

impl Delete {
    fn request(self) -> v1::DeleteUserRequest {
        v1::DeleteUserRequest {
            library: self.name.library.unwrap_or_default(),
            user: self.name.user,
            etag: self.based_on.etag(),
            request_id: self.repeat.request_id(),
        }
    }
}

/// `sales:clerk` is the user type clerk in the department sales, `clerk` in the whole library.
fn parse_assignment(text: &str) -> Result<v1::Assignment, String> {
    let (department, user_type) = text.split_once(':').unwrap_or(("", text));
    if user_type.is_empty() || (department.is_empty() && text.starts_with(':')) {
        return Err("write USER_TYPE, or DEPARTMENT:USER_TYPE".to_owned());
    }
    Ok(v1::Assignment {
        department: department.to_owned(),
        user_type: user_type.to_owned(),
    })
}
