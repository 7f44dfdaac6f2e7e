//! `token create`, and the grant that `token update` changes.

use std::mem;

use clap::{ArgGroup, Args};
use jiff::Timestamp;

use super::super::call::Repeat;
use super::super::connect::Session;
use super::super::deliver::{Delivery, deliver};
use super::super::failure::Failure;
use super::super::output::Output;
use super::super::words::{moment, number, time};
use crate::proto::v1;

/// `token create`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("told").args(["display_name", "description"]).required(true).multiple(true))]
pub struct Create {
    /// The library it belongs to [default: your own]
    #[arg(long)]
    library: Option<String>,
    /// The user whose rights it carries [default: yourself]
    #[arg(long)]
    user: Option<String>,
    /// A short name; this or --description is required
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// The reason for its existence
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// How long it is good, such as 90d, 12mo or 1y, or the date before which it must be used, such as 2027-06-30
    /// [default: the library's]
    #[arg(long)]
    lifetime: Option<String>,
    /// The moment from which on it is no longer good, such as 2027-06-30T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "lifetime")]
    expires: Option<Timestamp>,
    /// The moment from which on it is good [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    not_before: Option<Timestamp>,
    /// Make it switched off: it is good only once it is resumed
    #[arg(long)]
    suspended: bool,
    #[command(flatten)]
    delivery: Delivery,
    #[command(flatten)]
    repeat: Repeat,
    #[command(flatten)]
    grant: Grant,
}

/// How a token's rights are narrowed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Grant: narrows what its user may do, never widens it")]
pub(super) struct Grant {
    /// Pin it to the assignment of its user in this department
    #[arg(long, requires = "user_type")]
    pub(super) department: Option<String>,
    /// Pin it to the assignment of its user with this user type
    #[arg(long)]
    pub(super) user_type: Option<String>,
    /// How its permissions follow from its user's [default: custom with --permission, else full]
    #[arg(long, value_enum)]
    pub(super) access_right: Option<v1::AccessRight>,
    /// What it may do, such as orders:read or 'orders:*'; may be repeated
    #[arg(long, value_name = "PATTERN")]
    pub(super) permission: Vec<String>,
    /// An API it may be used with; may be repeated [default: any]
    #[arg(long)]
    pub(super) api: Vec<String>,
    /// Client addresses it may be used from, such as 10.0.0.0/8; may be repeated [default: any]
    #[arg(long, value_name = "CIDR")]
    pub(super) allowed_cidr: Vec<String>,
}

// === impl Create ===

impl Create {
    pub(super) async fn run(
        mut self,
        session: &Session,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        let delivery = mem::take(&mut self.delivery);
        let send = async |request| session.token_admin().create_token(request).await;
        deliver(session, self.request(), send, delivery, output).await
    }

    fn request(self) -> v1::CreateTokenRequest {
        v1::CreateTokenRequest {
            library: self.library.unwrap_or_default(),
            user: self.user.unwrap_or_default(),
            display_name: self.display_name.unwrap_or_default(),
            description: self.description.unwrap_or_default(),
            expire_time: self.expires.map(time),
            lifetime: self.lifetime.unwrap_or_default(),
            not_before: self.not_before.map(time),
            suspended: self.suspended,
            department: self.grant.department.unwrap_or_default(),
            user_type: self.grant.user_type.unwrap_or_default(),
            access_right: number(self.grant.access_right),
            permissions: self.grant.permission,
            apis: self.grant.api,
            allowed_cidrs: self.grant.allowed_cidr,
            request_id: self.repeat.request_id(),
        }
    }
}
