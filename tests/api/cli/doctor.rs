//! `doctor`, on a machine where all is well and on some where it isn't.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use token_authority::proto::v1::CreateTokenRequest;

use super::{Ran, Terminal, bare, ran};
use crate::world::{ACME, asking};

/// The checks of an answer by name, each with how it ended; of several with one name, the worst.
fn ended(ran: &Ran) -> Vec<(String, String)> {
    let checks: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let checks = checks.as_array().expect("a list");
    checks
        .iter()
        .map(|check| {
            let text = |field: &str| check[field].as_str().expect("a text").to_owned();
            (text("check"), text("state"))
        })
        .collect()
}

/// How the check of this name ended, if there was one; where there were several, `fail` before `warn` before `ok`.
fn state(ran: &Ran, name: &str) -> Option<String> {
    let states = ended(ran).into_iter().filter(|(check, _)| check == name);
    let rank = |state: &String| {
        ["ok", "warn", "fail"]
            .iter()
            .position(|known| known == state)
    };
    states.map(|(_, state)| state).max_by_key(rank)
}

#[tokio::test]
async fn where_all_is_well_nothing_fails_and_each_thing_was_looked_at() {
    let terminal = Terminal::new().await;
    let ran = terminal.done("doctor -o json");
    for check in [
        "contexts",
        "server",
        "address",
        "connection",
        "tls",
        "health",
        "credential",
        "expiry",
        "rights",
        "clock",
    ] {
        let expected = Some("ok".to_owned());
        assert_eq!(state(&ran, check), expected, "{check}: {}", ran.stdout);
    }
    let told = terminal.done("doctor").stdout;
    assert!(told.lines().all(|line| line.starts_with("ok ")), "{told}");
    assert!(told.contains("root of system"), "{told}");
}

#[tokio::test]
async fn what_stands_in_the_way_is_named_with_what_to_do_and_the_exit_code_tells_of_it() {
    let terminal = Terminal::new().await;
    let nobody = terminal.run("doctor --server http://127.0.0.1:1", "");
    assert_eq!(nobody.code, 1);
    assert!(
        nobody.stdout.contains("fail  connection")
            && nobody.stdout.contains("-> is the server running"),
        "{}",
        nobody.stdout
    );
    assert!(
        !nobody.stdout.contains("credential "),
        "no further than it gets: {}",
        nobody.stdout
    );

    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("x.token");
    fs::write(&file, format!("{}\n", crate::token::UNKNOWN)).expect("a file");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("a mode");
    let line = format!("doctor -o json --credential-file {}", file.display());
    let refused = terminal.run(&line, "");
    assert_eq!(
        (refused.code, state(&refused, "health")),
        (1, Some("ok".to_owned()))
    );
    assert_eq!(state(&refused, "credential"), Some("fail".to_owned()));

    // One that can be verified and do nothing here, and ends soon: it works, and both are told.
    terminal.world.person(ACME, "ann", &["orders:read"]).await;
    let request = CreateTokenRequest {
        lifetime: "3d".into(),
        ..asking(ACME, "ann")
    };
    let (_, secret) = terminal.world.token(request).await;
    fs::write(&file, &secret).expect("a file");
    let poor = terminal.run(&line, "");
    assert_eq!(poor.code, 0, "{}", poor.stdout);
    for check in ["expiry", "rights"] {
        assert_eq!(state(&poor, check), Some("warn".to_owned()), "{check}");
    }
    assert!(!poor.stdout.contains(&secret) && !poor.stderr.contains(&secret));
}

#[tokio::test]
async fn a_data_directory_is_looked_at_without_opening_the_store() {
    let terminal = Terminal::new().await;
    let dir = terminal.world.data_dir().display().to_string();
    let line = format!("doctor --data-dir {dir} -o json");
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).expect("a mode");
    let seen = terminal.done(&line);
    assert_eq!(state(&seen, "data directory"), Some("warn".to_owned()));
    fs::set_permissions(&dir, Permissions::from_mode(0o700)).expect("a mode");
    let running = terminal.done(&line);
    assert!(
        running.stdout.contains("one runs on this directory"),
        "{}",
        running.stdout
    );
    assert_eq!(
        state(&running, "root key"),
        Some("warn".to_owned()),
        "key and data lie together"
    );
    assert_eq!(state(&running, "data directory"), Some("ok".to_owned()));
    // The server goes on, and its lock is still its own.
    terminal.done("library list");
    assert_eq!(
        terminal.done(&line).stdout.matches("one runs on").count(),
        1
    );
    fs::set_permissions(format!("{dir}/root.key"), Permissions::from_mode(0o644)).expect("a mode");
    let open = terminal.run(&line, "");
    assert_eq!(open.code, 1);
    assert!(open.stdout.contains("chmod 600"), "{}", open.stdout);
    assert_eq!(terminal.run("doctor --data-dir /nowhere", "").code, 1);
}

#[test]
fn a_configuration_is_looked_at_before_a_server_starts_with_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name).display().to_string();
    let certificate = |last_year: i32| {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params =
            rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        (
            params.self_signed(&key).expect("a certificate").pem(),
            key.serialize_pem(),
        )
    };
    let look = |listen: &str| {
        let config = at("server.toml");
        let text = format!(
            "listen = '{listen}'\ndata_dir = '{}'\ntls_cert_file = '{}'\ntls_key_file = '{}'\n",
            at("data"),
            at("cert.pem"),
            at("key.pem")
        );
        fs::write(&config, text).expect("a file");
        let mut command = bare();
        command.args(["doctor", "-o", "json", "--config", &config]);
        ran(command, "")
    };
    let put = |certificate: &str, key: &str| {
        fs::write(at("cert.pem"), certificate).expect("a file");
        fs::write(at("key.pem"), key).expect("a file");
    };
    let (good, key) = certificate(2099);
    put(&good, &key);
    let sound = look("127.0.0.1:0");
    assert_eq!(sound.code, 0, "{}", sound.stdout);
    for check in [
        "configuration",
        "certificate",
        "private key",
        "listener",
        "data directory",
    ] {
        assert_eq!(state(&sound, check), Some("ok".to_owned()), "{check}");
    }
    let (expired, other_key) = certificate(2020);
    put(&good, &other_key);
    let mismatched = look("127.0.0.1:0");
    assert_eq!(
        (mismatched.code, state(&mismatched, "private key")),
        (1, Some("fail".to_owned()))
    );
    put(&expired, &other_key);
    let old = look("127.0.0.1:0");
    assert_eq!(
        (old.code, state(&old, "certificate")),
        (1, Some("fail".to_owned()))
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    put(&good, &key);
    let taken = look(&taken.local_addr().expect("its address").to_string());
    assert_eq!(state(&taken, "listener"), Some("warn".to_owned()));
    let wrong = look("nowhere");
    assert_eq!(
        (wrong.code, state(&wrong, "configuration")),
        (1, Some("fail".to_owned()))
    );
    assert!(
        !wrong.stdout.contains("nowhere"),
        "no value is repeated: {}",
        wrong.stdout
    );
}
