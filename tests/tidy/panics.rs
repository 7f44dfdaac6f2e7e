//! Where the product may panic.

use crate::assert_none;
use crate::sources::{self, Source};

/// What panics.
const PANICS: [&str; 6] = [
    ".unwrap()",
    ".expect(",
    "panic!(",
    "unreachable!(",
    "unimplemented!(",
    "todo!(",
];

#[test]
fn the_product_panics_nowhere_without_the_invariant_that_makes_it_safe() {
    let sources = sources::product();
    assert_none(&sources.iter().flat_map(bare_panics).collect::<Vec<_>>());
}

/// The lines that may panic in a function or item that no `#[expect(clippy::...)]` covers.
fn bare_panics(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.product().lines().collect();
    let mut faults = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or("");
        let panics = PANICS.iter().any(|panic| code.contains(panic));
        if panics && !is_expected(&lines[..=number]) {
            faults.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
        }
    }
    faults
}

/// Whether the last line, its function, or anything between them carries an `#[expect]` of a clippy lint.
fn is_expected(lines: &[&str]) -> bool {
    let mut inside = true;
    for line in lines.iter().rev() {
        if line.contains("clippy::") && !line.trim_start().starts_with("//") {
            return true;
        }
        if !inside && (line.is_empty() || line.trim_end().ends_with(['}', ';', '{'])) {
            return false;
        }
        if line.contains("fn ") {
            inside = false;
        }
    }
    false
}

#[test]
fn a_bare_panic_is_reported() {
    for text in [
        "fn f() {\n    x.unwrap();\n}\n",
        "#[expect(clippy::unwrap_used, reason = \"\")]\nfn f() {\n    x.unwrap();\n}\n\nfn g() {\n    x.expect(\"\");\n}\n",
    ] {
        assert_eq!(
            bare_panics(&Source::sample("src/a.rs", text)).len(),
            1,
            "{text}"
        );
    }
}

#[test]
fn an_expected_panic_is_not_reported() {
    for text in [
        "#[expect(\n    clippy::unwrap_used,\n    reason = \"\"\n)]\nfn f() {\n    x.unwrap();\n}\n",
        "fn f() {\n    #[expect(clippy::unwrap_used, reason = \"\")]\n    let y = x.unwrap();\n}\n",
        "/// Like `x.unwrap()`.\nfn f() {}\n",
    ] {
        assert_none(&bare_panics(&Source::sample("src/a.rs", text)));
    }
}
