//! Where and as whom to call, kept under a name.

mod faults;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tonic_types::{ErrorDetails, StatusExt as _};

use super::*;

/// What is typed at a login.
const TYPED: &str = "tka_typed_at_the_login\n";
const PRESENTED: &str = "Bearer tka_typed_at_the_login";

/// A home in which contexts are kept, and a shell in it.
struct Home {
    dir: TempDir,
    shell: Shell,
}

// === impl Home ===

impl Home {
    fn new() -> Home {
        let dir = tempfile::tempdir().unwrap();
        let mut shell = Shell::new(String::new());
        shell.environment = vec![("HOME", dir.path().into())];
        shell.stdin = TYPED;
        Home { dir, shell }
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.shell.environment.push((name, value.into()));
    }

    fn unset(&mut self, name: &str) {
        self.shell.environment.retain(|(known, _)| *known != name);
    }

    fn kept(&self) -> PathBuf {
        self.dir.path().join(".config/token-authority")
    }

    #[track_caller]
    fn must(ended: Ended) -> Ended {
        assert_eq!(ended.exit, Exit::Success, "{}", ended.stderr);
        ended
    }

    async fn done(&self, line: &str) -> Ended {
        let line: Vec<&str> = line.split(' ').collect();
        Home::must(self.shell.run(&line).await)
    }

    async fn refused(&self, line: &str) -> String {
        let line: Vec<&str> = line.split(' ').collect();
        let ended = self.shell.run(&line).await;
        assert_eq!(ended.exit, Exit::Usage, "{line:?}: {}", ended.stderr);
        ended.stderr
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// The credentials that came, and nothing of them afterwards.
fn came(authority: &Authority) -> Vec<String> {
    let asked = std::mem::take(&mut authority.0.lock().unwrap().asked);
    asked
        .into_iter()
        .map(|(_, credential)| credential)
        .collect()
}

#[tokio::test]
async fn a_login_keeps_server_token_and_library_for_its_user_alone_and_commands_use_them() {
    let authority = Authority::default();
    let home = Home::new();
    let server = authority.serve().await;
    let login = format!("login prod --server {server} --library acme");
    let ended = home.done(&login).await;
    assert!(
        ended.stderr.contains("the context prod"),
        "{}",
        ended.stderr
    );
    assert_eq!(came(&authority), [PRESENTED], "it is proved by a call");

    let kept = home.kept();
    assert_eq!(mode(&kept), 0o700);
    for file in ["config.toml", "prod.token"] {
        assert_eq!(mode(&kept.join(file)), 0o600, "{file}");
    }
    assert_eq!(fs::read_to_string(kept.join("prod.token")).unwrap(), TYPED);
    let config = fs::read_to_string(kept.join("config.toml")).unwrap();
    assert!(
        !config.contains("tka_") && !ended.stdout.contains("tka_"),
        "{config}"
    );

    home.done("token list").await;
    home.done("token list --library other").await;
    let libraries = authority.asked::<v1::ListTokensRequest>();
    let libraries: Vec<&str> = libraries
        .iter()
        .map(|asked| asked.library.as_str())
        .collect();
    assert_eq!(libraries, ["acme", "other"]);
    home.done("library get").await;
    assert_eq!(
        authority.asked::<v1::GetLibraryRequest>()[0].library,
        "acme"
    );
    home.done("user list").await;
    assert_eq!(came(&authority), [PRESENTED]);
}

#[tokio::test]
async fn what_must_be_named_is_not_taken_from_a_context() {
    let home = Home::new();
    let server = Authority::default().serve().await;
    home.done(&format!("login --server {server} --library acme"))
        .await;
    let environment = |name: &str| (name == "HOME").then(|| home.dir.path().into());
    for line in ["library create", "library delete"] {
        let line: Vec<OsString> = ["token-authority"]
            .into_iter()
            .chain(line.split(' '))
            .map(Into::into)
            .collect();
        assert!(Cli::read(&line, &environment).is_err(), "{line:?}");
    }
}

#[tokio::test]
async fn a_login_that_fails_keeps_nothing() {
    let details = ErrorDetails::with_error_info("CREDENTIAL_REFUSED", "tokenauthority.v1", []);
    let status = Status::with_error_details(tonic::Code::Unauthenticated, "no", details);
    let home = Home::new();
    let server = Authority::default().then_fail(status).serve().await;
    let ended = home.shell.run(&["login", "--server", &server]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(!home.kept().exists());
    let mut home = home;
    for stdin in ["", "two words"] {
        home.shell.stdin = stdin;
        home.refused(&format!("login --server {server}")).await;
        assert!(!home.kept().exists(), "{stdin:?}");
    }
    home.shell.stdin = TYPED;
    let ended = home
        .shell
        .run(&["login", "--server", "http://127.0.0.1:1"])
        .await;
    assert_eq!(ended.exit, Exit::Unreachable);
    assert!(!home.kept().exists());
    assert!(
        home.refused("login --server http://192.0.2.1:1")
            .await
            .contains("unencrypted")
    );
}

#[tokio::test]
async fn an_option_outranks_the_environment_and_that_a_named_context_and_that_the_current_one() {
    let (one, two, three) = (
        Authority::default(),
        Authority::default(),
        Authority::default(),
    );
    let mut home = Home::new();
    let servers = [one.serve().await, two.serve().await, three.serve().await];
    home.done(&format!("login one --server {}", servers[0]))
        .await;
    home.done(&format!("login two --server {}", servers[1]))
        .await;
    for authority in [&one, &two] {
        came(authority);
    }
    let calls = || [&one, &two, &three].map(|authority| came(authority).len());

    home.done("user list").await;
    assert_eq!(calls(), [0, 1, 0], "the last login is current");
    home.set("TOKEN_AUTHORITY_CONTEXT", "one");
    home.done("user list").await;
    assert_eq!(calls(), [1, 0, 0]);
    home.done("user list --context two").await;
    home.done("--context two user list").await;
    assert_eq!(calls(), [0, 2, 0]);
    home.set("TOKEN_AUTHORITY_SERVER", &servers[2]);
    home.set("TOKEN_AUTHORITY_TOKEN", CREDENTIAL);
    home.done("user list").await;
    assert_eq!(calls(), [0, 0, 1]);
    home.done(&format!("user list --server {}", servers[0]))
        .await;
    assert_eq!(calls(), [1, 0, 0]);
    let shown = home.done("context show").await.stdout;
    assert!(shown.contains("TOKEN_AUTHORITY_SERVER"), "{shown}");
    home.unset("TOKEN_AUTHORITY_SERVER");
    home.unset("TOKEN_AUTHORITY_TOKEN");
    let shown = home.done("context show").await.stdout;
    assert!(
        shown.contains("TOKEN_AUTHORITY_CONTEXT") && shown.contains("context one"),
        "{shown}"
    );
    let whoami = home.done("whoami").await.stdout;
    assert!(whoami.contains("(by context one)"), "{whoami}");
}

#[tokio::test]
async fn the_token_of_a_context_goes_to_its_own_server_alone() {
    let (own, other) = (Authority::default(), Authority::default());
    let mut home = Home::new();
    let (own_server, other_server) = (own.serve().await, other.serve().await);
    home.done(&format!("login --server {own_server} --library acme"))
        .await;
    let elsewhere = format!("user list --server {other_server}");
    home.refused(&elsewhere).await;
    home.refused(&format!("{elsewhere} --context default"))
        .await;
    home.set("TOKEN_AUTHORITY_SERVER", &other_server);
    home.refused("user list").await;
    assert!(came(&other).is_empty());
    // With a token of its own it is called, and the library is not that of the context.
    home.set("TOKEN_AUTHORITY_TOKEN", CREDENTIAL);
    home.done("user list").await;
    assert_eq!(other.asked::<v1::ListUsersRequest>()[0].library, "");
}

#[tokio::test]
async fn a_kept_token_that_others_can_read_is_refused() {
    let authority = Authority::default();
    let home = Home::new();
    let server = authority.serve().await;
    home.done(&format!("login --server {server}")).await;
    came(&authority);
    let file = home.kept().join("default.token");
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    assert!(home.refused("user list").await.contains("chmod 600"));
    assert!(came(&authority).is_empty());
    fs::remove_file(&file).unwrap();
    assert!(
        home.refused("user list")
            .await
            .contains("token-authority login default")
    );
    fs::set_permissions(home.kept(), Permissions::from_mode(0o755)).unwrap();
    assert!(
        home.refused(&format!("login --server {server}"))
            .await
            .contains("chmod 700")
    );
}

#[tokio::test]
async fn contexts_are_listed_chosen_renamed_logged_out_of_and_deleted() {
    let authority = Authority::default();
    let home = Home::new();
    let server = authority.serve().await;
    let none = home.done("context list").await;
    assert!(
        none.stderr.contains("token-authority login"),
        "{}",
        none.stderr
    );
    home.done(&format!("login one --server {server}")).await;
    home.done(&format!("login two --server {server}")).await;
    assert_eq!(home.done("context list -o name").await.stdout, "one\ntwo\n");
    home.done("context use one").await;
    assert_eq!(
        home.done("context list --field current").await.stdout,
        "*\n\n"
    );
    let json = home.done("context list -o json").await.stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["context"], "one");
    assert_eq!(json[1]["server"], server.as_str());

    home.done("context rename one main").await;
    assert!(!home.kept().join("one.token").exists());
    came(&authority);
    home.done("user list").await;
    assert_eq!(came(&authority), [PRESENTED], "the current one is still it");
    assert!(
        home.refused("context rename main two")
            .await
            .contains("already")
    );
    assert!(home.refused("context use one").await.contains("main, two"));

    home.done("logout").await;
    assert!(!home.kept().join("main.token").exists());
    assert!(
        home.refused("user list")
            .await
            .contains("token-authority login main")
    );
    home.done("login").await;
    came(&authority);
    home.done("user list").await;
    assert_eq!(came(&authority), [PRESENTED], "back at the same server");

    home.done("context delete main").await;
    assert!(!home.kept().join("main.token").exists());
    assert_eq!(home.done("context list -o name").await.stdout, "two\n");
    assert!(home.refused("logout").await.contains("not logged in"));
    assert!(
        home.refused("context delete main")
            .await
            .contains("no context main")
    );
}

#[tokio::test]
async fn a_login_elsewhere_does_not_overwrite_the_current_context() {
    let home = Home::new();
    let (one, two) = (
        Authority::default().serve().await,
        Authority::default().serve().await,
    );
    home.done(&format!("login prod --server {one}")).await;
    home.done(&format!("login --server {two}")).await;
    assert_eq!(
        home.done("context list --field server").await.stdout,
        format!("{two}\n{one}\n")
    );
    // Nor does what vouched for one server, or its library, hold for another under the same name.
    home.done(&format!("login prod --server {one} --library acme"))
        .await;
    home.done(&format!("login prod --server {two}")).await;
    assert_eq!(
        home.done("context list --field library").await.stdout,
        "\n\n"
    );
}

#[tokio::test]
async fn a_token_from_a_file_and_the_name_of_a_certificate_are_good_from_every_directory() {
    let authority = Authority::default();
    let home = Home::new();
    let server = authority.serve().await;
    let file = home.dir.path().join("operator.token");
    fs::write(&file, " tka_of_the_file\n").unwrap();
    let login = format!(
        "login --server {server} --ca-file some/ca.pem --client-cert-file some/own.pem \
         --client-key-file some/own.key --credential-file {}",
        file.display()
    );
    home.done(&login).await;
    assert_eq!(came(&authority), ["Bearer tka_of_the_file"]);
    let kept = fs::read_to_string(home.kept().join("default.token")).unwrap();
    assert_eq!(kept, "tka_of_the_file\n");
    for (field, ends) in [
        ("ca-file", "some/ca.pem\n"),
        ("client-cert-file", "some/own.pem\n"),
        ("client-key-file", "some/own.key\n"),
    ] {
        let line = format!("context show default --field {field}");
        let shown = home.done(&line).await.stdout;
        assert!(
            Path::new(shown.trim()).is_absolute() && shown.ends_with(ends),
            "{shown}"
        );
    }
}
