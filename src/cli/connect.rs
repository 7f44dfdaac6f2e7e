//! Whom to call, with which credential, over which channel.

mod credential;
mod settled;
mod tls;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use http::Uri;
use http::uri::Scheme;
use jiff::SignedDuration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_health::pb::health_client::HealthClient;
use zeroize::Zeroizing;

use self::credential::Credential;
pub(super) use self::settled::{Settled, Source, default_library};
pub(super) use self::tls::TlsFiles;
use self::tls::TlsOptions;
use super::context::written::parse_name;
use super::failure::{Failure, chain};
use super::output::{Colour, Form, FormOptions, Output};
use crate::proto::v1::directory_client::DirectoryClient;
use crate::proto::v1::keys_client::KeysClient;
use crate::proto::v1::token_admin_client::TokenAdminClient;
use crate::proto::v1::token_verify_client::TokenVerifyClient;

/// Where the authority listens unless told otherwise.
const DEFAULT_SERVER: &str = "http://127.0.0.1:50051";
/// Longest wait for an answer: beyond it, people doubt.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest credential or certificate file, bytes: hundreds of certificates fit, and a device file does not fill memory.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Largest answer, bytes: a page of 1000 tokens, each at its largest, fits.
const MAX_ANSWER_BYTES: usize = 16 << 20;
const SERVER: &str = "TOKEN_AUTHORITY_SERVER";
const CREDENTIAL_FILE: &str = "TOKEN_AUTHORITY_CREDENTIAL_FILE";
const TOKEN: &str = "TOKEN_AUTHORITY_TOKEN";

/// How to call the authority. All absent: by the environment, else by the defaults.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Options of every call")]
pub struct CallOptions {
    #[arg(
        long,
        value_name = "NAME",
        value_parser = parse_name,
        help = "The context to call, as `login` made it [env: TOKEN_AUTHORITY_CONTEXT] [default: the current one]"
    )]
    context: Option<String>,
    #[arg(
        long,
        value_name = "URL",
        help = "The authority to call [env: TOKEN_AUTHORITY_SERVER] [default: http://127.0.0.1:50051]"
    )]
    server: Option<String>,
    #[command(flatten)]
    tls: TlsOptions,
    #[arg(
        long,
        value_name = "PATH",
        help = "The file that holds the token to call with [env: TOKEN_AUTHORITY_CREDENTIAL_FILE, or the token itself \
            in TOKEN_AUTHORITY_TOKEN]"
    )]
    credential_file: Option<PathBuf>,
    /// The user whose rights to use instead of one's own; the credential must hold tokens:act-as
    #[arg(long, value_name = "USER")]
    acting_user: Option<String>,
    /// Send the credential unencrypted to an http:// server on another machine
    #[arg(long)]
    insecure_plaintext: bool,
    /// The longest wait to connect, and for each answer, repeats included, such as "500ms" or "1m" [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout)]
    timeout: Option<Duration>,
    #[command(flatten)]
    form: FormOptions,
}

/// What every call presents; nothing, if only health is asked for.
#[derive(Clone, Default)]
pub(super) struct Presented {
    credential: Option<Credential>,
    acting_user: Option<MetadataValue<Ascii>>,
}

/// A channel to the authority that presents the credential with every call.
pub(super) struct Session {
    channel: InterceptedService<Channel, Presented>,
    pub(super) timeout: Duration,
    settled: Option<Settled>,
}

/// The environment of the process, or of a test.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

// === impl CallOptions ===

impl CallOptions {
    /// These, and where they are silent, `outer`: what stands nearer to the verb outranks what stands before it.
    pub(super) fn or(self, outer: Self) -> Self {
        Self {
            context: self.context.or(outer.context),
            server: self.server.or(outer.server),
            tls: self.tls.or(outer.tls),
            credential_file: self.credential_file.or(outer.credential_file),
            acting_user: self.acting_user.or(outer.acting_user),
            insecure_plaintext: self.insecure_plaintext || outer.insecure_plaintext,
            timeout: self.timeout.or(outer.timeout),
            form: self.form.or(outer.form),
        }
    }

    pub(super) fn form(&self) -> Form {
        self.form.form()
    }

    pub(super) fn colour(&self) -> Colour {
        self.form.colour()
    }

    fn server(&self, environment: Environment<'_>) -> Result<Uri, Failure> {
        let url = match (&self.server, text(environment, SERVER)?) {
            (Some(url), _) => url.clone(),
            (None, Some(url)) => url,
            (None, None) => DEFAULT_SERVER.to_owned(),
        };
        let hint = "give a URL such as http://127.0.0.1:50051 or https://tokens.example.com:50051";
        let uri = url.parse::<Uri>().ok();
        let uri = uri.filter(|uri| {
            uri.scheme()
                .is_some_and(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme))
        });
        // A name and password in a URL would be printed with it, and mean nothing here.
        let uri = uri.filter(|uri| uri.path() == "/" && !url.contains('@'));
        uri.ok_or_else(|| {
            Failure::usage(
                "the server's address is not an http:// or https:// URL",
                hint,
            )
        })
    }

    fn acting_user(&self) -> Result<Option<MetadataValue<Ascii>>, Failure> {
        let user = self.acting_user.as_ref().map(|user| user.parse());
        user.transpose().map_err(|_| {
            Failure::usage(
                "the acting user is no name",
                "give --acting-user the name of a user of the credential's library",
            )
        })
    }

    /// Connects, so that what fails later has reached the authority.
    pub(super) async fn channel(
        &self,
        environment: Environment<'_>,
        timeout: Duration,
    ) -> Result<Channel, Failure> {
        let server = self.server(environment)?;
        let unreachable = |cause: String| Failure::Unreachable {
            server: server.to_string(),
            cause,
        };
        let mut endpoint = Endpoint::from(server.clone());
        if is_encrypted(&server) {
            let tls = self.tls.config(environment)?;
            let bad = |error: tonic::transport::Error| {
                Failure::usage(chain(&error), "see --ca-file and --client-cert-file")
            };
            endpoint = endpoint.tls_config(tls).map_err(bad)?;
        }
        match tokio::time::timeout(timeout, endpoint.connect()).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(error)) => Err(unreachable(chain(&error))),
            Err(_) => Err(unreachable(format!("no connection within {timeout:?}"))),
        }
    }
}

// === impl Presented ===

impl Interceptor for Presented {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        if let Some(credential) = &self.credential {
            metadata.insert("authorization", credential.header());
        }
        if let Some(user) = &self.acting_user {
            metadata.insert("ta-acting-user", user.clone());
        }
        Ok(request)
    }
}

// === impl Session ===

impl Session {
    /// Reads the credential and connects, so that what fails later has reached the authority.
    pub(super) async fn open(
        options: CallOptions,
        environment: Environment<'_>,
        output: &mut Output<'_>,
    ) -> Result<Self, Failure> {
        let (options, settled) = options.settle(environment)?;
        let credential = |options: &CallOptions| options.credential(environment, output);
        let session = Self::connect(options, credential, environment).await?;
        Ok(Self {
            settled: Some(settled),
            ..session
        })
    }

    /// Connects with a token that is not kept anywhere yet.
    pub(super) async fn with_token(
        options: CallOptions,
        token: &str,
        environment: Environment<'_>,
    ) -> Result<Self, Failure> {
        let credential = |_: &CallOptions| {
            Credential::parse(token.as_bytes()).ok_or_else(|| {
                Failure::usage(
                    "what was handed over is not a token",
                    "a token is one word, such as tka_...",
                )
            })
        };
        Self::connect(options, credential, environment).await
    }

    /// What of options, environment and context is in force.
    pub(super) fn settled(&self) -> Option<&Settled> {
        self.settled.as_ref()
    }

    async fn connect(
        options: CallOptions,
        credential: impl FnOnce(&CallOptions) -> Result<Credential, Failure>,
        environment: Environment<'_>,
    ) -> Result<Self, Failure> {
        let server = options.server(environment)?;
        if !is_encrypted(&server) && !options.insecure_plaintext && !is_loopback(&server) {
            let message =
                format!("{server} is on another machine and would get the credential unencrypted");
            return Err(Failure::usage(
                message,
                "use https://, or insist with --insecure-plaintext",
            ));
        }
        let presented = Presented {
            credential: Some(credential(&options)?),
            acting_user: options.acting_user()?,
        };
        let timeout = options.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let channel = options.channel(environment, timeout).await?;
        Ok(Self {
            channel: InterceptedService::new(channel, presented),
            timeout,
            settled: None,
        })
    }

    /// Connects without a credential: nothing is sent that plaintext would give away. The time to connect is part of the time
    /// that there is for an answer.
    pub(super) async fn anonymous(
        options: CallOptions,
        environment: Environment<'_>,
        default_timeout: Duration,
    ) -> Result<Self, Failure> {
        let options = options.settle_anonymous(environment)?;
        let timeout = options.timeout.unwrap_or(default_timeout);
        let started = Instant::now();
        let channel = options.channel(environment, timeout).await?;
        Ok(Self {
            channel: InterceptedService::new(channel, Presented::default()),
            timeout: timeout.saturating_sub(started.elapsed()),
            settled: None,
        })
    }

    pub(super) fn health(&self) -> HealthClient<InterceptedService<Channel, Presented>> {
        HealthClient::new(self.channel.clone())
    }

    pub(super) fn directory(&self) -> DirectoryClient<InterceptedService<Channel, Presented>> {
        DirectoryClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    pub(super) fn token_admin(&self) -> TokenAdminClient<InterceptedService<Channel, Presented>> {
        TokenAdminClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    pub(super) fn keys(&self) -> KeysClient<InterceptedService<Channel, Presented>> {
        KeysClient::new(self.channel.clone())
    }

    pub(super) fn token_verify(&self) -> TokenVerifyClient<InterceptedService<Channel, Presented>> {
        TokenVerifyClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }
}

fn path(environment: Environment<'_>, name: &str) -> Option<PathBuf> {
    environment(name)
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

fn text(environment: Environment<'_>, name: &str) -> Result<Option<String>, Failure> {
    let set = environment(name)
        .filter(|text| !text.is_empty())
        .map(OsString::into_string);
    set.transpose()
        .map_err(|_| Failure::usage(format!("{name} is not UTF-8 text"), "set it again"))
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::new());
    File::open(path)?
        .take(MAX_FILE_BYTES)
        .read_to_end(&mut content)?;
    Ok(content)
}

fn is_encrypted(server: &Uri) -> bool {
    server.scheme() == Some(&Scheme::HTTPS)
}

fn is_loopback(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let parsed = text
        .parse::<SignedDuration>()
        .map_err(|error| error.to_string())?;
    let positive = Duration::try_from(parsed)
        .ok()
        .filter(|duration| !duration.is_zero());
    positive.ok_or_else(|| "it must be longer than nothing".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for (server, expected) in [
            ("http://localhost:1", true),
            ("http://127.9.9.9:1", true),
            ("http://[::1]:1", true),
            ("http://127.0.0.1.example.com:1", false),
            ("http://localhost.example.com:1", false),
            ("http://10.0.0.1:1", false),
            ("http://[::]:1", false),
        ] {
            assert_eq!(is_loopback(&server.parse().unwrap()), expected, "{server}");
        }
    }
}
