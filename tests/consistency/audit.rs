//! What callers whose rights were taken away did afterwards, by the audit log and by what they were answered.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Instant;

use token_authority::proto::v1::ListAuditEventsRequest;

use crate::harness::Clients;
use crate::number;

/// The end of a caller's rights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) answered: Instant,
    pub(crate) revision: u64,
}

/// A call that changes something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// OK: committed at this revision.
    Committed(u64),
    /// The caller has no right, or is nobody.
    Refused,
    /// It lost a race against another one's change.
    Lost,
}

/// A caller, and all that it did.
#[derive(Debug, Clone)]
pub(crate) struct Deeds {
    pub(crate) token_id: String,
    pub(crate) end: End,
    pub(crate) calls: Vec<Call>,
}

/// A commit, as the audit log has it.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) actor_token_id: String,
    pub(crate) revision: u64,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    pub(crate) callers: usize,
    pub(crate) commits: usize,
    /// Calls that were refused although they began before the end was answered.
    pub(crate) stopped_mid_way: usize,
    /// Calls that began after the end was answered.
    pub(crate) calls_after: usize,
    /// Commits by a caller whose rights had ended at an earlier revision.
    pub(crate) commits_after: usize,
    /// Calls that began after the end was answered and were carried out.
    pub(crate) carried_out_after: usize,
    /// Calls that were refused before the end was even asked for, or so it was answered.
    pub(crate) refused_before: usize,
    /// Changes that were answered with OK and that the audit log does not have.
    pub(crate) without_event: usize,
}

/// Events of one page.
const PAGE: i32 = 1000;

/// Judges what callers did; `asked` is when the first end was asked for.
pub(crate) fn judge(deeds: &[Deeds], commits: &[Commit], asked: Instant) -> Findings {
    let ends: HashMap<&str, End> = deeds.iter().map(|d| (d.token_id.as_str(), d.end)).collect();
    let logged: HashSet<u64> = commits.iter().map(|commit| commit.revision).collect();
    let theirs = commits
        .iter()
        .filter_map(|commit| Some((commit, ends.get(&*commit.actor_token_id)?)));
    let mut findings = Findings {
        callers: deeds.len(),
        commits: theirs.clone().count(),
        commits_after: theirs
            .filter(|(commit, end)| commit.revision > end.revision)
            .count(),
        ..Findings::default()
    };
    for (call, end) in deeds
        .iter()
        .flat_map(|d| d.calls.iter().map(|call| (call, d.end)))
    {
        let after = call.began >= end.answered;
        findings.calls_after += usize::from(after);
        match call.outcome {
            Outcome::Committed(revision) => {
                findings.carried_out_after += usize::from(after);
                findings.commits_after +=
                    usize::from(revision > end.revision && !logged.contains(&revision));
                findings.without_event += usize::from(!logged.contains(&revision));
            }
            Outcome::Refused => {
                findings.stopped_mid_way += usize::from(!after);
                findings.refused_before += usize::from(call.ended <= asked);
            }
            Outcome::Lost => {}
        }
    }
    findings
}

/// All commits of a library, as its audit log has them.
pub(crate) async fn commits(operator: &Clients, library: &str) -> Vec<Commit> {
    let mut admin = operator.admin.clone();
    let mut commits = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListAuditEventsRequest {
            library: library.to_owned(),
            page_size: PAGE,
            page_token,
            ..Default::default()
        };
        let page = admin
            .list_audit_events(request)
            .await
            .expect("a page")
            .into_inner();
        commits.extend(page.events.into_iter().map(|event| Commit {
            revision: number(&event.revision),
            actor_token_id: event.actor_token_id,
        }));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return commits;
        }
    }
}

// === impl Findings ===

impl Findings {
    pub(crate) fn faults(&self) -> usize {
        self.commits_after + self.carried_out_after + self.refused_before + self.without_event
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} callers, {} commits by them, {} calls stopped mid-way, {} calls after the end; commits at a revision after the \
             end {}, calls after it that were carried out {}, refusals before it {}, changes without an event {}",
            self.callers,
            self.commits,
            self.stopped_mid_way,
            self.calls_after,
            self.commits_after,
            self.carried_out_after,
            self.refused_before,
            self.without_event,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// One caller, whose rights end at revision 10, asked for after 90 ms and answered after 100; one call by it.
    fn judged(began: u64, ended: u64, outcome: Outcome, commits: &[u64]) -> Findings {
        let start = Instant::now();
        let moment = |ms| start + Duration::from_millis(ms);
        let deeds = Deeds {
            token_id: "it".to_owned(),
            end: End {
                answered: moment(100),
                revision: 10,
            },
            calls: vec![Call {
                began: moment(began),
                ended: moment(ended),
                outcome,
            }],
        };
        let commit = |revision: &u64| Commit {
            actor_token_id: "it".to_owned(),
            revision: *revision,
        };
        let commits: Vec<Commit> = commits.iter().map(commit).collect();
        judge(&[deeds], &commits, moment(90))
    }

    #[test]
    fn a_caller_that_is_stopped_mid_way_is_no_fault() {
        let findings = judged(50, 60, Outcome::Committed(9), &[9]);
        assert_eq!((findings.commits, findings.faults()), (1, 0), "{findings}");
        // Answered after the end, but committed before it.
        assert_eq!(judged(95, 120, Outcome::Committed(9), &[9]).faults(), 0);
        let findings = judged(95, 120, Outcome::Refused, &[9]);
        assert_eq!(
            (findings.stopped_mid_way, findings.faults()),
            (1, 0),
            "{findings}"
        );
        let findings = judged(110, 120, Outcome::Refused, &[9]);
        assert_eq!(
            (findings.calls_after, findings.faults()),
            (1, 0),
            "{findings}"
        );
    }

    #[test]
    fn a_commit_after_the_end_is_reported_even_if_the_call_began_before() {
        let findings = judged(95, 120, Outcome::Committed(11), &[11]);
        assert_eq!(
            (findings.commits_after, findings.faults()),
            (1, 1),
            "{findings}"
        );
        // The caller was told nothing of it, but the log has it.
        assert_eq!(judged(95, 120, Outcome::Refused, &[11]).commits_after, 1);
        // The log has nothing of it, but the caller was told.
        let findings = judged(95, 120, Outcome::Committed(11), &[]);
        assert_eq!(
            (findings.commits_after, findings.without_event),
            (1, 1),
            "{findings}"
        );
    }

    #[test]
    fn a_call_after_the_end_that_is_carried_out_is_reported() {
        let findings = judged(100, 120, Outcome::Committed(9), &[9]);
        assert_eq!(
            (findings.carried_out_after, findings.faults()),
            (1, 1),
            "{findings}"
        );
    }

    #[test]
    fn a_refusal_before_the_end_is_reported() {
        assert_eq!(judged(50, 60, Outcome::Refused, &[]).refused_before, 1);
    }
}
