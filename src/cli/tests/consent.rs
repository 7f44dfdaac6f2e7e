//! What can't be undone: who is asked, what is shown, and that nothing is sent before.

use super::*;

fn got(id: &str) -> v1::GetTokenResponse {
    v1::GetTokenResponse {
        token: Some(v1::Token {
            token_id: id.to_owned(),
            user: "till".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// At a terminal where this is answered, or where there is none.
async fn run(authority: &Authority, answer: Option<&'static str>, line: &str) -> Ended {
    let shell = Shell {
        answer,
        ..Shell::new(authority.serve().await)
    };
    shell.run(&line.split(' ').collect::<Vec<_>>()).await
}

#[tokio::test]
async fn a_revocation_is_shown_and_needs_a_yes_at_a_terminal() {
    let line = "token revoke one two";
    let authority = Authority::default().then(got("one")).then(got("two"));
    let refused = run(&authority, Some("y\n"), line).await;
    assert_eq!(refused.exit, Exit::Usage);
    for told in ["one", "two", "till", "nothing was changed"] {
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
    }
    assert_eq!(authority.asked::<v1::GetTokenRequest>().len(), 2);

    let authority = Authority::default().then(got("one")).then(got("two"));
    let done = run(&authority, Some("yes\n"), line).await;
    assert_eq!(done.exit, Exit::Success, "{}", done.stderr);
    // With --yes, and where nobody sits, it is not looked up first either.
    for (answer, line) in [(Some("no"), "token revoke one two --yes"), (None, line)] {
        let authority = Authority::default();
        assert_eq!(run(&authority, answer, line).await.exit, Exit::Success);
        assert_eq!(authority.asked::<v1::RevokeTokensRequest>().len(), 1);
    }
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_hit_and_changes_nothing() {
    for (line, would) in [
        ("token revoke one --dry-run", "revoke this token for good"),
        (
            "token rotate one --overlap 0s --dry-run",
            "end its secret at once",
        ),
        ("token rotate one --dry-run", "rotate the token one"),
    ] {
        let authority = Authority::default().then(got("one"));
        let ended = run(&authority, None, line).await;
        assert_eq!(ended.exit, Exit::Success, "{}", ended.stderr);
        assert!(ended.stderr.contains("till"), "{}", ended.stderr);
        assert!(ended.stderr.contains(would), "{}", ended.stderr);
        // It would panic if anything else had been asked.
        assert_eq!(authority.asked::<v1::GetTokenRequest>().len(), 1, "{line}");
    }
    let authority = Authority::default();
    run(&authority, None, "user delete ann --library acme --dry-run").await;
    assert_eq!(authority.asked::<v1::GetUserRequest>().len(), 1);
    let authority = Authority::default();
    run(&authority, None, "user-type delete clerk --dry-run").await;
    assert_eq!(authority.asked::<v1::GetUserTypeRequest>().len(), 1);
    let authority = Authority::default();
    run(&authority, None, "library delete acme --dry-run").await;
    assert_eq!(authority.asked::<v1::GetLibraryRequest>().len(), 1);
}

#[tokio::test]
async fn deletions_are_asked_about_at_a_terminal() {
    let authority = Authority::default();
    let refused = run(&authority, Some("no"), "user delete ann").await;
    assert_eq!(refused.exit, Exit::Usage);
    assert_eq!(authority.asked::<v1::GetUserRequest>().len(), 1);
    let authority = Authority::default();
    let refused = run(
        &authority,
        Some("no"),
        "library update acme --secret-display once",
    )
    .await;
    assert_eq!(refused.exit, Exit::Usage);
    assert!(authority.asked::<v1::UpdateLibraryRequest>().is_empty());
    // What loses nothing is not asked about.
    let authority = Authority::default();
    let line = "library update acme --secret-display revealable";
    assert_eq!(run(&authority, Some("no"), line).await.exit, Exit::Success);
    let authority = Authority::default();
    let rotated = run(&authority, Some("no"), "token rotate one --overlap 2h").await;
    assert_eq!(rotated.exit, Exit::Success, "{}", rotated.stderr);
    assert_eq!(authority.asked::<v1::RotateTokenRequest>().len(), 1);
}

#[tokio::test]
async fn a_whole_library_is_hit_only_where_somebody_says_so() {
    let line = "token revoke-all --library acme --whole-library";
    let authority = Authority::default();
    let refused = run(&authority, None, line).await;
    assert_eq!(refused.exit, Exit::Usage);
    assert!(refused.stderr.contains("--yes"), "{}", refused.stderr);
    assert!(authority.asked::<v1::RevokeTokensRequest>().is_empty());

    let page = v1::ListTokensResponse {
        tokens: vec![v1::Token::default(); 3],
        next_page_token: "more".to_owned(),
    };
    let authority = Authority::default().then(page);
    let told = run(&authority, None, &format!("{line} --dry-run")).await;
    assert!(
        told.stderr.contains("3 or more of them live now"),
        "{}",
        told.stderr
    );
    let listed = authority.asked::<v1::ListTokensRequest>();
    assert_eq!((listed.len(), listed[0].states.len()), (1, 3));

    let authority = Authority::default();
    let done = run(&authority, None, &format!("{line} --yes")).await;
    assert_eq!(done.exit, Exit::Success);
    assert_eq!(authority.asked::<v1::RevokeTokensRequest>().len(), 1);
}
