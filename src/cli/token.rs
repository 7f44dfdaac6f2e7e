//! `token`: create, inspect, change and end tokens.

use std::io::Read;
use std::mem;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;

use self::create::{Create, Grant};
use self::import::Import;
use self::list::List;
use self::review::Review;
use self::revoke::{Revoke, RevokeAll};
use self::rotate::Rotate;
use super::Asker;
use super::call::{BasedOn, Repeat};
use super::connect::Session;
use super::deliver::{Delivery, deliver};
use super::failure::Failure;
use super::output::Output;
use super::words::{cleared, moment, time};
use crate::proto::v1;

mod create;
mod import;
mod list;
pub(super) mod review;
mod revoke;
mod rotate;

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a token; its secret alone goes to standard output, once
    #[command(
        after_help = "Examples: a token for orders alone, and one for a partner's network, of which a script gets the id\n  \
        token-authority token create --library acme --user till --display-name shop \\\n    \
        --lifetime 90d --permission orders:read --permission orders:get > shop.token\n  \
        token-authority token create --library acme --user till --description export \\\n    \
        --lifetime 2027-06-30 --access-right read-only --allowed-cidr 192.0.2.0/24 \\\n    \
        --out export.token -o name"
    )]
    Create(Create),
    /// Show a token
    Get(Get),
    /// List the tokens of a library, newest first unless sorted otherwise
    #[command(
        after_help = "Examples: what expires soon, soonest first, what nobody used lately, who can write orders\n\
        from anywhere, and the ids alone of those of that name\n  \
        token-authority token list --library acme --expires-within 30d --sort expires\n  \
        token-authority token list --library acme --unused-for 90d\n  \
        token-authority token list --library acme --state active \\\n    \
        --permission orders:write --restricted false\n  \
        token-authority token list --library acme --user till --name till-7 -o name"
    )]
    List(List),
    /// Tell which tokens to look at, worst first, why, and the command that mends each
    #[command(
        after_help = "Example:\n  token-authority token review --library acme --limit 20\n\n\
        Read a command before you run it. Known is what a token was used for so far, and from where last: permissions that it \
        needs once a year, and the networks of its other clients, are yours to add."
    )]
    Review(Review),
    /// Change a token's names, grant or expiry; what is not given stays
    Update(Update),
    /// Move a token's expiry further away, by one year unless said otherwise
    Extend(Extend),
    /// Switch a token off until it is resumed
    Suspend(Suspend),
    /// Switch a suspended token on again
    Resume(Resume),
    /// End one token or several for good, at once
    #[command(after_help = "Example:\n  \
        token-authority token revoke 4fXk0aZr1LTRhRcbSHkz6E --reason compromised \\\n    \
        --comment 'seen in a public log'")]
    Revoke(Revoke),
    /// Show a token's secret again, where the library keeps secrets; it goes to standard output, all else to standard error
    Reveal(Reveal),
    /// End all the tokens of a user or a library for good, at once, however many
    #[command(
        after_help = "Examples: log a person out everywhere, and end what was made before a break-in was noticed\n  \
        token-authority token revoke-all --library acme --user jane --sessions-only\n  \
        token-authority token revoke-all --library acme --whole-library \\\n    \
        --created-before 2026-11-20 --reason compromised"
    )]
    RevokeAll(RevokeAll),
    /// Make tokens that another system issued good here, in the form in which they always were presented
    #[command(after_help = import::EXAMPLES)]
    Import(Import),
    /// Put a new token in the place of one; its secret goes to standard output, all else to standard error
    #[command(
        after_help = "Example: a new secret now, the old one good for two more hours\n  \
        token-authority token rotate 7QMI0zoa7KbgzT4CRqq0RE --overlap 2h > shop.token"
    )]
    Rotate(Rotate),
}

/// `token get`.
#[derive(Debug, Args)]
pub struct Get {
    /// The token's public id: 22 characters, the part of it between the underscores
    token_id: String,
}

/// `token update`.
#[derive(Debug, Args)]
pub struct Update {
    /// The token's public id
    token_id: String,
    /// A short name
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// The reason for its existence
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The moment from which on it is no longer good; it may be earlier than before
    #[arg(long, value_name = "TIME", value_parser = moment)]
    expires: Option<Timestamp>,
    /// Empty a field; may be repeated
    #[arg(long, value_enum, value_name = "FIELD")]
    clear: Vec<Field>,
    #[command(flatten)]
    based_on: BasedOn,
    #[command(flatten)]
    repeat: Repeat,
    #[command(flatten)]
    grant: Grant,
}

/// `token extend`.
#[derive(Debug, Args)]
pub struct Extend {
    /// The token's public id
    token_id: String,
    /// How much further, counted from its expiry, or from now if it has expired, such as 90d [default: 1y]
    #[arg(long = "extend-by", value_name = "LIFETIME")]
    by: Option<String>,
    /// The new expiry itself
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "by")]
    expires: Option<Timestamp>,
    #[command(flatten)]
    based_on: BasedOn,
    #[command(flatten)]
    repeat: Repeat,
}

/// `token suspend`.
#[derive(Debug, Args)]
pub struct Suspend {
    /// The token's public id
    token_id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    based_on: BasedOn,
    #[command(flatten)]
    repeat: Repeat,
}

/// `token resume`.
#[derive(Debug, Args)]
pub struct Resume {
    /// The token's public id
    token_id: String,
    #[command(flatten)]
    based_on: BasedOn,
    #[command(flatten)]
    repeat: Repeat,
}

/// `token reveal`.
#[derive(Debug, Args)]
pub struct Reveal {
    /// The token's public id
    token_id: String,
    #[command(flatten)]
    delivery: Delivery,
    #[command(flatten)]
    repeat: Repeat,
}

/// What can be emptied.
#[derive(Debug, Clone, ValueEnum)]
enum Field {
    DisplayName,
    Description,
    /// With its department: the token is pinned no longer
    UserType,
    Permissions,
    Apis,
    AllowedCidrs,
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
            Self::Create(create) => create.run(session, output).await?,
            Self::Get(get) => {
                let send = async |request| session.token_admin().get_token(request).await;
                let response = session.ask(get.request(), send).await?;
                output.one(&response, Some(&response))?;
                output.usage(&response.usage);
            }
            Self::Reveal(mut reveal) => {
                let send = async |request| session.token_admin().reveal_token(request).await;
                let delivery = mem::take(&mut reveal.delivery);
                deliver(session, reveal.request(), send, delivery, output).await?;
            }
            Self::List(list) => list.run(session, output).await?,
            Self::Review(review) => review.run(session, output).await?,
            Self::Update(update) => {
                let send = async |request| session.token_admin().update_token(request).await;
                let response = session.change(update.request(), send).await?;
                output.one(&response, response.token.as_ref())?;
                warn(output, response.clamped(), response.warnings);
            }
            Self::Extend(extend) => {
                let send = async |request| session.token_admin().extend_token(request).await;
                let response = session.change(extend.request(), send).await?;
                output.one(&response, response.token.as_ref())?;
                warn(output, response.clamped(), response.warnings);
            }
            Self::Suspend(suspend) => {
                let send = async |request| session.token_admin().suspend_token(request).await;
                let response = session.change(suspend.request(), send).await?;
                output.one(&response, response.token.as_ref())?;
            }
            Self::Resume(resume) => {
                let send = async |request| session.token_admin().resume_token(request).await;
                let response = session.change(resume.request(), send).await?;
                output.one(&response, response.token.as_ref())?;
            }
            Self::Rotate(rotate) => rotate.run(session, ask, output).await?,
            Self::Revoke(revoke) => revoke.run(session, ask, output).await?,
            Self::RevokeAll(revoke) => revoke.run(session, ask, output).await?,
            Self::Import(import) => import.run(session, stdin, output).await?,
        }
        Ok(())
    }
}

// === impl Get ===

impl Get {
    fn request(self) -> v1::GetTokenRequest {
        v1::GetTokenRequest {
            token_id: self.token_id,
        }
    }
}

// === impl Update ===

impl Update {
    fn request(self) -> v1::UpdateTokenRequest {
        v1::UpdateTokenRequest {
            token_id: self.token_id,
            display_name: self.display_name,
            description: self.description,
            expire_time: self.expires.map(time),
            department: self.grant.department,
            user_type: self.grant.user_type,
            access_right: self.grant.access_right.map(Into::into),
            permissions: self.grant.permission,
            apis: self.grant.api,
            allowed_cidrs: self.grant.allowed_cidr,
            clear: cleared(&self.clear),
            etag: self.based_on.etag(),
            request_id: self.repeat.request_id(),
        }
    }
}

// === impl Extend ===

impl Extend {
    fn request(self) -> v1::ExtendTokenRequest {
        v1::ExtendTokenRequest {
            token_id: self.token_id,
            extend_by: self.by.unwrap_or_default(),
            expire_time: self.expires.map(time),
            etag: self.based_on.etag(),
            request_id: self.repeat.request_id(),
        }
    }
}

// === impl Suspend ===

impl Suspend {
    fn request(self) -> v1::SuspendTokenRequest {
        v1::SuspendTokenRequest {
            token_id: self.token_id,
            reason: self.reason.unwrap_or_default(),
            etag: self.based_on.etag(),
            request_id: self.repeat.request_id(),
        }
    }
}

// === impl Resume ===

impl Resume {
    fn request(self) -> v1::ResumeTokenRequest {
        v1::ResumeTokenRequest {
            token_id: self.token_id,
            etag: self.based_on.etag(),
            request_id: self.repeat.request_id(),
        }
    }
}

// === impl Reveal ===

impl Reveal {
    fn request(self) -> v1::RevealTokenRequest {
        v1::RevealTokenRequest {
            token_id: self.token_id,
            request_id: self.repeat.request_id(),
        }
    }
}

/// What the caller should know of a change, and that its expiry was held back.
fn warn(output: &mut Output<'_>, clamped: bool, mut warnings: Vec<String>) {
    if clamped {
        let why = "the expiry is the latest that the library allows, earlier than asked for";
        warnings.push(why.to_owned());
    }
    output.warnings(&warnings);
}
