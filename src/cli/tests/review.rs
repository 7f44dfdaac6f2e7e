//! What `token review` tells, and the commands that it proposes.

use clap::Parser as _;

use super::super::token::review::{mend, worst_first};
use super::*;
use crate::proto::v1::ReviewReason;

fn finding(id: &str, expires: i64, reasons: &[ReviewReason]) -> v1::TokenFinding {
    let token = v1::Token {
        token_id: id.to_owned(),
        user: "till".to_owned(),
        display_name: format!("token {id}"),
        expire_time: Some(prost_types::Timestamp {
            seconds: expires,
            nanos: 0,
        }),
        ..Default::default()
    };
    v1::TokenFinding {
        token: Some(token),
        reasons: reasons.iter().map(|reason| (*reason).into()).collect(),
        ..Default::default()
    }
}

#[test]
fn the_worst_comes_first() {
    use ReviewReason as Why;
    let mut findings = [
        finding("soon", 1, &[Why::ExpiresSoon]),
        finding("open", 5, &[Why::NoIpRestriction]),
        finding("wide", 5, &[Why::MoreRightsThanUsed]),
        finding("long", 5, &[Why::LongerThanPolicy]),
        finding("unused", 5, &[Why::Unused]),
        finding("longer unused", 9, &[Why::Unused]),
        finding("orphan", 5, &[Why::OwnerDisabled]),
        finding(
            "all",
            5,
            &[
                Why::NeverUsed,
                Why::MoreRightsThanUsed,
                Why::NoIpRestriction,
            ],
        ),
    ];
    worst_first(&mut findings);
    let order = findings.map(|found| found.token.unwrap().token_id);
    assert_eq!(
        order,
        [
            "all",
            "orphan",
            "longer unused",
            "unused",
            "long",
            "wide",
            "open",
            "soon"
        ]
    );
}

/// The command for a reason, which this command line takes.
fn command(reason: ReviewReason, finding: &v1::TokenFinding) -> String {
    let token = finding.token.as_ref().unwrap();
    let command = mend(reason.into(), finding, token);
    // As a shell does.
    let words = command.split(' ').map(|word| word.trim_matches('\''));
    Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{command}: {error}"));
    command
}

#[test]
fn each_reason_has_a_command_that_mends_it() {
    use ReviewReason as Why;
    let mut found = finding("0123456789abcdefABCDEF", 5000, &[]);
    found.token.as_mut().unwrap().last_use = Some(v1::LastUse {
        client_ip: "192.0.2.7".to_owned(),
        // What was demanded is not what would do.
        permissions: vec!["orders:read".to_owned(), "tokens:self".to_owned()],
        ..Default::default()
    });
    let mut unknown = found.clone();
    unknown.token.as_mut().unwrap().last_use = None;
    found.needed_permissions = vec!["tokens:admin".to_owned(), "orders:*".to_owned()];
    let id = "0123456789abcdefABCDEF";
    let long = v1::TokenFinding {
        latest_expire_time: Some(prost_types::Timestamp {
            seconds: 4000,
            nanos: 0,
        }),
        ..found.clone()
    };
    for (finding, reason, expected) in [
        (
            &found,
            Why::OwnerDisabled,
            format!("revoke {id} --reason owner-left"),
        ),
        (
            &found,
            Why::NeverUsed,
            format!("revoke {id} --reason no-longer-needed"),
        ),
        (
            &found,
            Why::Unused,
            format!("revoke {id} --reason no-longer-needed"),
        ),
        (&found, Why::ExpiresSoon, format!("extend {id}")),
        (
            &long,
            Why::LongerThanPolicy,
            format!("update {id} --expires 1970-01-01T01:06:40Z"),
        ),
        (
            &found,
            Why::MoreRightsThanUsed,
            format!(
                "update {id} --access-right custom --permission tokens:admin --permission 'orders:*'"
            ),
        ),
        (
            &unknown,
            Why::MoreRightsThanUsed,
            format!("update {id} --access-right custom --clear permissions"),
        ),
        (
            &found,
            Why::NoIpRestriction,
            format!("update {id} --allowed-cidr 192.0.2.7"),
        ),
        (
            &unknown,
            Why::NoIpRestriction,
            format!("update {id} --allowed-cidr <CIDR>"),
        ),
    ] {
        let expected = format!("token-authority token {expected}");
        assert_eq!(command(reason, finding), expected);
    }
    for number in 1..100 {
        if let Ok(reason) = ReviewReason::try_from(number) {
            assert!(!command(reason, &long).is_empty());
        }
    }
    // One of a newer server is told, and nothing is proposed.
    let token = found.token.clone().unwrap();
    assert_eq!(mend(99, &found, &token), "");
}

#[tokio::test]
async fn a_review_is_a_table_of_reasons_each_with_its_command() {
    let first = v1::ReviewTokensResponse {
        findings: vec![finding("a", 5, &[ReviewReason::NoIpRestriction])],
        next_page_token: "more".to_owned(),
    };
    let mut worse = finding(
        "b",
        5,
        &[ReviewReason::NeverUsed, ReviewReason::MoreRightsThanUsed],
    );
    worse.unused_permissions = vec!["orders:*".to_owned(), "stock:move".to_owned()];
    worse.needed_permissions = vec!["stock:read".to_owned()];
    let second = v1::ReviewTokensResponse {
        findings: vec![worse],
        next_page_token: String::new(),
    };
    let authority = Authority::default()
        .then(first.clone())
        .then(second)
        .then(first)
        .then(v1::ReviewTokensResponse::default());
    let shell = Shell::new(authority.serve().await);
    let ended = shell.run(&["token", "review", "--library", "acme"]).await;
    let table = "\
TOKEN-ID  USER  NAME  WHY                                         MEND
b         till  token b       never used                                  token-authority token revoke b --reason no-longer-needed
b         till  token b       more rights than used: orders:*, stock:move  token-authority token update b --access-right custom --permission stock:read
a         till  token a       no IP restriction: name the networks of all its clients, not of the last one alone token-authority token update a --allowed-cidr <CIDR>
";
    let squeezed = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(squeezed(&ended.stdout), squeezed(table), "{}", ended.stdout);
    let pages: Vec<v1::ReviewTokensRequest> = authority.asked();
    assert_eq!(pages[1].page_token, "more");
    assert_eq!(pages[0].library, "acme");
    let ended = shell
        .run(&["token", "review", "--limit", "1", "-o", "json"])
        .await;
    let answer: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let findings = answer["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0]["reasons"][0], "REVIEW_REASON_NO_IP_RESTRICTION");
}
