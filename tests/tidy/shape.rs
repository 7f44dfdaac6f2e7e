//! The folders and the files: what stands where, how long, under what name.

use crate::assert_none;
use crate::sources::{self, Source};

/// All that may stand at the top level, apart from dotfiles.
const TOP_LEVEL: [&str; 9] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "build.rs",
    "deploy",
    "proto",
    "src",
    "tests",
];
/// What a build or a server leaves there, and git ignores.
const LEFT_THERE: [&str; 2] = ["target", "token-authority-data"];
/// Most lines of a file of code: a longer one holds two things.
const MAX_LINES: usize = 400;
/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 8] = [
    "common", "helper", "helpers", "manager", "misc", "service", "util", "utils",
];
/// What is text here.
const TEXT: [&str; 5] = [".rs", ".proto", ".py", ".sh", ".c"];

#[test]
fn the_top_level_is_the_fixed_one() {
    let names = std::fs::read_dir(sources::top_level()).expect("the top level");
    let names = names.map(|entry| {
        entry
            .expect("an entry")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    assert_none(&strangers(&names.collect::<Vec<_>>()));
}

#[test]
fn no_file_holds_two_things() {
    // An API is one file per service, and the preloaded model one file for the C compiler.
    let code = |source: &&Source| {
        !source.path.starts_with("proto/") && source.path != "tests/crash/powerloss.c"
    };
    assert_none(
        &all()
            .iter()
            .filter(code)
            .filter_map(too_long)
            .collect::<Vec<_>>(),
    );
}

#[test]
fn every_name_says_what_is_inside() {
    assert_none(&all().iter().filter_map(empty_name).collect::<Vec<_>>());
}

#[test]
fn a_module_stands_beside_its_folder() {
    let sources = sources::below("src", &[".rs"]);
    assert_none(
        &sources
            .iter()
            .filter_map(old_style_module)
            .collect::<Vec<_>>(),
    );
}

fn all() -> Vec<Source> {
    ["src", "tests", "proto/tokenauthority"]
        .iter()
        .flat_map(|folder| sources::below(folder, &TEXT))
        .collect()
}

fn strangers(names: &[String]) -> Vec<String> {
    let known = |name: &str| {
        name.starts_with('.') || TOP_LEVEL.contains(&name) || LEFT_THERE.contains(&name)
    };
    let strangers = names.iter().filter(|name| !known(name));
    strangers
        .map(|name| format!("{name} does not belong at the top level"))
        .collect()
}

fn too_long(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    (lines > MAX_LINES).then(|| format!("{} has {lines} lines, more than {MAX_LINES}", source.path))
}

fn empty_name(source: &Source) -> Option<String> {
    let empty = |part: &str| {
        let stem = part.split('.').next().unwrap_or(part);
        stem.split('_').any(|word| EMPTY_NAMES.contains(&word))
    };
    let found = source.path.split('/').any(empty);
    found.then(|| format!("{} does not say what is inside", source.path))
}

fn old_style_module(source: &Source) -> Option<String> {
    let old = source.path.ends_with("/mod.rs");
    old.then(|| {
        format!(
            "{} belongs beside its folder, under the folder's name",
            source.path
        )
    })
}

#[test]
fn a_file_out_of_shape_is_reported() {
    let long = Source::sample("src/a.rs", &"\n".repeat(MAX_LINES + 1));
    assert!(too_long(&long).is_some());
    let long_enough = Source::sample("src/a.rs", &"\n".repeat(MAX_LINES));
    assert!(too_long(&long_enough).is_none());
    for path in [
        "src/util.rs",
        "src/grpc/token_helpers.rs",
        "src/common/a.rs",
    ] {
        assert!(empty_name(&Source::sample(path, "")).is_some(), "{path}");
    }
    assert!(empty_name(&Source::sample("src/grpc/admin.rs", "")).is_none());
    assert!(old_style_module(&Source::sample("src/grpc/mod.rs", "")).is_some());
    let listing = ["src", ".ci", "target", "notes"].map(str::to_owned);
    assert_eq!(strangers(&listing).len(), 1);
}
