//! The command line as people and scripts use it: the real binary against a real server.

mod contexts;
mod doctor;
mod review;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::world::{ACME, World};

/// A terminal with the operator's credential in a file.
struct Terminal {
    world: World,
}

/// What a command has done.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

// === impl Terminal ===

impl Terminal {
    async fn new() -> Terminal {
        Terminal {
            world: World::new().await,
        }
    }

    /// Runs a command line, split at spaces, with this on standard input.
    fn run(&self, line: &str, stdin: &str) -> Ran {
        let server = format!("http://{}", self.world.server.address());
        let credential = self.world.data_dir().join("operator.token");
        let mut command = bare();
        command
            .args(line.split_whitespace())
            .env("TOKEN_AUTHORITY_SERVER", server)
            .env("TOKEN_AUTHORITY_CREDENTIAL_FILE", credential);
        ran(command, stdin)
    }

    /// As [`Terminal::run`], of what must succeed.
    #[track_caller]
    fn done(&self, line: &str) -> Ran {
        let ran = self.run(line, "");
        assert_eq!(ran.code, 0, "{line}: {}", ran.stderr);
        ran
    }

    /// The answer of a command as JSON.
    #[track_caller]
    fn json(&self, line: &str) -> Value {
        let ran = self.done(&format!("{line} -o json"));
        serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|error| panic!("{line}: {error}: {}", ran.stdout))
    }
}

/// The binary, with nothing of this process's environment that it would read.
pub(crate) fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_token-authority"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TOKEN_AUTHORITY_")) {
        command.env_remove(name);
    }
    // Nor of the contexts of whoever runs the tests.
    command
        .env("HOME", "/nonexistent")
        .env_remove("XDG_CONFIG_HOME");
    command
}

fn ran(mut command: Command, stdin: &str) -> Ran {
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut input = child.stdin.take().expect("a pipe");
    // It may have ended without reading.
    let _ = input.write_all(stdin.as_bytes());
    drop(input);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().expect("it ends");
    Ran {
        code: status.code().expect("an exit code"),
        stdout: String::from_utf8(stdout).expect("UTF-8"),
        stderr: String::from_utf8(stderr).expect("UTF-8"),
    }
}

#[tokio::test]
async fn a_first_session_makes_a_token_verifies_it_revokes_it_and_is_told_so() {
    let terminal = Terminal::new().await;
    terminal.done("library create north --tokens-enabled");
    terminal.done("user-type create clerk --library north --permission orders:read");
    terminal.done("user create ann --library north --assign clerk");
    let made = terminal.done("token create --library north --user ann --display-name till");
    let secret = made.stdout.trim_end_matches('\n').to_owned();
    assert_eq!(
        made.stdout,
        format!("{secret}\n"),
        "the secret, and nothing else"
    );
    assert!(token_authority::authority::secret::Secret::parse(&secret).is_ok());
    assert!(
        made.stderr.contains(&secret[4..26]),
        "its id stands aside: {}",
        made.stderr
    );
    assert!(!made.stderr.contains(&secret[27..70]));

    let verify = "verify --library north --permission orders:read";
    // As a shell would redirect the file, newline and all.
    let good = terminal.run(verify, &made.stdout);
    assert_eq!(good.code, 0, "{}", good.stderr);
    assert!(
        good.stdout.contains("VALID") || good.stdout.contains("valid"),
        "{}",
        good.stdout
    );
    let lacking = terminal.run("verify --library north --permission orders:write", &secret);
    assert_eq!(lacking.code, 3);

    let listed = terminal.done("token list --library north");
    assert!(
        listed.stdout.contains(&secret[4..26]) && listed.stdout.contains("till"),
        "{}",
        listed.stdout
    );
    terminal.done(&format!(
        "token revoke {} --reason no-longer-needed --comment done",
        &secret[4..26]
    ));
    let refused = terminal.run(verify, &secret);
    assert_eq!(refused.code, 3);
    assert!(
        refused.stdout.to_uppercase().contains("REVOKED"),
        "{}",
        refused.stdout
    );
    let audit = terminal.done("audit --library north");
    assert!(audit.stdout.contains("token.revoke"), "{}", audit.stdout);
    for ran in [good, lacking, refused, listed, audit] {
        assert!(!ran.stdout.contains(&secret[27..70]) && !ran.stderr.contains(&secret[27..70]));
    }
}

#[tokio::test]
async fn a_user_logs_in_with_a_password_that_stands_in_no_argument_and_no_output() {
    let terminal = Terminal::new().await;
    terminal.done("library create north --tokens-enabled");
    terminal.done("user-type create clerk --library north --permission orders:read");
    terminal.done("user create ann --library north --assign clerk");
    let password = "correct horse battery staple";
    let set = "user set-password ann --library north";
    let set = terminal.run(set, &format!("{password}\n"));
    assert_eq!(set.code, 0, "{}", set.stderr);
    let open = "session open --library north --user ann --device phone";
    let opened = terminal.run(open, password);
    assert_eq!(opened.code, 0, "{}", opened.stderr);
    let secret = opened.stdout.trim_end_matches('\n').to_owned();
    assert!(token_authority::authority::secret::Secret::parse(&secret).is_ok());
    assert!(opened.stderr.contains("session"), "{}", opened.stderr);
    let verified = terminal.run("verify --library north --permission orders:read", &secret);
    assert_eq!(verified.code, 0, "{}", verified.stdout);
    let listed = terminal.done("token list --library north --kind session");
    assert!(listed.stdout.contains("phone"), "{}", listed.stdout);
    let others = terminal.done("token list --library north --kind api");
    assert!(!others.stdout.contains("phone"), "{}", others.stdout);
    let refused = terminal.run(open, "incorrect horse");
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(
        refused.stderr.contains("LOGIN_REFUSED"),
        "{}",
        refused.stderr
    );
    let nothing = terminal.run(open, "");
    assert_eq!(nothing.code, 2, "{}", nothing.stderr);
    for ran in [set, opened, refused, nothing] {
        assert!(!ran.stdout.contains("horse") && !ran.stderr.contains("horse"));
    }
}

#[tokio::test]
async fn every_command_answers_in_json_for_scripts() {
    let terminal = Terminal::new().await;
    let library = terminal.json("library create north --tokens-enabled --display-name North");
    assert_eq!(library["library"]["library"], "north");
    assert_eq!(library["library"]["tokensEnabled"], true);
    assert_eq!(
        terminal.json("library get north")["library"]["displayName"],
        "North"
    );
    let renamed = terminal.json("library update north --display-name South");
    assert_eq!(renamed["library"]["displayName"], "South");
    let listed = terminal.json("library list");
    assert_eq!(listed["libraries"].as_array().unwrap().len(), 4);
    let clerk = terminal.json("user-type create clerk --library north --permission orders:read");
    assert_eq!(clerk["userType"]["permissions"][0], "orders:read");
    terminal.json("user-type get clerk --library north");
    let wider = terminal.json("user-type update clerk --library north --permission orders:*");
    assert_eq!(wider["userType"]["permissions"][0], "orders:*");
    assert_eq!(
        terminal.json("user-type list --library north")["userTypes"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let ann = terminal.json("user create ann --library north --assign sales:clerk --kind api-only");
    assert_eq!(ann["user"]["kind"], "USER_KIND_API_ONLY");
    assert_eq!(ann["user"]["assignments"][0]["department"], "sales");
    terminal.json("user get ann --library north");
    terminal.json("user update ann --library north --email ann@example.com");
    assert_eq!(
        terminal.json("user list --library north")["users"][0]["email"],
        "ann@example.com"
    );

    let made =
        terminal.json("token create --library north --user ann --display-name till --lifetime 90d");
    let id = made["token"]["tokenId"].as_str().unwrap();
    let secret = made["secret"].as_str().unwrap();
    assert_eq!(secret.len(), 76);
    assert_eq!(
        terminal.json(&format!("token get {id}"))["token"]["displayName"],
        "till"
    );
    let changed = terminal.json(&format!("token update {id} --description more"));
    assert_eq!(changed["token"]["description"], "more");
    let extended = terminal.json(&format!("token extend {id} --extend-by 30d"));
    assert_eq!(extended["clamped"], false, "a false that matters is there");
    let suspended = terminal.json(&format!("token suspend {id} --reason closed"));
    assert_eq!(suspended["token"]["state"], "TOKEN_STATE_SUSPENDED");
    let judged = terminal.run("verify --library north -o json", secret);
    assert_eq!(judged.code, 3);
    let judged: Value = serde_json::from_str(&judged.stdout).unwrap();
    assert_eq!(judged["verdict"], "VERDICT_SUSPENDED");
    terminal.json(&format!("token resume {id}"));
    let judged = terminal.run("verify --library north -o json", secret);
    assert_eq!(judged.code, 0);
    assert_eq!(
        terminal.json("token list --library north")["tokens"][0]["tokenId"],
        id
    );
    let revoked = terminal.json(&format!("token revoke {id}"));
    assert_eq!(revoked["token"]["state"], "TOKEN_STATE_REVOKED");
    let events = terminal.json("audit --library north");
    assert!(events["events"].as_array().unwrap().len() >= 8);

    let eve = terminal.json("user create eve --library north --assign clerk");
    assert_eq!(eve["user"]["kind"], "USER_KIND_STANDARD");
    let set = terminal.run(
        "user set-password eve --library north -o json",
        "a password\n",
    );
    assert_eq!(
        (set.code, set.stdout.as_str()),
        (0, "{}\n"),
        "{}",
        set.stderr
    );
    terminal.json("user set-password eve --library north --remove");

    terminal.json("user delete ann --library north");
    terminal.json("user delete eve --library north");
    terminal.json("user-type delete clerk --library north");
    terminal.json("library update north --state disabled");
    terminal.json("library delete north");
}

#[tokio::test]
async fn a_call_that_is_refused_exits_with_1_and_says_why() {
    let terminal = Terminal::new().await;
    let twice = format!("library create {ACME}");
    let refused = terminal.run(&twice, "");
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.contains("NAME_TAKEN"), "{}", refused.stderr);
    let refused = terminal.run("token get 0WCfTognxqNqfz8qrH12uH", "");
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("NOT_FOUND"), "{}", refused.stderr);

    let mut stranger = bare();
    stranger
        .args(["library", "list"])
        .env(
            "TOKEN_AUTHORITY_SERVER",
            format!("http://{}", terminal.world.server.address()),
        )
        .env("TOKEN_AUTHORITY_TOKEN", crate::token::UNKNOWN);
    let refused = ran(stranger, "");
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("CREDENTIAL_REFUSED"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains(&crate::token::UNKNOWN[27..70]));
}

#[tokio::test]
async fn a_command_that_is_not_given_as_it_must_be_exits_with_2_and_sends_nothing() {
    let terminal = Terminal::new().await;
    for line in [
        "",
        "library",
        "library paint",
        "token create --library acme",
        "verify --nonsense",
    ] {
        assert_eq!(terminal.run(line, "").code, 2, "{line}");
    }
    let mut without = bare();
    without.args(["library", "list"]);
    assert_eq!(ran(without, "").code, 2, "no credential");
}

#[tokio::test]
async fn a_server_that_is_gone_exits_with_4() {
    let terminal = Terminal::new().await;
    let address = terminal.world.server.address();
    let credential = terminal.world.data_dir().join("operator.token");
    let (server, data) = terminal.world.parts();
    server.kill9();
    let mut command = bare();
    command
        .args(["verify", "--timeout", "2s"])
        .env("TOKEN_AUTHORITY_SERVER", format!("http://{address}"))
        .env("TOKEN_AUTHORITY_CREDENTIAL_FILE", credential);
    let gone = ran(command, crate::token::UNKNOWN);
    assert_eq!(
        (gone.code, gone.stdout.as_str()),
        (4, ""),
        "{}",
        gone.stderr
    );
    assert!(!gone.stderr.contains(&crate::token::UNKNOWN[27..70]));
    drop(data);
}

#[tokio::test]
async fn tokens_are_imported_from_a_file_and_work_from_then_on() {
    let terminal = Terminal::new().await;
    terminal.done("user-type create clerk --library acme --permission orders:read");
    terminal.done("user create till --library acme --assign clerk");
    let csv = "user,display_name,plaintext,permissions\n\
        till,till-7,till7.summer-of-2019,orders:read\n\
        till,till-8,Zq3Xv8LmT1yRk6Wd0NpJ5bHs9CgAf2UeQo7Ei4Bt,\n\
        nobody,till-9,Zr3Xv8LmT1yRk6Wd0NpJ5bHs9CgAf2UeQo7Ei4Bt,\n";
    let line = "token import --library acme --format csv --separator .";
    let dry = terminal.run(&format!("{line} --dry-run"), csv);
    assert_eq!(dry.code, 1, "{}", dry.stderr);
    assert!(dry.stdout.contains("would be imported"), "{}", dry.stdout);
    let ran = terminal.run(line, csv);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let rows: Vec<&str> = ran.stdout.lines().collect();
    assert!(
        rows[1].starts_with('2') && rows[1].contains(" weak ") && rows[1].ends_with("imported")
    );
    assert!(rows[2].starts_with('3') && rows[2].contains(" strong "));
    assert!(rows[3].starts_with('4') && rows[3].contains("there is no such user"));
    assert!(
        ran.stderr
            .contains("2 imported, 1 of them weak; 0 there already; 1 failed"),
        "{}",
        ran.stderr
    );
    let verified = terminal.run(
        "verify --library acme --permission orders:read",
        "till7.summer-of-2019\n",
    );
    assert_eq!(verified.code, 0, "{}", verified.stdout);
    let weak = terminal.json("token list --library acme --imported weak");
    assert_eq!(weak["tokens"][0]["displayName"], "till-7");
    assert_eq!(weak["tokens"].as_array().unwrap().len(), 1);
}
