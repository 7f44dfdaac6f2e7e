//! `token review`.

use std::num::NonZeroU32;

use clap::Args;

use super::super::call::Limit;
use super::super::connect::Session;
use super::super::failure::Failure;
use super::super::output::{Output, Shown};
use super::super::show;
use super::super::words::Word;
use crate::proto::v1;
use crate::proto::v1::ReviewReason as Reason;

/// `token review`.
#[derive(Debug, Args)]
pub struct Review {
    /// The library [default: your own]
    #[arg(long)]
    library: Option<String>,
    /// At most so many tokens, the worst [default: all]
    #[arg(long, value_name = "NUMBER")]
    limit: Option<NonZeroU32>,
}

/// One thing to say of a token, and what mends it.
struct Advice {
    token: v1::Token,
    why: String,
    mend: String,
}

// === impl Review ===

impl Review {
    pub(super) async fn run(
        self,
        session: &Session,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        let fetch = async |page_size, page_token| {
            let request = v1::ReviewTokensRequest {
                library: self.library.clone().unwrap_or_default(),
                page_size,
                page_token,
            };
            let send = async |request| session.token_admin().review_tokens(request).await;
            let page = session.ask(request, send).await?;
            Ok((page.findings, page.next_page_token))
        };
        // Which are the worst shows once all are there.
        let (mut findings, _) = Limit::default().pages(output, fetch).await?;
        worst_first(&mut findings);
        let limit = self.limit.map(|limit| usize::try_from(limit.get()));
        findings.truncate(limit.and_then(Result::ok).unwrap_or(usize::MAX));
        let advice: Vec<Advice> = findings.iter().flat_map(advice_on).collect();
        let response = v1::ReviewTokensResponse {
            findings,
            next_page_token: String::new(),
        };
        Ok(output.many(&response, &advice, "")?)
    }
}

/// Sorts by the sum of what weighs against a token; of two that weigh the same, the one that expires later is the worse.
pub(in crate::cli) fn worst_first(findings: &mut [v1::TokenFinding]) {
    let expires = |finding: &v1::TokenFinding| {
        let token = finding.token.as_ref();
        token
            .and_then(|token| token.expire_time)
            .map_or(0, |time| time.seconds)
    };
    findings.sort_by_key(|finding| {
        let weight: u32 = finding.reasons().map(weight).sum();
        std::cmp::Reverse((weight, expires(finding)))
    });
}

/// How much a reason weighs: what nobody needs or nobody answers for most, then what goes beyond what was agreed, then what
/// can be guessed, then what is merely wider than it could be, and least what ends by itself.
fn weight(reason: Reason) -> u32 {
    match reason {
        Reason::OwnerDisabled => 50,
        Reason::NeverUsed | Reason::Unused => 40,
        Reason::LongerThanPolicy => 30,
        Reason::ImportedWeak => 25,
        Reason::MoreRightsThanUsed => 20,
        Reason::NoIpRestriction => 10,
        Reason::ExpiresSoon => 5,
        Reason::Unspecified => 0,
    }
}

fn advice_on(finding: &v1::TokenFinding) -> Vec<Advice> {
    let Some(token) = &finding.token else {
        return Vec::new();
    };
    let advice = |reason: i32| Advice {
        token: token.clone(),
        why: why(reason, finding),
        mend: mend(reason, finding, token),
    };
    finding
        .reasons
        .iter()
        .map(|reason| advice(*reason))
        .collect()
}

fn why(reason: i32, finding: &v1::TokenFinding) -> String {
    match Reason::try_from(reason) {
        Ok(Reason::MoreRightsThanUsed) => {
            format!(
                "more rights than used: {}",
                finding.unused_permissions.join(", ")
            )
        }
        Ok(Reason::NoIpRestriction) => {
            "no IP restriction: name the networks of all its clients, not of the last one alone"
                .to_owned()
        }
        _ => Reason::word(reason).replace('-', " "),
    }
}

/// The command that mends it; empty for a reason that this client does not know.
pub(in crate::cli) fn mend(reason: i32, finding: &v1::TokenFinding, token: &v1::Token) -> String {
    let id = &token.token_id;
    let command = match Reason::try_from(reason).unwrap_or_default() {
        Reason::Unspecified => return String::new(),
        Reason::OwnerDisabled => format!("revoke {id} --reason owner-left"),
        Reason::NeverUsed | Reason::Unused => format!("revoke {id} --reason no-longer-needed"),
        Reason::ExpiresSoon => format!("extend {id}"),
        Reason::LongerThanPolicy => {
            let latest = show::time(finding.latest_expire_time.as_ref());
            format!("update {id} --expires {latest}")
        }
        Reason::ImportedWeak => format!("rotate {id}"),
        Reason::MoreRightsThanUsed => {
            let list: String = match finding.needed_permissions.as_slice() {
                // Without a list it would keep the one that it has.
                [] => " --clear permissions".to_owned(),
                needed => needed.iter().map(|needed| listed(needed)).collect(),
            };
            format!("update {id} --access-right custom{list}")
        }
        Reason::NoIpRestriction => {
            let last = token.last_use.as_ref();
            let last = last.map_or("", |last| last.client_ip.as_str());
            let address = match last {
                "" => "<CIDR>",
                known => known,
            };
            format!("update {id} --allowed-cidr {address}")
        }
    };
    format!("token-authority token {command}")
}

/// The option that lists a permission; shells would take an asterisk for names of files.
fn listed(permission: &str) -> String {
    if permission.contains('*') {
        format!(" --permission '{permission}'")
    } else {
        format!(" --permission {permission}")
    }
}

impl Shown for Advice {
    const COLUMNS: &'static [&'static str] = &["token-id", "user", "name", "why", "mend"];
    const NAMED_BY: &'static str = "token-id";

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("token-id", self.token.token_id.clone()),
            ("user", self.token.user.clone()),
            ("name", show::called(&self.token)),
            ("why", self.why.clone()),
            ("mend", self.mend.clone()),
        ]
    }
}
