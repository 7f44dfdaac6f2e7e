//! Every reason of an error is documented, and some test provokes it.

use crate::assert_none;
use crate::sources::{self, Source};

const PREFIX: &str = "ERROR_REASON_";

#[test]
fn every_error_reason_is_documented_and_tested() {
    let proto = sources::below("proto/tokenauthority", &["error_reason.proto"]);
    let reasons = reasons(&proto[0].text);
    assert!(reasons.len() > 20, "{reasons:?}");

    let mut tests: Vec<String> = sources::unit_tests()
        .into_iter()
        .map(|tests| tests.text)
        .collect();
    tests.extend(
        sources::product()
            .iter()
            .map(|source| source.tests().to_owned()),
    );
    let suites = sources::below("tests", &[".rs", ".sh", ".py"]);
    let others = suites
        .into_iter()
        .filter(|suite| !suite.path.starts_with("tests/tidy/"));
    tests.extend(others.map(|suite| suite.text));

    assert_none(&undocumented(&proto[0]));
    assert_none(&untested(&reasons, &tests));
}

/// The names of the values, without their prefix and without the unspecified one.
fn reasons(proto: &str) -> Vec<String> {
    let values = proto
        .lines()
        .filter_map(|line| line.trim().strip_prefix(PREFIX)?.split(" = ").next());
    let values = values.filter(|value| *value != "UNSPECIFIED");
    values.map(str::to_owned).collect()
}

/// The values whose comment does not begin with a gRPC code in brackets, or that has no example.
fn undocumented(proto: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let mut comment = String::new();
    for line in proto.text.lines().map(str::trim) {
        if line.starts_with("//") {
            comment.push_str(line);
            continue;
        }
        let documented = comment.starts_with("// [") && comment.contains("Example: ");
        if line.starts_with(PREFIX) && !line.contains("UNSPECIFIED") && !documented {
            faults.push(format!(
                "{} lacks its code or its example",
                line.trim_end_matches(';')
            ));
        }
        comment.clear();
    }
    faults
}

/// The reasons that no test names.
fn untested(reasons: &[String], tests: &[String]) -> Vec<String> {
    let named = |reason: &str| {
        let camel = camel_case(reason);
        let forms = [
            format!("Reason::{camel}"),
            format!("\"{reason}\""),
            format!("{PREFIX}{reason}"),
        ];
        forms
            .iter()
            .any(|form| tests.iter().any(|test| names(test, form)))
    };
    let missing = reasons.iter().filter(|reason| !named(reason));
    missing
        .map(|reason| format!("no test names {PREFIX}{reason}"))
        .collect()
}

/// Whether `name` occurs and does not go on.
fn names(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let after = text[at + name.len()..].chars().next();
        after.is_none_or(|char| !char.is_alphanumeric() && char != '_')
    })
}

fn camel_case(name: &str) -> String {
    let word = |word: &str| word[..1].to_owned() + &word[1..].to_lowercase();
    name.split('_').map(word).collect()
}

#[test]
fn an_untested_reason_is_reported() {
    let reasons = reasons("  ERROR_REASON_UNSPECIFIED = 0;\n  ERROR_REASON_NOT_READY = 18;\n");
    assert_eq!(reasons, ["NOT_READY"]);
    for (test, faults) in [
        ("assert_eq!(reason, ErrorReason::NotReady);", 0),
        ("assert error[\"reason\"] == \"NOT_READY\"", 0),
        ("ErrorReason::NotReadyYet", 1),
        ("NOT_READY", 1),
    ] {
        assert_eq!(
            untested(&reasons, &[test.to_owned()]).len(),
            faults,
            "{test}"
        );
    }
}

#[test]
fn an_undocumented_reason_is_reported() {
    for (comment, faults) in [
        ("// [INTERNAL] A fault.\n  // Example: a bug.", 0),
        ("// [INTERNAL] A fault.", 1),
        ("// A fault.\n// Example: a bug.", 1),
    ] {
        let proto = Source::sample(
            "a.proto",
            &format!("  {comment}\n  ERROR_REASON_INTERNAL = 23;\n"),
        );
        assert_eq!(undocumented(&proto).len(), faults, "{comment}");
    }
}
