//! Histories that must not happen, each reported; and one that may.

use std::time::Duration;

use token_authority::proto::v1::Verdict;

use super::*;

/// The library is made at revision 1, its token at 2; the answers of `changes` come every 10 ms after that.
struct Story {
    start: Instant,
    history: History,
}

impl Story {
    fn new() -> Story {
        let start = Instant::now();
        let mut story = Story {
            start,
            history: History {
                worlds: vec![Timeline(Vec::new())],
                tokens: vec![TokenHistory {
                    world: 0,
                    pin: None,
                    timeline: Timeline(Vec::new()),
                }],
                answers: vec![Vec::new()],
            },
        };
        story.directory(1, Directory::new());
        story.token(2, TokenState::Active);
        story
    }

    fn moment(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn change<T>(&self, revision: u64, after: T) -> Change<T> {
        Change {
            sent: self.moment(revision * 10 - 5),
            answered: self.moment(revision * 10),
            revision,
            after,
        }
    }

    fn directory(&mut self, revision: u64, after: Directory) {
        let change = self.change(revision, after);
        self.history.worlds[0].0.push(change);
    }

    fn token(&mut self, revision: u64, after: TokenState) {
        let change = self.change(revision, after);
        self.history.tokens[0].timeline.0.push(change);
    }

    /// An answer to a check from `began` to `ended`, at `revision`.
    fn answer(&mut self, (began, ended): (u64, u64), revision: u64, demand: Demand, found: Found) {
        let answer = Answer {
            token: 0,
            demand,
            began: self.moment(began),
            ended: self.moment(ended),
            revision,
            found,
        };
        self.history.answers[0].push(answer);
    }

    fn judge(&self) -> Findings {
        self.history.judge()
    }
}

fn valid(directory: &Directory) -> Found {
    let which = directory.assigned.unwrap();
    Found::Valid(which, directory.rights(which))
}

#[test]
fn answers_that_are_right_are_no_fault() {
    let mut story = Story::new();
    story.token(3, TokenState::Revoked);
    // Before, during and after the change, whichever came first.
    story.answer((21, 22), 2, Demand::Read, valid(&Directory::new()));
    story.answer((26, 29), 2, Demand::Read, valid(&Directory::new()));
    story.answer((26, 29), 3, Demand::Read, Found::Refused(Verdict::Revoked));
    story.answer((31, 32), 3, Demand::Vault, Found::Refused(Verdict::Revoked));
    let findings = story.judge();
    assert_eq!(findings.faults(), 0, "{findings}");
    assert_eq!(
        (findings.checks, findings.valid, findings.changes),
        (4, 2, 3)
    );
}

#[test]
fn a_valid_answer_after_a_revocation_was_answered_is_reported() {
    let mut story = Story::new();
    story.token(3, TokenState::Revoked);
    story.answer((31, 32), 2, Demand::Read, valid(&Directory::new()));
    // By time alone too, if the answer lies about its revision.
    story.answer((31, 32), 3, Demand::Read, valid(&Directory::new()));
    let findings = story.judge();
    assert_eq!(
        (findings.valid_too_late, findings.stale, findings.mixed),
        (2, 1, 1),
        "{findings}"
    );
}

#[test]
fn a_change_that_is_seen_late_is_reported_for_everything_that_a_verdict_depends_on() {
    let active = Directory::new();
    let mut narrowed = active.a;
    narrowed.reads = false;
    let changes = [
        Directory {
            library_disabled: true,
            ..active
        },
        Directory {
            user_disabled: true,
            ..active
        },
        Directory {
            assigned: None,
            ..active
        },
        active.with(Which::A, narrowed),
    ];
    for after in changes {
        let mut story = Story::new();
        story.directory(3, after);
        story.answer((30, 31), 2, Demand::Read, valid(&active));
        let findings = story.judge();
        assert_eq!(
            (findings.valid_too_late, findings.stale),
            (1, 1),
            "{after:?}: {findings}"
        );
    }
}

#[test]
fn an_old_user_joined_with_a_newer_user_type_is_reported() {
    let mut story = Story::new();
    let start = Directory::new();
    let harmless = start.with(
        Which::B,
        crate::model::Rights {
            opens_vault: false,
            mark: 3,
            ..start.b
        },
    );
    let moved = Directory {
        assigned: Some(Which::B),
        ..harmless
    };
    let newer = crate::model::Rights {
        opens_vault: true,
        mark: 4,
        ..start.a
    };
    story.directory(3, harmless);
    story.directory(4, moved);
    story.directory(5, moved.with(Which::A, newer));
    // All three changes are under way, as far as a slow check knows.
    story.answer((21, 60), 5, Demand::Vault, Found::Valid(Which::A, newer));
    let findings = story.judge();
    assert_eq!(
        (findings.mixed, findings.never_granted, findings.never_true),
        (1, 1, 1),
        "{findings}"
    );
}

#[test]
fn an_answer_ahead_of_its_revision_is_reported() {
    let mut story = Story::new();
    story.token(3, TokenState::Suspended);
    story.answer(
        (26, 29),
        2,
        Demand::Read,
        Found::Refused(Verdict::Suspended),
    );
    let findings = story.judge();
    assert_eq!((findings.mixed, findings.faults()), (1, 1), "{findings}");
}

#[test]
fn a_revision_that_goes_back_is_reported() {
    let mut story = Story::new();
    story.token(3, TokenState::Revoked);
    story.answer((26, 28), 3, Demand::Read, Found::Refused(Verdict::Revoked));
    story.answer((28, 29), 2, Demand::Read, valid(&Directory::new()));
    let findings = story.judge();
    assert_eq!(
        (findings.backwards, findings.faults()),
        (1, 1),
        "{findings}"
    );
}

#[test]
fn a_live_token_that_is_not_found_is_reported() {
    let mut story = Story::new();
    story.answer((21, 22), 2, Demand::Read, Found::Refused(Verdict::NotFound));
    assert_eq!(story.judge().never_true, 1);
}

#[test]
fn an_answer_of_no_known_form_is_reported() {
    let mut story = Story::new();
    story.answer((21, 22), 2, Demand::Read, Found::Odd);
    assert_eq!((story.judge().mixed, story.judge().never_true), (1, 1));
}
