//! Words that have no place in what is finished, and that speaks of this project alone.

use crate::assert_none;
use crate::sources::{self, Source};

/// Each in two halves, so that this file may hold them.
const FORBIDDEN: [(&str, &str); 12] = [
    // Unfinished, or switched off.
    ("TO", "DO"),
    ("FIX", "ME"),
    ("XX", "X"),
    ("HA", "CK"),
    ("#[ig", "nore"),
    ("not yet imple", "mented"),
    // Somebody's machine, or somebody's papers.
    ("/ho", "me/"),
    ("/Us", "ers/"),
    ("/wo", "rk/"),
    ("../sha", "red"),
    ("design sec", "tion"),
    ("rules", ".md"),
];
/// What is text here.
const TEXT: [&str; 9] = [
    ".rs",
    ".proto",
    ".py",
    ".sh",
    ".c",
    ".md",
    ".toml",
    ".yaml",
    "Dockerfile",
];

#[test]
fn the_sources_are_finished_and_speak_of_the_project_alone() {
    let folders = ["src", "tests", "proto/tokenauthority"];
    let mut sources: Vec<Source> = folders
        .iter()
        .flat_map(|folder| sources::below(folder, &TEXT))
        .collect();
    for name in [
        "README.md",
        "Cargo.toml",
        "build.rs",
        ".ci/run",
        ".ci/tools",
        ".deny.toml",
        ".clippy.toml",
    ] {
        let text = std::fs::read_to_string(sources::top_level().join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        sources.push(Source::sample(name, &text));
    }
    assert_none(&sources.iter().flat_map(forbidden_words).collect::<Vec<_>>());
}

fn forbidden_words(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        for (first, second) in FORBIDDEN {
            let word = format!("{first}{second}");
            if line.contains(&word) {
                faults.push(format!("{}:{}: {word}", source.path, number + 1));
            }
        }
    }
    faults
}

#[test]
fn a_forbidden_word_is_reported() {
    for (first, second) in FORBIDDEN {
        let sample = Source::sample("src/a.rs", &format!("fn a() {{}} // {first}{second}"));
        assert_eq!(forbidden_words(&sample).len(), 1, "{first}{second}");
    }
}
