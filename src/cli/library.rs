//! `library`: the boundary that every token and user belongs to.

use clap::{Args, Subcommand, ValueEnum};

use self::policy::ApplyPolicy;
use super::Asker;
use super::call::{BasedOn, Limit, Repeat};
use super::connect::Session;
use super::consent::Consent;
use super::failure::Failure;
use super::output::Output;
use super::words::{cleared, number};
use crate::proto::v1;

mod policy;

/// What can be done with libraries.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a library; only operators may
    Create(Create),
    /// Show a library
    Get(Get),
    /// List the libraries that you may see
    List(List),
    /// Change a library; what is not given stays
    #[command(
        after_help = "Of the policy, --allowed-cidr bites at once, for existing tokens too. Lifetimes and --contact-api hold\n\
        for new tokens alone, until `library apply-policy`; --max-tokens-per-user for new ones, always.\n\n\
        Examples: switch all tokens of a library off, until it is active again, and see what a policy would hit\n  \
        token-authority library update acme --state disabled\n  \
        token-authority library update acme --default-lifetime 90d \\\n    \
        --max-lifetime 90d --dry-run"
    )]
    Update(Update),
    /// Bring existing tokens within a library's policy; a policy that is changed holds for new ones alone
    ///
    /// An expiry beyond the longest lifetime, from now, is held back; a contact's token keeps the APIs that contacts may have,
    /// and is suspended if none is left. Nothing is ever lengthened, widened, resumed or revoked. Users with more tokens than
    /// allowed are told of, and nothing of theirs is ended.
    #[command(after_help = "Example: what would be changed, and then change it\n  \
        token-authority library apply-policy acme --dry-run\n  \
        token-authority library apply-policy acme --yes")]
    ApplyPolicy(ApplyPolicy),
    /// Delete a disabled library; its tokens stay dead, even if its name is used again
    Delete(Delete),
}

/// `library create`.
#[derive(Debug, Args)]
pub struct Create {
    /// Its name: [a-z0-9._@-], at most 63, the first a letter or digit
    library: String,
    /// A name for people
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// The customer it belongs to
    #[arg(long, value_name = "ID")]
    tenant_id: Option<String>,
    /// Allow tokens to be created
    #[arg(long)]
    tokens_enabled: bool,
    #[command(flatten)]
    policy: Policy,
    #[command(flatten)]
    repeat: Repeat,
}

/// `library get`.
#[derive(Debug, Args)]
pub struct Get {
    /// The library [default: your own]
    library: Option<String>,
}

/// `library list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    limit: Limit,
}

/// `library update`.
#[derive(Debug, Args)]
pub struct Update {
    /// The library [default: your own]
    library: Option<String>,
    /// A name for people
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// The customer it belongs to; only operators may
    #[arg(long, value_name = "ID")]
    tenant_id: Option<String>,
    /// Whether its tokens are good at all; only operators may
    #[arg(long, value_enum)]
    state: Option<v1::LibraryState>,
    /// Whether tokens may be created and extended; only operators may
    #[arg(long, value_name = "BOOL")]
    tokens_enabled: Option<bool>,
    #[command(flatten)]
    policy: Policy,
    /// Empty a field; may be repeated
    #[arg(long, value_enum, value_name = "FIELD")]
    clear: Vec<Field>,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    based_on: BasedOn,
    #[command(flatten)]
    repeat: Repeat,
}

/// `library delete`.
#[derive(Debug, Args)]
pub struct Delete {
    /// The library; it must be disabled
    library: String,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    based_on: BasedOn,
    #[command(flatten)]
    repeat: Repeat,
}

/// What a library demands of its tokens.
#[derive(Debug, Args)]
struct Policy {
    /// The lifetime of a token that asks for none, such as 12mo
    #[arg(long, value_name = "LIFETIME")]
    default_lifetime: Option<String>,
    /// Longer lifetimes than this are allowed with a warning, such as 12mo
    #[arg(long, value_name = "LIFETIME")]
    suggested_lifetime: Option<String>,
    /// The longest lifetime, such as 24mo
    #[arg(long, value_name = "LIFETIME")]
    max_lifetime: Option<String>,
    /// An API that contacts' tokens may be restricted to; may be repeated
    #[arg(long, value_name = "API")]
    contact_api: Vec<String>,
    /// Client addresses that its tokens may be used from, such as 10.0.0.0/8; may be repeated
    #[arg(long, value_name = "CIDR")]
    allowed_cidr: Vec<String>,
    /// How many live API tokens a user may have at once; 0 for no limit
    #[arg(long, value_name = "NUMBER")]
    max_tokens_per_user: Option<u32>,
    /// Whether secrets can be shown again; switching back to once destroys those that were kept
    #[arg(long, value_enum)]
    secret_display: Option<v1::SecretDisplay>,
    #[arg(
        long,
        value_name = "TEXT",
        help = "How to use its tokens; {token_id}, {user}, {library} and {expire_time} stand for the token's own"
    )]
    usage_instructions: Option<String>,
    /// For how long a session may go unused before it has expired, such as 30m; at least 5m [default: any time]
    #[arg(long, value_name = "LIFETIME")]
    session_idle_timeout: Option<String>,
}

/// What can be emptied.
#[derive(Debug, Clone, ValueEnum)]
enum Field {
    DisplayName,
    TenantId,
    ContactApis,
    AllowedCidrs,
    UsageInstructions,
    SessionIdleTimeout,
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
                let send = async |request| session.directory().create_library(request).await;
                let response = session.change(create.request(), send).await?;
                output.one(&response, response.library.as_ref())?;
            }
            Self::Get(get) => {
                let send = async |request| session.directory().get_library(request).await;
                let response = session.ask(get.request(), send).await?;
                output.one(&response, response.library.as_ref())?;
            }
            Self::List(list) => list.run(session, output).await?,
            Self::Update(update) => {
                let dry_run = update.consent.is_dry_run();
                // Only this one can't be undone; a dry run is the server's.
                if update.policy.secret_display == Some(v1::SecretDisplay::Once) && !dry_run {
                    let what = "destroy the secrets that the library keeps, if it keeps any";
                    update.consent.to(what, ask, output)?;
                }
                let send = async |request| session.directory().update_library(request).await;
                let response = session.change(update.request(), send).await?;
                output.one(&response, response.library.as_ref())?;
                tell_effects(&response, dry_run, output);
            }
            Self::ApplyPolicy(apply) => apply.run(session, ask, output).await?,
            Self::Delete(delete) => {
                let done = format!("library {} is deleted", delete.library);
                if delete.consent.looks(ask) {
                    let request = v1::GetLibraryRequest {
                        library: delete.library.clone(),
                    };
                    let send = async |request| session.directory().get_library(request).await;
                    output.preview(session.ask(request, send).await?.library.as_slice());
                }
                let what = format!(
                    "delete the library {} with all that is in it",
                    delete.library
                );
                if !delete.consent.to(&what, ask, output)? {
                    return Ok(());
                }
                let send = async |request| session.directory().delete_library(request).await;
                let response = session.change(delete.request(), send).await?;
                output.done(&response, &done)?;
            }
        }
        Ok(())
    }
}

// === impl Create ===

impl Create {
    fn request(self) -> v1::CreateLibraryRequest {
        v1::CreateLibraryRequest {
            library: self.library,
            display_name: self.display_name.unwrap_or_default(),
            tenant_id: self.tenant_id.unwrap_or_default(),
            tokens_enabled: self.tokens_enabled,
            default_lifetime: self.policy.default_lifetime.unwrap_or_default(),
            suggested_lifetime: self.policy.suggested_lifetime.unwrap_or_default(),
            max_lifetime: self.policy.max_lifetime.unwrap_or_default(),
            contact_apis: self.policy.contact_api,
            allowed_cidrs: self.policy.allowed_cidr,
            secret_display: number(self.policy.secret_display),
            usage_instructions: self.policy.usage_instructions.unwrap_or_default(),
            session_idle_timeout: self.policy.session_idle_timeout.unwrap_or_default(),
            max_tokens_per_user: self.policy.max_tokens_per_user.unwrap_or_default(),
            request_id: self.repeat.request_id(),
        }
    }
}

// === impl Get ===

impl Get {
    fn request(self) -> v1::GetLibraryRequest {
        v1::GetLibraryRequest {
            library: self.library.unwrap_or_default(),
        }
    }
}

// === impl List ===

impl List {
    async fn run(self, session: &Session, output: &mut Output<'_>) -> Result<(), Failure> {
        let fetch = async |page_size, page_token| {
            let send = async |request| session.directory().list_libraries(request).await;
            let page = session
                .ask(
                    v1::ListLibrariesRequest {
                        page_size,
                        page_token,
                    },
                    send,
                )
                .await?;
            Ok((page.libraries, page.next_page_token))
        };
        let (libraries, next_page_token) = self.limit.pages(output, fetch).await?;
        let response = v1::ListLibrariesResponse {
            libraries,
            next_page_token,
        };
        Ok(output.many(&response, &response.libraries, &response.next_page_token)?)
    }
}

// === impl Update ===

impl Update {
    fn request(self) -> v1::UpdateLibraryRequest {
        v1::UpdateLibraryRequest {
            library: self.library.unwrap_or_default(),
            display_name: self.display_name,
            tenant_id: self.tenant_id,
            state: self.state.map(Into::into),
            tokens_enabled: self.tokens_enabled,
            default_lifetime: self.policy.default_lifetime,
            suggested_lifetime: self.policy.suggested_lifetime,
            max_lifetime: self.policy.max_lifetime,
            contact_apis: self.policy.contact_api,
            allowed_cidrs: self.policy.allowed_cidr,
            secret_display: self.policy.secret_display.map(Into::into),
            usage_instructions: self.policy.usage_instructions,
            session_idle_timeout: self.policy.session_idle_timeout,
            max_tokens_per_user: self.policy.max_tokens_per_user,
            dry_run: self.consent.is_dry_run(),
            clear: cleared(&self.clear),
            etag: self.based_on.etag(),
            request_id: self.repeat.request_id(),
        }
    }
}

// === impl Delete ===

impl Delete {
    fn request(self) -> v1::DeleteLibraryRequest {
        v1::DeleteLibraryRequest {
            library: self.library,
            etag: self.based_on.etag(),
            request_id: self.repeat.request_id(),
        }
    }
}

/// What a change of the policy hits, or would.
fn tell_effects(response: &v1::UpdateLibraryResponse, dry_run: bool, output: &mut Output<'_>) {
    if let Some(effects) = &response.effects {
        let sentences = policy::sentences(effects);
        if dry_run && sentences.is_empty() {
            output.remark("hits", &policy::nothing(effects));
        }
        for sentence in sentences {
            output.remark("hits", &sentence);
        }
        if effects.incomplete {
            output.remark("warning", &policy::incomplete(effects));
        }
    }
    if dry_run {
        output.remark("note", "nothing was changed: this is how it would be");
    }
}
