//! Contexts where there can be none, or that were written by hand.

use std::fs;

use super::super::*;
use super::{Home, TYPED};

#[tokio::test]
async fn without_a_home_there_are_no_contexts_and_calls_go_on() {
    let authority = Authority::default();
    let mut shell = Shell::new(authority.serve().await);
    shell.stdin = TYPED;
    assert_eq!(shell.run(&["user", "list"]).await.exit, Exit::Success);
    for line in [
        &["login"][..],
        &["context", "list"],
        &["user", "list", "--context", "prod"],
        &["logout"],
    ] {
        let ended = shell.run(line).await;
        assert_eq!(ended.exit, Exit::Usage, "{line:?}");
        assert!(ended.stderr.contains("set HOME"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_file_of_contexts_that_is_not_right_is_told_of_without_a_word_of_its_values() {
    let home = Home::new();
    fs::create_dir_all(home.kept()).unwrap();
    for (text, why) in [
        ("tka_canary", "is not TOML"),
        ("current = 1", "holds current"),
        (
            "[contexts.one]\nlibrary = 'tka_canary'",
            "names no server in the context one",
        ),
        (
            "[contexts.one]\nserver = 'http://x'\nsevrer = 'tka_canary'",
            "holds sevrer",
        ),
        (
            "[contexts.'../up']\nserver = 'http://x'",
            "whose name must be",
        ),
        ("contexts = 'tka_canary'", "holds contexts"),
    ] {
        fs::write(home.kept().join("config.toml"), text).unwrap();
        let told = home.refused("user list").await;
        assert!(
            told.contains(why) && !told.contains("canary"),
            "{text}: {told}"
        );
    }
}

#[test]
fn a_name_that_could_be_a_path_or_a_token_is_no_name_of_a_context() {
    for (name, sound) in [
        ("prod", true),
        ("eu-1.prod_x", true),
        ("", false),
        ("..", false),
        ("a/b", false),
        ("Prod", false),
        ("-x", false),
        (&"x".repeat(64), false),
    ] {
        let parsed = Cli::try_parse_from(["token-authority", "context", "use", "--", name]);
        assert_eq!(parsed.is_ok(), sound, "{name:?}");
    }
}
