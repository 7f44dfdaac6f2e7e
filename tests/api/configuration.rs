//! A configuration with secrets where they don't belong.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use token_authority::config::SETTINGS;

use crate::report;
use crate::search::Search;

/// How long a server may take to refuse its configuration.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn no_fault_of_a_configuration_repeats_a_value() {
    let token = crate::token::UNKNOWN;
    let mut search = Search::default();
    search.add_token("a token", token);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let secret_file = folder.path().join("secret");
    fs::write(&secret_file, token).unwrap();
    let secret_file = secret_file.to_str().unwrap();
    let config = folder.path().join("config.toml");

    let mut faults = 0;
    let mut refuse = |args: &[&str], envs: &[(&str, &str)], text: &str| {
        fs::write(&config, text).unwrap();
        let mut server = Command::new(env!("CARGO_BIN_EXE_token-authority"));
        server.args(["serve", "--config"]).arg(&config).args(args);
        server.envs(envs.iter().copied());
        server.arg("--data-dir").arg(&data).stdin(Stdio::null());
        let output = ended(server.stdout(Stdio::piped()).stderr(Stdio::piped()))
            .unwrap_or_else(|| panic!("it serves with {args:?} {envs:?} {text:?}"));
        assert!(!output.status.success(), "{args:?} {text:?}");
        assert!(!output.stderr.is_empty());
        search.look("standard error", &output.stderr);
        search.look("standard output", &output.stdout);
        faults += 1;
    };
    for setting in SETTINGS {
        // A path is told as it is, for a directory is found by its name; and any word is a directive of a filter.
        if ["data_dir", "log_level"].contains(&setting.name) {
            continue;
        }
        let flag = format!("--{}={token}", setting.name.replace('_', "-"));
        refuse(&[&flag], &[], "");
        refuse(&[], &[(&setting.variable(), token)], "");
        refuse(&[], &[], &format!("{} = \"{token}\"\n", setting.name));
        refuse(&[], &[], &format!("{} = [[\"{token}\"]]\n", setting.name));
        refuse(&[], &[], &format!("{} = {token}\n", setting.name));
    }
    // Files that hold something else than they should.
    for name in ["root-key-file", "tls-cert-file", "tls-key-file"] {
        let flag = format!("--{name}={secret_file}");
        refuse(&[&flag], &[], "");
    }
    let files = format!("--tls-cert-file={secret_file}");
    let keys = format!("--tls-key-file={secret_file}");
    refuse(&[&files, &keys], &[], "");
    let bootstrap = folder.path().join("bootstrap");
    fs::File::create(&bootstrap)
        .unwrap()
        .write_all(&token.as_bytes()[..75])
        .unwrap();
    refuse(
        &[&format!("--bootstrap-token-file={}", bootstrap.display())],
        &[],
        "",
    );
    // A file that is no configuration at all, and one with the secret for a key.
    refuse(&[], &[], token);
    refuse(&[], &[], &format!("{token} = 1\n"));
    refuse(&[], &[], &format!("token = \"{token}\"\n"));
    refuse(&[], &[(&format!("TOKEN_AUTHORITY_{token}"), "1")], "");
    report(&format!(
        "{faults} faulty configurations, found: {}",
        search.found.len()
    ));
    assert_eq!(search.found, Vec::<String>::new());
}

/// What a process has said, if it ends in time; one that goes on is killed.
fn ended(command: &mut Command) -> Option<Output> {
    let mut child = command.spawn().expect("the binary runs");
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if child.try_wait().expect("a child").is_some() {
            return child.wait_with_output().ok();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("a child that runs");
    child.wait().expect("a killed child");
    None
}

#[test]
fn a_server_that_is_told_nothing_keeps_its_data_below_the_current_directory() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_token-authority"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let token = folder.path().join("token-authority-data/operator.token");
    let started = Instant::now();
    while !token.exists() && server.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < PATIENCE, "it does not get ready");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(token.exists(), "it ended without an operator's token");
    server.kill().unwrap();
    server.wait().unwrap();
}
