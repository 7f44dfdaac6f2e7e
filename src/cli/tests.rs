//! Command lines against an authority that notes what it is asked and answers as it is told.

use std::any::Any;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use clap::{CommandFactory, Parser};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::output::Screen;
use super::{Cli, Command, Exit, Streams};
use crate::proto::v1;
use crate::proto::v1::directory_server::{Directory, DirectoryServer};
use crate::proto::v1::token_admin_server::{TokenAdmin, TokenAdminServer};
use crate::proto::v1::token_verify_server::{TokenVerify, TokenVerifyServer};

mod connection;
mod consent;
mod contexts;
mod delivery;
mod examples;
mod following;
mod import;
mod output;
mod policy;
mod requests;
mod review;
mod token_requests;

/// The credential that every test calls with.
const CREDENTIAL: &str = "tka_the_credential_of_the_test";

/// When every test reads what is written.
const NOW: &str = "2027-01-15T08:00:00Z";

/// An authority that answers from a script.
#[derive(Clone, Default)]
struct Authority(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    /// What is answered next, each once; then default messages.
    answers: VecDeque<Box<dyn Any + Send>>,
    /// What was asked, with the `authorization` metadata.
    asked: Vec<(Box<dyn Any + Send>, String)>,
}

/// How a command ended, and what it wrote.
struct Ended {
    exit: Exit,
    stdout: String,
    stderr: String,
}

/// The process around a command.
struct Shell {
    server: String,
    environment: Vec<(&'static str, OsString)>,
    stdin: &'static str,
    /// What somebody at a terminal answers; `None` where nobody sits there.
    answer: Option<&'static str>,
    width: Option<u16>,
    colours: bool,
}

// === impl Authority ===

impl Authority {
    /// Answers from now on, at the address that is returned.
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let services = Server::builder()
            .add_service(DirectoryServer::new(self.clone()))
            .add_service(TokenAdminServer::new(self.clone()))
            .add_service(TokenVerifyServer::new(self.clone()));
        tokio::spawn(services.serve_with_incoming(TcpIncoming::from(listener)));
        server
    }

    /// The next answer.
    fn then<A: Any + Send>(self, answer: A) -> Self {
        self.0.lock().unwrap().answers.push_back(Box::new(answer));
        self
    }

    /// The next answer is an error.
    fn then_fail(self, status: Status) -> Self {
        self.then(status)
    }

    fn answer<Q: Any + Send, A: Any + Default>(
        &self,
        request: Request<Q>,
    ) -> Result<Response<A>, Status> {
        let mut script = self.0.lock().unwrap();
        let credential = request
            .metadata()
            .get("authorization")
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        script
            .asked
            .push((Box::new(request.into_inner()), credential));
        let Some(answer) = script.answers.pop_front() else {
            return Ok(Response::new(A::default()));
        };
        match answer.downcast::<Status>() {
            Ok(status) => Err(*status),
            Err(answer) => Ok(Response::new(*answer.downcast().unwrap())),
        }
    }

    /// All requests that came, which must be of this type.
    fn asked<Q: Any>(&self) -> Vec<Q> {
        let asked = std::mem::take(&mut self.0.lock().unwrap().asked);
        asked
            .into_iter()
            .map(|(request, _)| *request.downcast().unwrap())
            .collect()
    }
}

/// A response of a watch, or its end.
type Told = Result<v1::WatchEventsResponse, Status>;

macro_rules! scripted {
    ($service:ident { $($method:ident $request:ident $response:ident)* } $($streaming:item)*) => {
        #[tonic::async_trait]
        impl $service for Authority {
            $($streaming)*
            $(
            async fn $method(&self, request: Request<v1::$request>) -> Result<Response<v1::$response>, Status> {
                self.answer(request)
            }
            )*
        }
    };
}

scripted! { Directory {
    create_library CreateLibraryRequest CreateLibraryResponse
    get_library GetLibraryRequest GetLibraryResponse
    list_libraries ListLibrariesRequest ListLibrariesResponse
    update_library UpdateLibraryRequest UpdateLibraryResponse
    delete_library DeleteLibraryRequest DeleteLibraryResponse
    create_user_type CreateUserTypeRequest CreateUserTypeResponse
    get_user_type GetUserTypeRequest GetUserTypeResponse
    list_user_types ListUserTypesRequest ListUserTypesResponse
    update_user_type UpdateUserTypeRequest UpdateUserTypeResponse
    delete_user_type DeleteUserTypeRequest DeleteUserTypeResponse
    create_user CreateUserRequest CreateUserResponse
    get_user GetUserRequest GetUserResponse
    list_users ListUsersRequest ListUsersResponse
    update_user UpdateUserRequest UpdateUserResponse
    delete_user DeleteUserRequest DeleteUserResponse
} }

scripted! { TokenAdmin {
    create_token CreateTokenRequest CreateTokenResponse
    get_token GetTokenRequest GetTokenResponse
    list_tokens ListTokensRequest ListTokensResponse
    rotate_token RotateTokenRequest RotateTokenResponse
    revoke_tokens RevokeTokensRequest RevokeTokensResponse
    reveal_token RevealTokenRequest RevealTokenResponse
    apply_policy ApplyPolicyRequest ApplyPolicyResponse
    update_token UpdateTokenRequest UpdateTokenResponse
    extend_token ExtendTokenRequest ExtendTokenResponse
    suspend_token SuspendTokenRequest SuspendTokenResponse
    resume_token ResumeTokenRequest ResumeTokenResponse
    revoke_token RevokeTokenRequest RevokeTokenResponse
    open_session OpenSessionRequest OpenSessionResponse
    set_password SetPasswordRequest SetPasswordResponse
    import_tokens ImportTokensRequest ImportTokensResponse
    list_audit_events ListAuditEventsRequest ListAuditEventsResponse
    review_tokens ReviewTokensRequest ReviewTokensResponse
    who_am_i WhoAmIRequest WhoAmIResponse
}
    type WatchEventsStream = tokio_stream::Iter<std::vec::IntoIter<Told>>;

    async fn watch_events(
        &self,
        request: Request<v1::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let told = self.answer::<_, Vec<Told>>(request)?.into_inner();
        Ok(Response::new(tokio_stream::iter(told)))
    }
}

scripted! { TokenVerify {
    verify VerifyRequest VerifyResponse
    verify_batch VerifyBatchRequest VerifyBatchResponse
} }

// === impl Shell ===

impl Shell {
    fn new(server: String) -> Self {
        let environment = vec![("TOKEN_AUTHORITY_TOKEN", OsString::from(CREDENTIAL))];
        Self {
            server,
            environment,
            stdin: "",
            answer: None,
            width: None,
            colours: false,
        }
    }

    async fn run(&self, line: &[&str]) -> Ended {
        let mut stdout = Vec::new();
        let (exit, stderr) = self.run_to(line, &mut stdout).await;
        Ended {
            exit,
            stdout: String::from_utf8(stdout).unwrap(),
            stderr,
        }
    }

    async fn run_to(&self, line: &[&str], stdout: &mut dyn Write) -> (Exit, String) {
        let environment = |name: &str| match name {
            "TOKEN_AUTHORITY_SERVER" if !self.server.is_empty() => {
                Some(OsString::from(&self.server))
            }
            _ => self
                .environment
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.clone()),
        };
        let line: Vec<OsString> = ["token-authority"]
            .iter()
            .chain(line)
            .map(Into::into)
            .collect();
        let Cli { options, command } = Cli::read(&line, &environment).unwrap();
        let Command::Client(client) = command else {
            panic!("{line:?} is not a client's")
        };
        let ask = self
            .answer
            .map(|answer| move |_: &str| Ok(answer.to_owned()));
        let (mut stdin, mut stderr) = (self.stdin.as_bytes(), Vec::new());
        let streams = Streams {
            stdin: &mut stdin,
            ask: ask
                .as_ref()
                .map(|ask| ask as &dyn Fn(&str) -> io::Result<String>),
            stdout,
            stderr: &mut stderr,
            screen: Screen {
                width: self.width,
                colours: self.colours,
                colours_aside: self.colours,
                watched: false,
                now: NOW.parse().unwrap(),
            },
        };
        let exit = super::run(options, client, &environment, streams).await;
        (exit, String::from_utf8(stderr).unwrap())
    }
}

/// A reader that has gone.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_command_line_contradicts_itself_nowhere() {
    Cli::command().debug_assert();
}

#[test]
fn the_help_names_every_exit_status() {
    for exit in [
        Exit::Success,
        Exit::Failed,
        Exit::Usage,
        Exit::Refused,
        Exit::Unreachable,
    ] {
        assert!(
            super::EXIT_STATUS.contains(&format!("\n  {}  ", exit as u8)),
            "{exit:?}"
        );
    }
    let help = Cli::command().render_long_help().to_string();
    assert!(help.contains(super::EXIT_STATUS), "{help}");
}

#[test]
fn no_option_takes_a_token() {
    fn check(command: &clap::Command) {
        for option in command.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(
                !["token", "credential", "secret", "password"].contains(&option),
                "--{option}"
            );
        }
        command.get_subcommands().for_each(check);
    }
    check(&Cli::command());
}
