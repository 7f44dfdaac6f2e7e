//! `library apply-policy`, and what a policy hits, in words.

use clap::Args;

use super::super::Asker;
use super::super::call::Repeat;
use super::super::connect::Session;
use super::super::failure::Failure;
use super::super::output::Output;
use crate::proto::v1;

/// `library apply-policy`.
#[derive(Debug, Args)]
pub struct ApplyPolicy {
    /// The library [default: your own]
    library: Option<String>,
    /// Tell what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Don't ask first
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    #[command(flatten)]
    repeat: Repeat,
}

// === impl ApplyPolicy ===

impl ApplyPolicy {
    pub(super) async fn run(
        self,
        session: &Session,
        ask: Asker<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        let mut request = v1::ApplyPolicyRequest {
            library: self.library.unwrap_or_default(),
            dry_run: self.dry_run || !self.yes,
            request_id: self.repeat.request_id(),
            ..Default::default()
        };
        let Some(ask) = ask.filter(|_| request.dry_run && !self.dry_run) else {
            if request.dry_run && !self.dry_run {
                return Err(Failure::usage(
                    "there is no terminal to ask on whether existing tokens shall be changed",
                    "--dry-run tells what would be changed, --yes changes it",
                ));
            }
            let response = all_pages(session, &request, output).await?;
            return tell(&response, request.dry_run, output);
        };
        let planned = all_pages(session, &request, output).await?;
        if planned.changes.is_empty() {
            return tell(&planned, true, output);
        }
        output.preview(&planned.changes);
        let question = format!(
            "Change these {}? Type yes to go on: ",
            tokens(count(&planned.changes))
        );
        if ask(&question)?.trim() != "yes" {
            return Err(Failure::usage("nothing was changed", "type yes to go on"));
        }
        request.dry_run = false;
        let response = all_pages(session, &request, output).await?;
        tell(&response, false, output)
    }
}

/// All pages in one; the effects are those of the last.
async fn all_pages(
    session: &Session,
    request: &v1::ApplyPolicyRequest,
    output: &mut Output<'_>,
) -> Result<v1::ApplyPolicyResponse, Failure> {
    let mut request = request.clone();
    let mut whole = v1::ApplyPolicyResponse::default();
    loop {
        let send = async |request| session.token_admin().apply_policy(request).await;
        let page = session.change(request.clone(), send).await?;
        whole.changes.extend(page.changes);
        whole.effects = page.effects;
        if page.next_page_token.is_empty() {
            return Ok(whole);
        }
        output.progress("holding tokens to the policy", whole.changes.len(), None);
        request.page_token = page.next_page_token;
        // Each page is a call of its own.
        request.request_id.clear();
    }
}

fn tell(
    response: &v1::ApplyPolicyResponse,
    dry_run: bool,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let failed = response.changes.iter().filter(|c| c.error.is_some());
    let (failed, of) = (failed.count(), response.changes.len());
    if response.changes.is_empty() {
        output.done(
            response,
            "every token is within the policy: nothing to change",
        )?;
    } else {
        output.many(response, &response.changes, "")?;
    }
    if let Some(effects) = response.effects.as_ref().filter(|e| e.users_over_limit > 0) {
        output.remark("left to you", &over_limit(effects));
    }
    if let Some(effects) = response.effects.as_ref().filter(|e| e.incomplete) {
        output.remark("warning", &incomplete(effects));
    }
    if dry_run {
        output.remark("note", "nothing was changed");
    }
    if failed > 0 {
        return Err(Failure::Partly { failed, of });
    }
    Ok(())
}

/// What a policy hits, a sentence each; nothing that it does not hit.
pub(super) fn sentences(effects: &v1::PolicyEffects) -> Vec<String> {
    let told = [
        (
            effects.tokens_outside_cidrs,
            "can't be used from anywhere any more, at once: the library allows none of the addresses that they do",
            "can't be used from anywhere any more, at once: the library allows none of the addresses that it does",
            &effects.outside_cidrs_examples,
        ),
        (
            effects.tokens_over_lifetime,
            "last longer than the maximum; they go on until `library apply-policy`",
            "lasts longer than the maximum; it goes on until `library apply-policy`",
            &effects.over_lifetime_examples,
        ),
        (
            effects.contact_tokens_outside_apis,
            "of contacts are good for other APIs; they go on until `library apply-policy`",
            "of a contact is good for other APIs; it goes on until `library apply-policy`",
            &effects.outside_apis_examples,
        ),
    ];
    let hit = told.into_iter().filter(|(hit, ..)| *hit > 0);
    let sentence = |(hit, several, one, examples): (u32, &str, &str, &Vec<String>)| {
        let what = if hit == 1 { one } else { several };
        with_examples(hit, format!("{} {what}", tokens(hit)), examples)
    };
    let mut sentences: Vec<String> = hit.map(sentence).collect();
    if effects.users_over_limit > 0 {
        sentences.push(over_limit(effects));
    }
    sentences
}

/// That no token is hit.
pub(super) fn nothing(effects: &v1::PolicyEffects) -> String {
    let all = if effects.incomplete {
        "the newest"
    } else {
        "all"
    };
    let examined = effects.examined;
    format!("nothing: {all} {examined} live tokens are within it")
}

/// That more may be hit than is told.
pub(super) fn incomplete(effects: &v1::PolicyEffects) -> String {
    format!(
        "the library has more tokens than could be looked at: this is what the newest {} tell",
        effects.examined
    )
}

fn over_limit(effects: &v1::PolicyEffects) -> String {
    let hit = effects.users_over_limit;
    let users = if hit == 1 { "user has" } else { "users have" };
    let sentence = format!("{hit} {users} more tokens than allowed: all go on, no more are made");
    with_examples(hit, sentence, &effects.over_limit_examples)
}

fn with_examples(hit: u32, sentence: String, examples: &[String]) -> String {
    let such_as = if count(examples) < hit {
        "such as "
    } else {
        ""
    };
    match examples {
        [] => sentence,
        _ => format!("{sentence} ({such_as}{})", examples.join(", ")),
    }
}

fn tokens(count: u32) -> String {
    match count {
        1 => "1 token".to_owned(),
        _ => format!("{count} tokens"),
    }
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}
