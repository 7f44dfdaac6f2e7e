//! Telling of refused uses: a sample of them becomes audit events, so that somebody who tries a token that has ended is seen,
//! and yet no use writes anything.

use super::{Bucket, Uses, entry_of, lock};
use crate::authority::Authority;
use crate::authority::audit::{AUTHORITY, AuditEvent};
use crate::authority::error::Error;
use crate::authority::index::Lookup;
use crate::authority::judge::Verdict;
use crate::authority::keyspace;
use crate::authority::moment::{Moment, Now};
use crate::authority::secret::TokenId;
use crate::store::Change;

/// Most events of one turn of upkeep, which are one commit.
const TOLD_AT_ONCE: usize = 50;
/// What such an event is called.
const ACTION: &str = "token.refused";

/// Refusals that an event tells of.
pub(in crate::authority) struct Telling {
    id: TokenId,
    verdict: Verdict,
    /// How often since the event before.
    pub(super) count: i64,
    /// When that was.
    since: Option<Moment>,
    /// How often it had been by then.
    count_then: i64,
    last_time: Moment,
    by: String,
}

impl Authority {
    /// Tells of refused uses in audit events: of each token and verdict at once, and then once an hour at most.
    ///
    /// # Errors
    /// Those of the store; what was not told is told by the next call.
    pub async fn tell_refused(&self, now: Now) -> Result<(), Error> {
        // Before that, it is not known whose tokens they are, nor what was told before the last start.
        if !self.is_complete() {
            return Ok(());
        }
        let time = self.logged(now);
        let mut told = Vec::new();
        while told.len() < TOLD_AT_ONCE {
            let Some((id, verdict)) = lock(&self.uses.untold).pop_front() else {
                break;
            };
            told.extend(self.uses.tell(id, verdict, time));
        }
        let mut changes = Vec::new();
        for telling in &told {
            if let Some(event) = self.event_of(telling, time)? {
                changes.push(Change::Put(event.key.clone(), keyspace::encode(&event)));
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        let committed = self.store.commit(Vec::new(), changes).await;
        if committed.is_err() {
            for telling in &told {
                self.uses.untell(telling);
            }
        }
        Ok(committed.map(drop)?)
    }

    /// Tells of all that wait at the end.
    pub(in crate::authority) async fn tell_all_refused(&self, now: Now) -> Result<(), Error> {
        let waiting = lock(&self.uses.untold).len();
        for _ in 0..waiting.div_ceil(TOLD_AT_ONCE) {
            self.tell_refused(now).await?;
        }
        Ok(())
    }

    /// `None` for a token that is gone.
    fn event_of(&self, telling: &Telling, time: Moment) -> Result<Option<AuditEvent>, Error> {
        let (library, uid, user) = {
            let state = self.index.read()?;
            let Lookup::Known(view) = state.token(telling.id) else {
                return Ok(None);
            };
            let library = view.library.library.to_string();
            (library, view.library.uid, view.user.user.to_string())
        };
        Ok(Some(AuditEvent {
            key: self.audit_key(uid, time)?,
            time,
            action: ACTION.to_owned(),
            actor: AUTHORITY.to_owned(),
            library,
            token_id: telling.id.to_string(),
            user,
            comment: telling.comment(),
            ..AuditEvent::default()
        }))
    }
}

// === impl Telling ===

impl Telling {
    fn comment(&self) -> String {
        let times = if self.count == 1 { "time" } else { "times" };
        let since = self.since.map(|since| format!(" since {since}"));
        let by = match self.by.as_str() {
            "" => String::new(),
            by => format!(" asked by {by}"),
        };
        format!(
            "{}: refused {} {times}{}, the last{by} at {}",
            self.verdict.as_str(),
            self.count,
            since.unwrap_or_default(),
            self.last_time
        )
    }
}

// === impl Uses ===

impl Uses {
    /// Marks refusals as told, and says of what; `None` if that was done lately.
    pub(in crate::authority) fn tell(
        &self,
        id: TokenId,
        verdict: Verdict,
        now: Moment,
    ) -> Option<Telling> {
        let bucket = Bucket::of(id);
        let mut entries = self.bucket(bucket);
        let entry = entry_of(&mut entries, id);
        entry.set_waiting(verdict, false);
        let refused = entry.used.refused_with(verdict);
        // The token may have been forgotten in the meantime.
        if refused.count == 0 || !refused.is_due(now) {
            return None;
        }
        let telling = Telling {
            id,
            verdict,
            count: refused.count.saturating_sub(refused.told_count),
            since: refused.told,
            count_then: refused.told_count,
            last_time: refused.last_time,
            by: refused.by.as_deref().unwrap_or_default().to_owned(),
        };
        refused.set_told(now);
        if entry.is_due(true, now) {
            lock(&self.waiting).push(bucket, false);
        }
        Some(telling)
    }

    /// It was not told after all.
    fn untell(&self, telling: &Telling) {
        let mut entries = self.bucket(Bucket::of(telling.id));
        let entry = entry_of(&mut entries, telling.id);
        let refused = entry.used.refused_with(telling.verdict);
        (refused.told, refused.told_count) = (telling.since, telling.count_then);
        entry.set_waiting(telling.verdict, true);
        lock(&self.untold).push_back((telling.id, telling.verdict));
    }
}
