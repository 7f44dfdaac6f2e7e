//! What one token was used for, as it is kept.

use std::sync::Arc;

use super::words::{Kind, Words};
use super::{MAX_DEMANDED, Note, SAMPLE_MS, STEP_MS};
use crate::authority::cidr::Address;
use crate::authority::directory::Uid;
use crate::authority::judge::Verdict;
use crate::authority::moment::Moment;
use crate::authority::permission::{Permission, Reserved};
use crate::authority::secret::TokenId;

/// What a token was used for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Use {
    /// The last use; `None` for never.
    pub last: Option<LastUse>,
    /// The permissions that were demanded of it, and granted: so many of them as are kept, in no order.
    pub permissions: Box<[Arc<str>]>,
    /// Whether more were demanded than are kept.
    pub more_permissions: bool,
    /// How often it was refused, by verdict.
    pub refused: Box<[Refused]>,
}

/// A use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub time: Moment,
    /// The end client's address, if it is known.
    pub client_ip: Option<Address>,
    /// Who asked about the token, as `library/user`; `None` if it is not known.
    pub by: Option<Arc<str>>,
}

/// How often a token was refused with one verdict, once its secret had proved right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The verdict.
    pub verdict: Verdict,
    /// How often.
    pub count: i64,
    /// When for the last time.
    pub last_time: Moment,
    /// Who asked about the token then, as `library/user`; `None` if it is not known.
    pub by: Option<Arc<str>>,
    /// When an event last told so; `None` for never.
    pub told: Option<Moment>,
    /// How often it had been refused by then.
    pub told_count: i64,
    /// Whether an event is due.
    pub(super) is_waiting: bool,
}

/// A token's place in its bucket.
pub(super) struct Entry {
    pub(super) id: TokenId,
    pub(super) used: Use,
    /// The newest that was written.
    written: Moment,
    /// Whether the bucket waits for its sake.
    is_waiting: bool,
    /// Whether anything was noted since it was written, though perhaps at no later time.
    has_more: bool,
}

/// An event tells of refusals again after this long, milliseconds.
const TOLD_EVERY_MS: i64 = 60 * 60 * 1000;
/// How far uses may lie ahead of the time that is known to be stored, milliseconds: more than passes between two marks.
const RUN_AHEAD_MS: i64 = 60 * 1000;
const NEVER: Moment = Moment(i64::MIN);

// === impl Entry ===

impl Entry {
    pub(super) fn new(id: TokenId) -> Entry {
        Entry {
            id,
            used: Use::default(),
            written: NEVER,
            is_waiting: false,
            has_more: false,
        }
    }

    /// Notes a use; says whether a permission was demanded for the first time.
    pub(super) fn accept(&mut self, note: &Note<'_>, words: &Words) -> bool {
        let last = self.used.last.as_ref();
        if last.is_none_or(|last| note.time >= last.time.plus(SAMPLE_MS)) {
            let by = last.and_then(|last| last.by.clone());
            self.used.last = Some(LastUse {
                time: note.time,
                client_ip: note.client_ip,
                by: same_or_new(by, note, words),
            });
            self.has_more = true;
        }
        let permissions = note.demanded.iter().map(Permission::as_str);
        let mut is_new = false;
        for permission in permissions.chain(note.right.map(Reserved::as_str)) {
            is_new |= self.used.demand(permission, note.library, words);
        }
        is_new
    }

    /// Notes a refused use; says whether an event is due.
    pub(super) fn refuse(&mut self, note: &Note<'_>, verdict: Verdict, words: &Words) -> bool {
        let refused = self.used.refused_with(verdict);
        if refused.count == 0 || note.time >= refused.last_time.plus(SAMPLE_MS) {
            refused.by = same_or_new(refused.by.take(), note, words);
            refused.last_time = note.time;
        }
        refused.count = refused.count.saturating_add(1);
        self.has_more = true;
        !refused.is_waiting && leaves_event(verdict) && refused.is_due(note.time)
    }

    pub(super) fn set_waiting(&mut self, verdict: Verdict, is_waiting: bool) {
        self.used.refused_with(verdict).is_waiting = is_waiting;
    }

    /// The verdicts that refusals were counted of which no event has told, where one is due.
    pub(super) fn untold(&self, now: Moment) -> Vec<Verdict> {
        let untold = self.used.refused.iter().filter(|refused| {
            let is_more = refused.count > refused.told_count && !refused.is_waiting;
            is_more && leaves_event(refused.verdict) && refused.is_due(now)
        });
        untold.map(|refused| refused.verdict).collect()
    }

    /// Whether its bucket must wait for its sake from now on.
    pub(super) fn is_due(&mut self, is_new: bool, now: Moment) -> bool {
        let due = !self.is_waiting && (is_new || now >= self.written.plus(STEP_MS));
        self.is_waiting |= due;
        due
    }

    /// What is known of it is being written.
    pub(super) fn set_written(&mut self) {
        self.written = self.newest();
        (self.is_waiting, self.has_more) = (false, false);
    }

    /// Whether anything was noted since it was written.
    pub(super) fn is_unwritten(&self) -> bool {
        self.is_waiting || self.has_more
    }

    fn newest(&self) -> Moment {
        let refused = self.used.refused.iter().map(|refused| refused.last_time);
        let last = self.used.last.as_ref().map(|last| last.time);
        refused.chain(last).max().unwrap_or(NEVER)
    }

    /// Takes in what is known elsewhere: of each the later, or the more.
    pub(super) fn merge(&mut self, other: Use) {
        let before = self.newest();
        self.used.merge(other);
        // What is newer than anything that was noted here is written already.
        if self.newest() > before {
            self.written = self.written.max(self.newest());
        }
    }
}

// === impl Use ===

impl Use {
    /// Adds a permission that was demanded; says whether it is the first time.
    fn demand(&mut self, permission: &str, library: Uid, words: &Words) -> bool {
        // Of a token that has more, nothing is looked up in what tokens share.
        if self.more_permissions || self.permissions.iter().any(|known| **known == *permission) {
            return false;
        }
        let room = self.permissions.len() < MAX_DEMANDED;
        let keep = || words.keep(library, Kind::Permission, permission);
        match room.then(keep).flatten() {
            Some(word) => self.push(word),
            None => self.more_permissions = true,
        }
        true
    }

    fn push(&mut self, word: Arc<str>) {
        let mut permissions = std::mem::take(&mut self.permissions).into_vec();
        permissions.push(word);
        self.permissions = permissions.into();
    }

    /// What is kept of refusals with a verdict.
    pub(super) fn refused_with(&mut self, verdict: Verdict) -> &mut Refused {
        let found = self.refused.iter().position(|r| r.verdict == verdict);
        let at = found.unwrap_or_else(|| {
            let mut refused = std::mem::take(&mut self.refused).into_vec();
            refused.push(Refused::none(verdict));
            self.refused = refused.into();
            self.refused.len() - 1
        });
        &mut self.refused[at]
    }

    /// Whatever lies beyond what is known was noted by a clock that had run away, and counts as known: later uses count again.
    pub(super) fn clamp(&mut self, known: Moment) {
        let clamp = |time: &mut Moment| {
            if *time > known.plus(RUN_AHEAD_MS) {
                *time = known;
            }
        };
        self.last.iter_mut().for_each(|last| clamp(&mut last.time));
        for refused in &mut self.refused {
            clamp(&mut refused.last_time);
            refused.told.iter_mut().for_each(clamp);
        }
    }

    fn merge(&mut self, other: Use) {
        let time = |last: &Option<LastUse>| last.as_ref().map(|last| last.time);
        if time(&other.last) > time(&self.last) {
            self.last = other.last;
        }
        self.more_permissions |= other.more_permissions;
        for word in other.permissions {
            if self.permissions.contains(&word) {
                continue;
            }
            if self.permissions.len() < MAX_DEMANDED {
                self.push(word);
            } else {
                self.more_permissions = true;
            }
        }
        for theirs in other.refused {
            let ours = self.refused_with(theirs.verdict);
            if theirs.last_time > ours.last_time {
                ours.last_time = theirs.last_time;
                ours.by = theirs.by;
            }
            ours.count = ours.count.max(theirs.count);
            if theirs.told > ours.told {
                (ours.told, ours.told_count) = (theirs.told, theirs.told_count);
            }
        }
    }
}

// === impl Refused ===

impl Refused {
    pub(super) fn none(verdict: Verdict) -> Refused {
        Refused {
            verdict,
            count: 0,
            last_time: NEVER,
            by: None,
            told: None,
            told_count: 0,
            is_waiting: false,
        }
    }

    /// Whether it is time to tell of it.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        self.told.is_none_or(|told| now >= told.plus(TOLD_EVERY_MS))
    }

    /// It is told now.
    pub(super) fn set_told(&mut self, now: Moment) {
        (self.told, self.told_count) = (Some(now), self.count);
    }
}

/// Whether events tell of refusals with this verdict: the token has ended or is held back, or is used from where it must not
/// be. The others are about one demand, as of a backend that asks what its user may do.
fn leaves_event(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Revoked
        | Verdict::Suspended
        | Verdict::NotYetValid
        | Verdict::Expired
        | Verdict::LibraryDisabled
        | Verdict::UserDisabled
        | Verdict::AssignmentRemoved
        | Verdict::IpNotAllowed => true,
        Verdict::Valid
        | Verdict::Malformed
        | Verdict::NotFound
        | Verdict::WrongLibrary
        | Verdict::WrongApi
        | Verdict::WrongDataOwner
        | Verdict::WrongDepartment
        | Verdict::MissingPermission => false,
    }
}

/// The text that is kept already, if it is that of this service.
fn same_or_new(kept: Option<Arc<str>>, note: &Note<'_>, words: &Words) -> Option<Arc<str>> {
    match kept {
        Some(kept) if note.by.is(&kept) => Some(kept),
        _ => Some(note.by.text())
            .filter(|text| !text.is_empty())
            .and_then(|text| words.keep(note.library, Kind::Service, &text)),
    }
}
