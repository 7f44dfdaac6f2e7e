//! The comments of the protobuf files, which are the API's documentation.

use crate::assert_none;
use crate::sources::{self, Source};

/// Statements that need no comment.
const PLAIN: [&str; 6] = [
    "syntax",
    "package",
    "import",
    "option",
    "reserved",
    "extensions",
];

#[test]
fn every_message_field_value_and_rpc_has_a_comment() {
    let sources = sources::below("proto/tokenauthority", &[".proto"]);
    assert_none(&sources.iter().flat_map(uncommented).collect::<Vec<_>>());
}

/// The statements that no comment stands directly above.
fn uncommented(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let mut above = "";
    // Whether the line goes on with the statement above it.
    let mut goes_on = false;
    for (number, line) in source.text.lines().map(str::trim).enumerate() {
        let word = line.split([' ', ';']).next().unwrap_or("");
        let is_statement = !line.is_empty() && !line.starts_with("//") && !line.starts_with('}');
        let needs_comment = is_statement && !goes_on && !PLAIN.contains(&word);
        if needs_comment && !above.starts_with("//") {
            faults.push(format!("{}:{}: {line}", source.path, number + 1));
        }
        if is_statement {
            goes_on = !line.ends_with([';', '{', '}']);
        }
        above = line;
    }
    faults
}

#[test]
fn a_missing_comment_is_reported() {
    for text in [
        "message A {}",
        "// A.\nmessage A {\n  string a = 1;\n}",
        "// A.\nenum A {\n  // None.\n  A_NONE = 0;\n  A_ONE = 1;\n}",
        "// A.\nservice A {\n  // B.\n\n  rpc B(C) returns (D);\n}",
    ] {
        assert_eq!(
            uncommented(&Source::sample("proto/a.proto", text)).len(),
            1,
            "{text}"
        );
    }
}

#[test]
fn what_is_commented_is_not_reported() {
    let text = "syntax = \"proto3\";\n// A.\nmessage A {\n  reserved 2;\n  // B, over two lines.\n  repeated string b = 1\n      [deprecated = true];\n}\n";
    assert_none(&uncommented(&Source::sample("proto/a.proto", text)));
}
