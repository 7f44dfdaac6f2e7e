//! How a restarted server and the journal differ.

use std::collections::HashMap;
use std::fmt;

use token_authority::proto::v1::verify_batch_result::Result as Outcome;
use token_authority::proto::v1::{
    AuditEvent, ListAuditEventsRequest, ListTokensRequest, Token, TokenState, Verdict,
    VerifyBatchRequest, VerifyRequest,
};
use tonic::{Code, Status};

use crate::harness::{Clients, LIBRARY, Server};
use crate::journal::{Entry, Journal, Revocation};

/// Items of one page: the most that the API takes.
const PAGE: i32 = 1000;
/// Items of one batch: the most that the API takes.
const BATCH: usize = 1000;

/// What was found after a restart.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Acknowledged changes that are not there, one line each.
    pub(crate) lost: Vec<String>,
    /// Tokens and audit events that don't belong together, one line each.
    pub(crate) half_written: Vec<String>,
    /// Changes that failed at the client, yet were carried out.
    pub(crate) carried_out_unanswered: usize,
    /// Changes that failed at the client, and were not carried out.
    pub(crate) not_carried_out: usize,
}

// === impl Findings ===

impl Findings {
    pub(crate) fn assert_sound(&self) {
        assert!(self.lost.is_empty(), "lost: {:#?}", self.lost);
        let half = &self.half_written;
        assert!(half.is_empty(), "half-written: {half:#?}");
    }

    pub(crate) fn add(&mut self, other: Findings) {
        self.lost.extend(other.lost);
        self.half_written.extend(other.half_written);
        self.carried_out_unanswered += other.carried_out_unanswered;
        self.not_carried_out += other.not_carried_out;
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} lost, {} half-written; of the unanswered {} were carried out and {} were not",
            self.lost.len(),
            self.half_written.len(),
            self.carried_out_unanswered,
            self.not_carried_out,
        )
    }
}

/// Compares what the server has with the journal, and settles in the journal what was unknown: revocations as they are,
/// creations by asking again under the same request id.
pub(crate) async fn compare(server: &Server, journal: &mut Journal) -> Findings {
    server.ready().await;
    let mut clients = server.clients(&server.operator_secret());
    let mut findings = Findings::default();

    let tokens = list_tokens(&mut clients).await;
    let events = list_events(&mut clients).await;
    match_events(&tokens, &events, &mut findings);
    match_names(&tokens, journal, &mut findings);
    match_verdicts(&mut clients, journal, &mut findings).await;
    repeat_unanswered(&mut clients, &tokens, journal, &mut findings).await;
    findings
}

/// Every token has exactly the events that its state calls for, and every event its token.
fn match_events(tokens: &HashMap<String, Token>, events: &[AuditEvent], findings: &mut Findings) {
    let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
    let of_tokens = |event: &&AuditEvent| event.action.starts_with("token.");
    for event in events.iter().filter(of_tokens) {
        *counts.entry((&event.action, &event.token_id)).or_default() += 1;
        if !tokens.contains_key(&event.token_id) {
            let line = format!("{} of {}, which is not there", event.action, event.token_id);
            findings.half_written.push(line);
        }
    }
    for (id, token) in tokens {
        let revoked = token.state() == TokenState::Revoked;
        let created = counts.get(&("token.create", id)).copied().unwrap_or(0);
        let revocations = counts.get(&("token.revoke", id)).copied().unwrap_or(0);
        if created != 1
            || revocations != usize::from(revoked)
            || token.revocation.is_some() != revoked
        {
            findings.half_written.push(format!(
                "{id} is {:?}, with {created} create and {revocations} revoke events",
                token.state()
            ));
        }
    }
}

/// Every acknowledged token is listed under its name, and no name is listed twice or by nobody's wish.
fn match_names(tokens: &HashMap<String, Token>, journal: &Journal, findings: &mut Findings) {
    let mut wished: HashMap<&str, &Entry> = HashMap::new();
    for entry in journal.entries() {
        wished.insert(&entry.name, entry);
        if let Some(made) = &entry.made {
            let listed = tokens.get(&made.token_id);
            if listed.is_none_or(|token| token.display_name != entry.name) {
                findings.lost.push(format!("{} is not listed", entry.name));
            }
        }
    }
    for token in tokens.values() {
        let name = &token.display_name;
        // Each name is taken out when it is met, so that the second of a name finds nothing.
        let entry = wished.remove(name.as_str());
        if entry.is_none() {
            let line = format!("{name} is there twice, or nobody asked for it");
            findings.half_written.push(line);
        }
    }
}

/// Every acknowledged token has the verdict that it must have.
async fn match_verdicts(clients: &mut Clients, journal: &mut Journal, findings: &mut Findings) {
    let made: Vec<(usize, String)> = journal
        .entries()
        .iter()
        .enumerate()
        .filter_map(|(number, entry)| Some((number, entry.made.as_ref()?.secret.clone())))
        .collect();
    for chunk in made.chunks(BATCH) {
        let verdicts = verdicts(clients, chunk.iter().map(|(_, secret)| secret)).await;
        for ((number, _), verdict) in chunk.iter().zip(verdicts) {
            let entry = &journal.entries()[*number];
            let revoked = verdict == Verdict::Revoked;
            match entry.revocation {
                Revocation::None if verdict == Verdict::Valid => {}
                Revocation::Known if revoked => {}
                Revocation::Unknown if revoked || verdict == Verdict::Valid => {
                    findings.carried_out_unanswered += usize::from(revoked);
                    findings.not_carried_out += usize::from(!revoked);
                    journal.settle(*number, revoked);
                }
                known => {
                    let line = format!("{}: {known:?}, yet {verdict:?}", entry.name);
                    findings.lost.push(line);
                }
            }
        }
    }
}

/// A creation that was not answered is repeated: it must be answered now, by the token that the first call made, if it did.
async fn repeat_unanswered(
    clients: &mut Clients,
    tokens: &HashMap<String, Token>,
    journal: &mut Journal,
    findings: &mut Findings,
) {
    let unanswered: Vec<usize> = (0..journal.entries().len())
        .filter(|number| journal.entries()[*number].made.is_none())
        .collect();
    for number in unanswered {
        let entry = &journal.entries()[number];
        let listed = tokens
            .values()
            .find(|token| token.display_name == entry.name);
        let answer = clients.admin.create_token(entry.request()).await;
        let answer = answer.expect("a repeat is answered").into_inner();
        let token_id = &answer.token.as_ref().expect("the token").token_id;
        if let Some(listed) = listed {
            findings.carried_out_unanswered += 1;
            if listed.token_id != *token_id {
                let line = format!("{}: a repeat made a second token", entry.name);
                findings.half_written.push(line);
            }
        } else {
            findings.not_carried_out += 1;
        }
        journal.was_made(number, answer);
    }
}

async fn verdicts(clients: &mut Clients, secrets: impl Iterator<Item = &String>) -> Vec<Verdict> {
    let requests = secrets
        .map(|secret| VerifyRequest {
            token: secret.clone(),
            library: LIBRARY.into(),
            ..Default::default()
        })
        .collect();
    let answer = clients
        .verify
        .verify_batch(VerifyBatchRequest { requests })
        .await;
    let results = answer.expect("a batch is answered").into_inner().results;
    results
        .into_iter()
        .map(|result| match result.result {
            Some(Outcome::Response(response)) => response.verdict(),
            other => panic!("{other:?}"),
        })
        .collect()
}

async fn list_tokens(clients: &mut Clients) -> HashMap<String, Token> {
    let mut tokens = HashMap::new();
    let mut page_token = String::new();
    loop {
        let request = ListTokensRequest {
            library: LIBRARY.into(),
            show_revoked: true,
            page_size: PAGE,
            page_token: page_token.clone(),
            ..Default::default()
        };
        let Some(page) = answered(clients.admin.list_tokens(request).await) else {
            continue;
        };
        for token in page.tokens {
            let earlier = tokens.insert(token.token_id.clone(), token);
            assert!(earlier.is_none(), "listed twice: {earlier:?}");
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return tokens;
        }
    }
}

async fn list_events(clients: &mut Clients) -> Vec<AuditEvent> {
    let mut events = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListAuditEventsRequest {
            library: LIBRARY.into(),
            page_size: PAGE,
            page_token: page_token.clone(),
            ..Default::default()
        };
        let Some(page) = answered(clients.admin.list_audit_events(request).await) else {
            continue;
        };
        events.extend(page.events);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return events;
        }
    }
}

/// `None` if the server asks for another try, as it does while its index still loads.
fn answered<T>(answer: Result<tonic::Response<T>, Status>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer.into_inner()),
        Err(status) if status.code() == Code::Unavailable => None,
        Err(status) => panic!("{status:?}"),
    }
}
