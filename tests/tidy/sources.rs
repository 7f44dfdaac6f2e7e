//! The files of this repository, as text.

use std::fs;
use std::path::{Path, PathBuf};

/// A file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path from the top level.
    pub(crate) path: String,
    pub(crate) text: String,
}

// === impl Source ===

impl Source {
    /// A sample, to try a rule on.
    pub(crate) fn sample(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// What stands before the tests at the end of a Rust file.
    pub(crate) fn product(&self) -> &str {
        &self.text[..self.tests_begin()]
    }

    /// The tests at the end of a Rust file; empty if it has none.
    pub(crate) fn tests(&self) -> &str {
        &self.text[self.tests_begin()..]
    }

    fn tests_begin(&self) -> usize {
        let begin = self
            .text
            .match_indices("#[cfg(test)]\n")
            .find(|(at, marker)| {
                let item = self.text[at + marker.len()..].lines().next();
                item.is_some_and(|item| item.contains("mod ") && item.ends_with('{'))
            });
        begin.map_or(self.text.len(), |(at, _)| at)
    }
}

pub(crate) fn top_level() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` whose name ends with one of `endings`.
pub(crate) fn below(folder: &str, endings: &[&str]) -> Vec<Source> {
    let mut sources = Vec::new();
    collect(&top_level().join(folder), endings, &mut sources);
    assert!(!sources.is_empty(), "nothing in {folder}");
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

/// The Rust files that the product is built from.
pub(crate) fn product() -> Vec<Source> {
    let (_, product) = split();
    product
}

/// The Rust files below `src` that exist for tests alone.
pub(crate) fn unit_tests() -> Vec<Source> {
    let (tests, _) = split();
    tests
}

/// Parts the files below `src` into those that a `#[cfg(test)] mod name;` names, and the rest.
fn split() -> (Vec<Source>, Vec<Source>) {
    let sources = below("src", &[".rs"]);
    let folders: Vec<String> = sources.iter().flat_map(test_modules).collect();
    sources.into_iter().partition(|source| {
        let own = |module: &String| {
            source.path == format!("{module}.rs") || source.path.starts_with(&format!("{module}/"))
        };
        folders.iter().any(own)
    })
}

/// The paths, without `.rs`, of the modules that a file declares for tests alone.
fn test_modules(source: &Source) -> Vec<String> {
    let folder = match source.path.as_str() {
        "src/lib.rs" | "src/main.rs" => "src",
        path => path.trim_end_matches(".rs"),
    };
    let lines: Vec<&str> = source.text.lines().collect();
    let declared = lines.windows(2).filter_map(|pair| {
        let name = pair[1].rsplit_once("mod ")?.1.strip_suffix(';')?;
        (pair[0] == "#[cfg(test)]").then(|| format!("{folder}/{name}"))
    });
    declared.collect()
}

fn collect(folder: &Path, endings: &[&str], sources: &mut Vec<Source>) {
    for entry in
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, endings, sources);
        } else if endings
            .iter()
            .any(|end| path.to_string_lossy().ends_with(end))
        {
            let text = fs::read_to_string(&path).expect("a text file");
            let path = path.strip_prefix(top_level()).expect("below the top level");
            let path = path.to_string_lossy().into_owned();
            sources.push(Source { path, text });
        }
    }
}

#[test]
fn a_file_is_parted_into_product_and_tests() {
    let source = Source::sample("src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n}\n");
    assert_eq!(source.product(), "fn a() {}\n");
    assert_eq!(source.tests(), "#[cfg(test)]\nmod tests {\n}\n");
    let parent = Source::sample("src/a.rs", "#[cfg(test)]\npub(crate) mod tests;\nmod b;\n");
    assert_eq!(test_modules(&parent), ["src/a/tests"]);
}
