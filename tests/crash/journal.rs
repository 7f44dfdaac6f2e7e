//! What a client knows of the changes that it asked for.

use token_authority::proto::v1::{CreateTokenRequest, CreateTokenResponse};

use crate::harness::{LIBRARY, USER};

/// What is known of one token.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The display name that it was asked for by; no other token has it.
    pub(crate) name: String,
    /// The id that makes the call safe to repeat.
    request_id: String,
    /// Its id and secret; `None` while it is unknown whether it exists.
    pub(crate) made: Option<Made>,
    /// What is known of its revocation.
    pub(crate) revocation: Revocation,
}

#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) token_id: String,
    pub(crate) secret: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Revocation {
    /// Nobody asked for it.
    None,
    /// It was asked for, and no answer came.
    Unknown,
    /// It was acknowledged, or somebody saw the token refused for it.
    Known,
}

/// Every token that was asked for in one data directory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal {
    entries: Vec<Entry>,
}

// === impl Journal ===

impl Journal {
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// A token is about to be asked for.
    pub(crate) fn asks_for_token(&mut self) -> (usize, CreateTokenRequest) {
        let number = self.entries.len();
        self.entries.push(Entry {
            name: format!("token {number}"),
            request_id: format!("00000000-0000-4000-8000-{number:012x}"),
            made: None,
            revocation: Revocation::None,
        });
        (number, self.entries[number].request())
    }

    pub(crate) fn was_made(&mut self, number: usize, answer: CreateTokenResponse) {
        self.entries[number].made = Some(Made {
            token_id: answer.token.expect("the token").token_id,
            secret: answer.secret,
        });
    }

    /// A revocation is about to be asked for.
    pub(crate) fn asks_for_revocation(&mut self, number: usize) -> String {
        let entry = &mut self.entries[number];
        entry.revocation = Revocation::Unknown;
        entry.made.clone().expect("the token exists").token_id
    }

    pub(crate) fn was_revoked(&mut self, number: usize) {
        self.entries[number].revocation = Revocation::Known;
    }

    /// One of the newest `recent` tokens whose revocation is under way.
    pub(crate) fn pending_revocation(&self, recent: usize) -> Option<(usize, Made)> {
        let recent = self.entries.iter().enumerate().rev().take(recent);
        let mut pending = recent.filter(|(_, entry)| entry.revocation == Revocation::Unknown);
        pending.find_map(|(number, entry)| Some((number, entry.made.clone()?)))
    }

    /// Verify said that it is revoked. An answer is a promise too: what it shows is durable.
    pub(crate) fn was_seen_revoked(&mut self, number: usize) {
        let entry = &mut self.entries[number];
        assert_ne!(entry.revocation, Revocation::None, "{}", entry.name);
        entry.revocation = Revocation::Known;
    }

    /// After a restart nothing is under way any more: a revocation that was not carried out never will be.
    pub(crate) fn settle(&mut self, number: usize, revoked: bool) {
        self.entries[number].revocation = if revoked {
            Revocation::Known
        } else {
            Revocation::None
        };
    }
}

// === impl Entry ===

impl Entry {
    /// The call that asks for it; the same one each time.
    pub(crate) fn request(&self) -> CreateTokenRequest {
        CreateTokenRequest {
            library: LIBRARY.into(),
            user: USER.into(),
            display_name: self.name.clone(),
            lifetime: "30d".into(),
            request_id: self.request_id.clone(),
            ..Default::default()
        }
    }
}
