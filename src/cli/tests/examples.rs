//! The examples that stand in the help: they are pasted.

use super::*;

/// Terminals are at least so wide; beyond it, help is wrapped, and what is wrapped can't be pasted.
const WIDTH: usize = 80;

/// The words of a line, as a shell sees them; what is redirected aside.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    let redirected = words.iter().position(|word| word == "<" || word == ">");
    words.truncate(redirected.unwrap_or(words.len()));
    words
}

/// The commands that a help names, each on one line.
fn examples(help: &str) -> Vec<String> {
    let joined = help.replace("\\\n", "");
    let lines = joined.lines().map(str::trim);
    lines
        .filter(|line| line.starts_with("token-authority "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_example_can_be_pasted_and_means_something() {
    let mut tried = 0;
    let mut commands = vec![Cli::command()];
    while let Some(command) = commands.pop() {
        let long = command.get_after_long_help();
        let help = long.or(command.get_after_help());
        let help = help.map(ToString::to_string).unwrap_or_default();
        for example in examples(&help) {
            let parsed = Cli::try_parse_from(words(&example));
            assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
            tried += 1;
        }
        let wide = help
            .lines()
            .filter(|line| line.starts_with("  token-authority") || line.starts_with("    -"))
            .find(|line| line.len() > WIDTH);
        assert_eq!(wide, None, "in the help of {}", command.get_name());
        commands.extend(command.get_subcommands().cloned());
    }
    assert!(tried > 20, "{tried} examples");
}
