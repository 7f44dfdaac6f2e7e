use std::io::Write as _;

use clap::{Args as _, Command, FromArgMatches as _};

use super::*;

const CANARY: &str = "tka_canary";

fn flags(flags: &[&str]) -> Settings {
    let command = Settings::augment_args(Command::new("serve").no_binary_name(true));
    let matches = command.try_get_matches_from(flags).unwrap();
    Settings::from_arg_matches(&matches).unwrap()
}

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)))
        .collect()
}

fn file(text: &str) -> (tempfile::NamedTempFile, String) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let flag = format!("--config={}", file.path().display());
    (file, flag)
}

fn faults(settings: &Settings, variables: &[(&str, &str)]) -> String {
    Config::load(settings, environment(variables))
        .unwrap_err()
        .to_string()
}

#[test]
fn without_any_setting_the_defaults_hold() {
    let config = Config::load(&Settings::default(), []).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:50051");
    assert_eq!(config.data_dir, PathBuf::from("token-authority-data"));
    assert_eq!(config.request_deadline, Duration::from_secs(10));
    assert_eq!(config.max_concurrent_streams, 256);
    assert!(config.reflection && !config.insecure_plaintext && !config.verify_anonymous);
    assert!(config.worker_count() >= 1);
    let room = descriptors_for_connections();
    assert_eq!(config.connection_cap(), room.min(DEFAULT_CONNECTIONS));
}

#[test]
fn a_flag_outranks_the_environment_which_outranks_the_file_which_outranks_the_default() {
    let (_file, config) =
        file("workers = 2\nmax_connections = 2\ndata_dir = \"two\"\nreflection = false");
    let settings = flags(&[&config, "--workers", "4"]);
    let variables = [
        ("TOKEN_AUTHORITY_WORKERS", "3"),
        ("TOKEN_AUTHORITY_MAX_CONNECTIONS", "3"),
    ];
    let config = Config::load(&settings, environment(&variables)).unwrap();
    assert_eq!(config.workers, 4);
    assert_eq!(config.max_connections, 3);
    assert_eq!(config.data_dir, PathBuf::from("two"));
    assert!(!config.reflection);
    assert_eq!(config.max_concurrent_streams, 256);
}

#[test]
fn every_setting_has_one_spelling_in_file_environment_and_flag() {
    let command = Settings::augment_args(Command::new("serve"));
    for setting in SETTINGS {
        let flag = setting.name.replace('_', "-");
        let argument = command
            .get_arguments()
            .find(|argument| argument.get_long() == Some(&flag));
        let help = argument
            .and_then(clap::Arg::get_help)
            .map(ToString::to_string)
            .unwrap();
        assert!(help.contains(&setting.variable()), "{help}");
        assert!(help.contains(setting.default), "{help}");
        assert_eq!(
            setting.variable(),
            format!("TOKEN_AUTHORITY_{}", flag.to_uppercase().replace('-', "_"))
        );
    }
}

#[test]
fn the_file_may_be_named_by_the_environment() {
    let (file, _) = file("workers = 7");
    let variables = [("TOKEN_AUTHORITY_CONFIG", file.path().to_str().unwrap())];
    assert_eq!(
        Config::load(&Settings::default(), environment(&variables))
            .unwrap()
            .workers,
        7
    );
}

#[test]
fn switches_may_stand_alone_or_be_switched_off() {
    let config = Config::load(&flags(&["--insecure-plaintext", "--reflection=false"]), []).unwrap();
    assert!(config.insecure_plaintext && !config.reflection);
}

#[test]
fn lists_are_spelt_with_commas_or_as_lists() {
    let networks = [
        "10.0.0.0/8".parse().unwrap(),
        "192.0.2.7/32".parse().unwrap(),
    ];
    let config = Config::load(&flags(&["--trusted-proxies=10.0.0.0/8, 192.0.2.7"]), []).unwrap();
    assert_eq!(config.trusted_proxies, networks);
    let (_file, flag) = file("trusted_proxies = [\"10.0.0.0/8\", \"192.0.2.7\"]");
    assert_eq!(
        Config::load(&flags(&[&flag]), []).unwrap().trusted_proxies,
        networks
    );
}

#[test]
fn all_faults_are_told_at_once() {
    let (_file, config) = file("dat_dir = \"x\"\nworkers = 1.5\nlog_format = \"xml\"");
    let settings = flags(&[
        &config,
        "--listen=nowhere",
        "--request-deadline=10",
        "--tls-cert-file=/nonexistent/cert",
        "--root-key-file=/",
        "--handshake-timeout=0s",
    ]);
    let variables = [
        ("TOKEN_AUTHORITY_REFLECTOIN", "true"),
        ("TOKEN_AUTHORITY_VERIFY_ANONYMOUS", "yes"),
        ("TOKEN_AUTHORITY_LOG_LEVEL", "info,=,"),
        ("TOKEN_AUTHORITY_ELEPHANT", "1"),
        ("TOKEN_AUTHORITY_MAX_CONNECTIONS", "18446744073709551615"),
    ];
    let faults = faults(&settings, &variables);
    for told in [
        "dat_dir is no setting; did you mean data_dir?",
        "workers (in the file) must be a text",
        "log_format (in the file) must be text or json",
        "listen (in --listen) must be HOST:PORT",
        "request_deadline (in --request-deadline) must be a duration",
        "tls_key_file is missing",
        "tls_cert_file names a file that can't be read",
        "root_key_file names a file that can't be read",
        "handshake_timeout must be longer than nothing",
        "TOKEN_AUTHORITY_REFLECTOIN is no setting; did you mean reflection?",
        "verify_anonymous (in TOKEN_AUTHORITY_VERIFY_ANONYMOUS) must be true or false",
        "log_level (in TOKEN_AUTHORITY_LOG_LEVEL) must be",
        "TOKEN_AUTHORITY_ELEPHANT is no setting\n",
        "max_connections is more than the descriptor limit",
    ] {
        assert!(faults.contains(told), "{told:?} is not in {faults}");
    }
}

#[test]
fn a_deadline_is_at_most_two_minutes() {
    let deadline = |text: &str| Config::load(&flags(&[&format!("--request-deadline={text}")]), []);
    assert!(deadline("2m").is_ok());
    let faults = deadline("121s").unwrap_err().to_string();
    assert!(
        faults.contains("request_deadline must be at most 2m"),
        "{faults}"
    );
}

#[test]
fn a_level_that_is_misspelt_is_a_fault_and_does_not_silence_the_log() {
    for wrong in ["infoo", "token_authority", "info,debgu", ""] {
        let told = faults(&flags(&[&format!("--log-level={wrong}")]), &[]);
        assert!(told.contains("log_level (in --log-level)"), "{wrong}");
    }
    for right in ["off", "WARN", "info,token_authority::store=debug"] {
        assert!(LogFilter::parse(right).is_ok(), "{right}");
    }
}

#[test]
fn no_fault_repeats_a_value() {
    let lines: Vec<String> = SETTINGS
        .iter()
        .map(|setting| format!("{} = \"{CANARY}\"", setting.name))
        .collect();
    let (_file, config) = file(&format!("{}\nroot_key = \"{CANARY}\"", lines.join("\n")));
    let variables = [("TOKEN_AUTHORITY_ROOT_KEY", CANARY)];
    let told = faults(&flags(&[&config]), &variables);
    assert!(!told.contains("canary"), "{told}");
    assert!(told.contains("root_key is no setting"), "{told}");

    let flagged: Vec<String> = SETTINGS
        .iter()
        .map(|setting| format!("--{}={CANARY}", setting.name.replace('_', "-")))
        .collect();
    let flagged: Vec<&str> = flagged.iter().map(String::as_str).collect();
    let told = faults(&flags(&flagged), &[]);
    assert!(!told.contains("canary"), "{told}");

    for broken in [
        format!("data_dir = {CANARY}"),
        format!("a = 1\n{CANARY}"),
        format!("listen = \"{CANARY}"),
    ] {
        let (_file, config) = file(&broken);
        let told = faults(&flags(&[&config]), &[]);
        assert!(
            !told.contains("canary") && told.contains("is not TOML, from line"),
            "{told}"
        );
    }
}

#[test]
fn plaintext_beyond_loopback_needs_to_be_asked_for() {
    let told = faults(&flags(&["--listen=0.0.0.0:0"]), &[]);
    assert!(told.contains("listen is not a loopback address"), "{told}");
    let told = faults(&flags(&["--listen=[::]:0"]), &[]);
    assert!(told.contains("listen is not a loopback address"), "{told}");
    assert!(Config::load(&flags(&["--listen=0.0.0.0:0", "--insecure-plaintext"]), []).is_ok());
    assert!(Config::load(&flags(&["--listen=[::1]:0"]), []).is_ok());
    let (pem, _) = file("");
    let pem = pem.path().display();
    let tls = [
        format!("--tls-cert-file={pem}"),
        format!("--tls-key-file={pem}"),
    ];
    let tls = [tls[0].as_str(), tls[1].as_str(), "--listen=0.0.0.0:0"];
    assert!(Config::load(&flags(&tls), []).is_ok());
    let told = faults(&flags(&[tls[0], tls[1], "--insecure-plaintext"]), &[]);
    assert!(told.contains("insecure_plaintext contradicts"), "{told}");
}

#[test]
fn every_listener_that_takes_tokens_needs_tls_beyond_loopback_and_that_for_probes_does_not() {
    for name in ["verify", "admin"] {
        let told = faults(&flags(&[&format!("--{name}-listen=0.0.0.0:0")]), &[]);
        let listener = format!("{name}_listen is not a loopback address");
        assert!(told.contains(&listener), "{told}");
    }
    assert!(Config::load(&flags(&["--health-listen=0.0.0.0:0"]), []).is_ok());
    // Where nothing listens, nothing can be wrong.
    let parted = ["--verify-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"];
    let config = Config::load(&flags(&[&parted[..], &["--listen=0.0.0.0:0"]].concat()), []);
    assert!(!config.unwrap().listens_at_listen());
    let same = ["--verify-listen=127.0.0.1:1", "--health-listen=127.0.0.1:1"];
    let told = faults(&flags(&same), &[]);
    assert!(
        told.contains("health_listen is the address of verify_listen too"),
        "{told}"
    );
}

#[test]
fn clients_are_not_half_checked() {
    let (pem, _) = file("");
    let pem = pem.path().display();
    let (certificate, key) = (
        format!("--tls-cert-file={pem}"),
        format!("--tls-key-file={pem}"),
    );
    let ca = format!("--tls-client-ca-file={pem}");
    let tls = [certificate.as_str(), key.as_str()];
    for (given, told) in [
        (
            &[ca.as_str()][..],
            "tls_client_ca_file means nothing while tls_client_auth is off",
        ),
        (
            &["--tls-client-names=x"],
            "tls_client_names means nothing while tls_client_auth is off",
        ),
        (
            &["--tls-client-auth=required"],
            "tls_client_ca_file is missing",
        ),
        (
            &["--tls-client-auth=optional"],
            "tls_client_ca_file is missing",
        ),
        (
            &["--tls-client-auth=yes"],
            "tls_client_auth (in --tls-client-auth) must be off, optional or required",
        ),
        (
            &["--tls-reload-interval=0s"],
            "tls_reload_interval must be longer than nothing",
        ),
        (
            &[
                "--tls-client-auth=required",
                "--tls-client-ca-file=/nonexistent/ca",
            ],
            "tls_client_ca_file names a file that can't be read",
        ),
    ] {
        let faults = faults(&flags(&[&tls[..], given].concat()), &[]);
        assert!(faults.contains(told), "{told:?} is not in {faults}");
    }
    let plaintext = faults(&flags(&["--tls-client-auth=required", &ca]), &[]);
    assert!(
        plaintext.contains("tls_client_auth needs TLS"),
        "{plaintext}"
    );
    let whole = [
        &tls[..],
        &["--tls-client-auth=required", &ca, "--tls-client-names=a, b"],
    ]
    .concat();
    assert_eq!(
        Config::load(&flags(&whole), []).unwrap().tls_client_names,
        ["a", "b"]
    );
}

#[test]
fn the_variables_of_the_command_line_are_no_fault() {
    let variables = CLIENT_VARIABLES.map(|name| (name, CANARY));
    assert!(Config::load(&Settings::default(), environment(&variables)).is_ok());
}

#[test]
fn a_variable_in_another_case_is_not_taken_for_a_setting() {
    let told = faults(&Settings::default(), &[("TOKEN_AUTHORITY_data_dir", "x")]);
    assert!(
        told.contains("TOKEN_AUTHORITY_data_dir is no setting; did you mean data_dir?"),
        "{told}"
    );
}

#[test]
fn durations_have_a_unit_and_nothing_overflows() {
    for (text, millis) in [
        ("0ms", 0),
        ("500ms", 500),
        ("10s", 10_000),
        ("5m", 300_000),
        ("1h", 3_600_000),
    ] {
        assert_eq!(Duration::parse(text), Ok(Duration::from_millis(millis)));
    }
    for text in ["", "10", "s", "-1s", "1.5s", "1d", "1 s", "4294967296s"] {
        assert!(Duration::parse(text).is_err(), "{text:?}");
    }
}
