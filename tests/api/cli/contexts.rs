//! Logging in, and what shells and `man` know: the real binary, in a home of its own.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{Ran, Terminal, bare, ran};
use crate::world::{ACME, asking};

/// Somebody's home.
struct Home(TempDir);

// === impl Home ===

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().expect("a home"))
    }

    fn command(&self) -> Command {
        let mut command = bare();
        command
            .env("HOME", self.0.path())
            .env_remove("XDG_CONFIG_HOME");
        command
    }

    /// Runs a command line, split at spaces, with this on standard input.
    fn run(&self, line: &str, stdin: &str) -> Ran {
        let mut command = self.command();
        command.args(line.split_whitespace());
        ran(command, stdin)
    }

    #[track_caller]
    fn done(&self, line: &str, stdin: &str) -> Ran {
        let ran = self.run(line, stdin);
        assert_eq!(ran.code, 0, "{line}: {}", ran.stderr);
        ran
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

/// What bash offers for a line that is typed so far.
fn offered(home: &Home, script: &Path, words: &[&str]) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_token-authority"));
    let directory = binary.parent().expect("its directory");
    let path = std::env::var("PATH").unwrap_or_default();
    let quoted = words
        .iter()
        .map(|word| format!("'{word}'"))
        .collect::<Vec<_>>()
        .join(" ");
    let asked = format!(
        "source '{}' && complete -p token-authority >&2 && COMP_WORDS=({quoted}) && COMP_CWORD={} \
         && _tokenauthority token-authority '{}' '{}' && printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display(),
        words.len() - 1,
        words.last().unwrap_or(&""),
        words.get(words.len().wrapping_sub(2)).unwrap_or(&""),
    );
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-c", &asked])
        .env("HOME", home.0.path())
        .env_remove("XDG_CONFIG_HOME")
        .env("PATH", format!("{}:{path}", directory.display()));
    let ran = ran(bash, "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout
}

#[tokio::test]
async fn who_logs_in_types_neither_server_nor_token_nor_library_again() {
    let terminal = Terminal::new().await;
    let home = Home::new();
    let server = format!("http://{}", terminal.world.server.address());
    let operator = terminal.world.data_dir().join("operator.token");
    let secret = std::fs::read_to_string(operator).expect("the operator's token");
    let login = format!("login here --server {server} --library {ACME}");
    let refused = home.run(&login, "tka_nonsense");
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("CREDENTIAL_REFUSED"),
        "{}",
        refused.stderr
    );
    assert_eq!(home.run("whoami", "").code, 2, "nothing was kept");

    let login = home.done(&login, &secret);
    assert!(login.stdout.contains("system"), "{}", login.stdout);
    let whoami = home.done("whoami", "");
    for told in [
        "root",
        "system",
        "tokens:admin",
        "days-left",
        "context here",
    ] {
        assert!(whoami.stdout.contains(told), "{told}: {}", whoami.stdout);
    }
    // It was made for 90 days, just now.
    let days = home.done("whoami --field days-left", "").stdout;
    assert!(["89\n", "90\n"].contains(&days.as_str()), "{days}");
    home.done("user-type create clerk --permission orders:read", "");
    home.done("user create ann --assign clerk", "");
    let made = home.done("token create --user ann --display-name till", "");
    let till = home.done("login till", &made.stdout);
    assert!(till.stdout.contains("ann"), "{}", till.stdout);
    let listed = home.done("context list --field context", "");
    assert_eq!(listed.stdout, "here\ntill\n");
    assert_eq!(home.done("whoami -o name", "").stdout, "ann\n");
    assert_eq!(
        home.done("whoami -o name --context here", "").stdout,
        "root\n"
    );
    let denied = home.run("user list", "");
    assert_eq!(denied.code, 1, "ann may not: {}", denied.stderr);
    home.done("context use here", "");
    home.done("user list", "");
    home.done("logout", "");
    assert_eq!(home.run("user list", "").code, 2);
    let secret = secret.trim();
    for ran in [refused, login, whoami, till, denied] {
        assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret));
    }
}

#[tokio::test]
async fn a_token_that_ends_while_it_is_kept_says_so_and_what_to_do() {
    let terminal = Terminal::new().await;
    let home = Home::new();
    let server = format!("http://{}", terminal.world.server.address());
    terminal.world.person(ACME, "ann", &["orders:read"]).await;
    let (token, secret) = terminal.world.token(asking(ACME, "ann")).await;
    home.done(&format!("login --server {server}"), &secret);
    terminal.done(&format!("token revoke {}", token.token_id));
    let refused = home.run("whoami", "");
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("verdict: REVOKED")
            && refused.stderr.contains("token-authority login"),
        "{}",
        refused.stderr
    );
}

#[tokio::test]
async fn bash_completes_commands_options_and_the_names_of_contexts() {
    let terminal = Terminal::new().await;
    let home = Home::new();
    let server = format!("http://{}", terminal.world.server.address());
    let operator = terminal.world.data_dir().join("operator.token");
    let secret = std::fs::read_to_string(operator).expect("the operator's token");
    for name in ["production", "staging"] {
        home.done(&format!("login {name} --server {server}"), &secret);
    }
    let script = home.0.path().join("completion.bash");
    let written = home.done("completion bash", "").stdout;
    std::fs::write(&script, written).expect("the script");
    let verbs = offered(&home, &script, &["token-authority", "token", "re"]);
    for verb in ["revoke", "rotate", "resume", "review"] {
        let fits = verb.starts_with("re");
        assert_eq!(
            verbs.lines().any(|line| line == verb),
            fits,
            "{verb}: {verbs}"
        );
    }
    let options = offered(&home, &script, &["token-authority", "verify", "--data-o"]);
    assert_eq!(options, "--data-owner\n");
    let contexts = offered(
        &home,
        &script,
        &["token-authority", "whoami", "--context", "prod"],
    );
    assert_eq!(contexts, "production\n");
    for (shell, begins) in [
        ("zsh", "#compdef token-authority"),
        ("fish", "# Print an optspec"),
    ] {
        let script = home.done(&format!("completion {shell}"), "").stdout;
        assert!(
            script.starts_with(begins),
            "{}",
            &script[..80.min(script.len())]
        );
    }
}

#[test]
fn the_manual_has_a_page_for_each_command_in_sound_roff_and_tells_the_exit_codes() {
    let home = Home::new();
    let dir = home.path("man/man1");
    home.done(&format!("man --dir {dir}"), "");
    let mut pages = 0;
    for page in std::fs::read_dir(&dir).expect("the pages") {
        let path = page.expect("a page").path();
        let text = std::fs::read_to_string(&path).expect("its text");
        let known = [
            ".ie", ".el", ".IP", ".TH", ".SH", ".TP", ".RS", ".RE", ".PP", ".SS", ".br", ".nf",
            ".fi", ".ds",
        ];
        for line in text.lines().filter(|line| line.starts_with('.')) {
            let sound = known.iter().any(|request| line.starts_with(request));
            assert!(sound, "{}: {line}", path.display());
        }
        assert!(text.contains(".TH token-authority"), "{}", path.display());
        pages += 1;
    }
    assert!(pages > 50, "{pages} pages");
    let first = std::fs::read_to_string(format!("{dir}/token-authority.1")).expect("the page");
    for told in ["Exit status:", "token\\-authority login", "login"] {
        assert!(first.contains(told), "{told}");
    }
}
