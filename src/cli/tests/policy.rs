//! What a policy hits, and applying it.

use super::*;

fn change(token_id: &str) -> v1::PolicyChange {
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    v1::PolicyChange {
        token_id: token_id.to_owned(),
        user: "till".to_owned(),
        fields: vec!["expire_time".to_owned()],
        old_expire_time: at(1_814_313_600),
        new_expire_time: at(1_800_000_000),
        error: None,
    }
}

fn page(changes: &[&str], next: &str) -> v1::ApplyPolicyResponse {
    v1::ApplyPolicyResponse {
        changes: changes.iter().copied().map(change).collect(),
        next_page_token: next.to_owned(),
        effects: next.is_empty().then(v1::PolicyEffects::default),
    }
}

const APPLY: &[&str] = &["library", "apply-policy", "acme"];

/// Runs it with these words added, and tells how it ended and whether each call was a dry run.
async fn apply(
    authority: &Authority,
    answer: Option<&'static str>,
    words: &[&str],
) -> (Ended, Vec<bool>) {
    let shell = Shell {
        answer,
        ..Shell::new(authority.serve().await)
    };
    let ended = shell.run(&[APPLY, words].concat()).await;
    let asked = authority.asked::<v1::ApplyPolicyRequest>();
    assert!(asked.iter().all(|request| request.library == "acme"));
    let mut ids: Vec<_> = asked.iter().map(|request| &request.request_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), asked.len(), "each call has an id of its own");
    (ended, asked.iter().map(|request| request.dry_run).collect())
}

#[tokio::test]
async fn without_a_terminal_nothing_is_changed_unless_yes_is_said() {
    let (ended, asked) = apply(&Authority::default(), None, &[]).await;
    assert_eq!((ended.exit, asked.as_slice()), (Exit::Usage, &[][..]));
    assert!(ended.stderr.contains("--yes"), "{}", ended.stderr);

    let authority = Authority::default()
        .then(page(&["a", "b"], "next"))
        .then(page(&["c"], ""));
    let (ended, asked) = apply(&authority, None, &["--yes"]).await;
    assert_eq!(
        (ended.exit, asked.as_slice()),
        (Exit::Success, &[false, false][..])
    );
    let first: Vec<_> = ended.stdout.lines().map(|line| &line[..1]).collect();
    assert_eq!(first, ["T", "a", "b", "c"]);
    assert!(ended.stdout.contains("ends sooner"), "{}", ended.stdout);
    assert_eq!(ended.stderr, "");
}

#[tokio::test]
async fn on_a_terminal_it_shows_what_it_would_change_and_asks_first() {
    for (answer, exit, calls) in [
        ("yes\n", Exit::Success, &[true, false][..]),
        ("y\n", Exit::Usage, &[true]),
        ("", Exit::Usage, &[true]),
    ] {
        let authority = Authority::default()
            .then(page(&["a"], ""))
            .then(page(&["a"], ""));
        let (ended, asked) = apply(&authority, Some(answer), &[]).await;
        assert_eq!((ended.exit, asked.as_slice()), (exit, calls), "{answer:?}");
        assert!(ended.stderr.contains("TOKEN-ID"), "{}", ended.stderr);
        assert_eq!(ended.stdout.is_empty(), exit == Exit::Usage);
    }
    // Where nothing would be changed, there is nothing to ask.
    let authority = Authority::default().then(page(&[], ""));
    let (ended, asked) = apply(&authority, Some("yes"), &[]).await;
    assert_eq!((ended.exit, asked.len()), (Exit::Success, 1));
    assert!(
        ended.stdout.contains("nothing to change"),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn a_dry_run_asks_nobody_and_says_that_it_was_one() {
    let mut last = page(&["a"], "");
    last.effects = Some(v1::PolicyEffects {
        users_over_limit: 1,
        over_limit_examples: vec!["till".to_owned()],
        ..Default::default()
    });
    let authority = Authority::default().then(last);
    let (ended, asked) = apply(&authority, Some("yes"), &["--dry-run"]).await;
    assert_eq!((ended.exit, asked.as_slice()), (Exit::Success, &[true][..]));
    assert_eq!(
        ended.stderr,
        "left to you: 1 user has more tokens than allowed: all go on, no more are made (till)\nnote: nothing was changed\n"
    );
}

#[tokio::test]
async fn what_could_not_be_changed_is_told_and_is_no_success() {
    let mut last = page(&["a", "b"], "");
    last.changes[1].error = Some(tonic_types::pb::Status {
        code: 14,
        message: "the store has stopped".to_owned(),
        details: Vec::new(),
    });
    let (ended, _) = apply(&Authority::default().then(last), None, &["--yes"]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(
        ended.stdout.contains("the store has stopped"),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn a_dry_run_of_a_policy_tells_in_words_what_it_would_hit() {
    let examples = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    let hit = v1::UpdateLibraryResponse {
        library: Some(v1::Library {
            library: "acme".to_owned(),
            max_tokens_per_user: 5,
            ..Default::default()
        }),
        effects: Some(v1::PolicyEffects {
            examined: 9,
            tokens_over_lifetime: 3,
            over_lifetime_examples: examples(&["a", "b"]),
            contact_tokens_outside_apis: 1,
            outside_apis_examples: examples(&["c"]),
            tokens_outside_cidrs: 2,
            outside_cidrs_examples: examples(&["d", "e"]),
            users_over_limit: 2,
            over_limit_examples: examples(&["till", "shop"]),
            incomplete: false,
        }),
    };
    let line = [
        "library",
        "update",
        "acme",
        "--max-lifetime",
        "30d",
        "--dry-run",
    ];
    let mut harmless = hit.clone();
    harmless.effects = Some(v1::PolicyEffects {
        examined: 9,
        ..Default::default()
    });
    let mut cut = harmless.clone();
    cut.effects = Some(v1::PolicyEffects {
        examined: 9,
        incomplete: true,
        ..Default::default()
    });
    let authority = Authority::default().then(hit).then(harmless).then(cut);
    let shell = Shell::new(authority.serve().await);
    let ended = shell.run(&line).await;
    assert!(
        ended.stdout.contains("max-tokens-per-user"),
        "{}",
        ended.stdout
    );
    assert_eq!(
        ended.stderr,
        "hits: 2 tokens can't be used from anywhere any more, at once: the library allows none of the addresses that they do (d, e)\n\
         hits: 3 tokens last longer than the maximum; they go on until `library apply-policy` (such as a, b)\n\
         hits: 1 token of a contact is good for other APIs; it goes on until `library apply-policy` (c)\n\
         hits: 2 users have more tokens than allowed: all go on, no more are made (till, shop)\n\
         note: nothing was changed: this is how it would be\n"
    );
    let ended = shell.run(&line).await;
    assert_eq!(
        ended.stderr,
        "hits: nothing: all 9 live tokens are within it\nnote: nothing was changed: this is how it would be\n"
    );
    let ended = shell.run(&line).await;
    assert_eq!(
        ended.stderr,
        "hits: nothing: the newest 9 live tokens are within it\n\
         warning: the library has more tokens than could be looked at: this is what the newest 9 tell\n\
         note: nothing was changed: this is how it would be\n"
    );
}
