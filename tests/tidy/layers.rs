//! grpc speaks, authority decides, store remembers: what each may name.

use crate::assert_none;
use crate::sources::{self, Source};

/// What the files of one part must not name.
struct Layer {
    /// `src/<part>.rs` and all below `src/<part>/`.
    part: &'static str,
    /// Paths that none of them may begin with.
    banned: &'static [&'static str],
    why: &'static str,
}

const LAYERS: [Layer; 4] = [
    Layer {
        part: "store",
        banned: &[
            "crate::authority",
            "crate::grpc",
            "crate::cli",
            "crate::serve",
            "crate::proto",
            "tonic",
            "prost",
        ],
        why: "the store remembers bytes; what a token is, and who asks, is nothing to it",
    },
    Layer {
        part: "authority",
        banned: &[
            "crate::grpc",
            "crate::cli",
            "crate::serve",
            "crate::proto::v1",
            "crate::store::sled",
            "tonic",
            "sled",
        ],
        why: "the authority decides; transport and engine may change under it",
    },
    Layer {
        part: "grpc",
        banned: &[
            "crate::cli",
            "crate::serve",
            "crate::store::sled",
            "crate::store::memory",
            "sled",
        ],
        why: "grpc speaks; it knows no engine",
    },
    Layer {
        part: "cli",
        banned: &[
            "crate::authority",
            "crate::store",
            "crate::serve",
            "crate::proto::store",
            "sled",
        ],
        why: "the command line is a client; it never opens the database",
    },
];

/// How a clock is read.
const CLOCKS: [&str; 5] = [
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "clock_gettime",
];

#[test]
fn imports_go_from_grpc_to_authority_to_store_only() {
    let sources = sources::product();
    assert_none(&sources.iter().flat_map(crossed_layers).collect::<Vec<_>>());
}

#[test]
fn the_authority_is_given_the_time() {
    let sources = sources::product();
    assert_none(&sources.iter().flat_map(clock_reads).collect::<Vec<_>>());
}

fn crossed_layers(source: &Source) -> Vec<String> {
    let code = code(source.product());
    let mut named = imports(&code);
    named.push(code);
    let mut faults = Vec::new();
    for layer in LAYERS.iter().filter(|layer| is_in(source, layer.part)) {
        for banned in layer.banned {
            if named.iter().any(|text| names(text, banned)) {
                faults.push(format!("{} names {banned}: {}", source.path, layer.why));
            }
        }
    }
    faults
}

fn clock_reads(source: &Source) -> Vec<String> {
    let code = code(source.product());
    let read = CLOCKS
        .iter()
        .filter(|clock| is_in(source, "authority") && names(&code, clock));
    read.map(|clock| format!("{} reads {clock}: it is given `now`", source.path))
        .collect()
}

fn is_in(source: &Source, part: &str) -> bool {
    source.path == format!("src/{part}.rs") || source.path.starts_with(&format!("src/{part}/"))
}

/// Whether the path occurs, as the beginning of a path, such as `tonic` in `tonic_types::Status`.
fn names(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|char| !char.is_alphanumeric() && char != '_')
    })
}

/// The lines that are not comments.
fn code(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Each imported path in full: `use a::{b, c::d};` gives `a::b` and `a::c::d`.
fn imports(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for statement in code.split("use ").skip(1) {
        let tree: String = statement
            .split(';')
            .next()
            .unwrap_or("")
            .split_whitespace()
            .collect();
        expand("", &tree, &mut paths);
    }
    paths
}

fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let Some((head, rest)) = tree.split_once('{') else {
        paths.push(format!("{prefix}{tree}"));
        return;
    };
    let prefix = format!("{prefix}{head}");
    let (mut depth, mut start) = (0, 0);
    for (at, char) in rest.char_indices() {
        match char {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                expand(&prefix, &rest[start..at], paths);
                start = at + 1;
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
}

#[test]
fn a_crossed_layer_is_reported() {
    for (path, text) in [
        ("src/store/sled.rs", "use crate::authority::Token;"),
        ("src/store.rs", "use crate::{authority, clock};"),
        ("src/authority.rs", "fn f() -> tonic_types::Status {}"),
        (
            "src/authority/token.rs",
            "use crate::{\n    proto::{store, v1},\n};",
        ),
        (
            "src/authority/judge.rs",
            "let x = crate::store::sled::open();",
        ),
        ("src/authority/judge.rs", "use sled;"),
        (
            "src/grpc/admin.rs",
            "use crate::store::{Store, sled::SledStore};",
        ),
        ("src/cli.rs", "pub(crate) use crate::store::Store;"),
    ] {
        let faults = crossed_layers(&Source::sample(path, text));
        assert!(!faults.is_empty(), "{path}: {text}");
    }
}

#[test]
fn what_layers_may_name_is_not_reported() {
    for (path, text) in [
        (
            "src/authority.rs",
            "//! Neither tonic nor sled.\nuse crate::store::Store;",
        ),
        ("src/grpc.rs", "use crate::authority::Verdict;"),
        ("src/serve.rs", "use crate::{grpc, store::sled};"),
        (
            "src/authority.rs",
            "fn f() {}\n#[cfg(test)]\nmod tests {\n use sled; }",
        ),
    ] {
        assert_none(&crossed_layers(&Source::sample(path, text)));
    }
}

#[test]
fn a_clock_that_is_read_is_reported() {
    for text in [
        "let now = std::time::SystemTime::now();",
        "Timestamp::now()",
    ] {
        let sample = Source::sample("src/authority/sweep.rs", text);
        assert_eq!(clock_reads(&sample).len(), 1, "{text}");
    }
}
