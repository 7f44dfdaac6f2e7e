//! The audit events of a library, filtered. Their keys tell their time, so a stretch of time is a range of keys.

use super::MAX_EXAMINED;
use super::filter::EventFilter;
use crate::authority::audit::AuditEvent;
use crate::authority::caller::Caller;
use crate::authority::error::Error;
use crate::authority::keyspace::{self, Versioned};
use crate::authority::moment::Moment;
use crate::authority::page::{Binding, Page, PageRequest, Room};
use crate::authority::{Authority, understand};

/// Most records that are read at once: commits come in between.
const SCANNED: usize = 250;

impl Authority {
    /// The audit events of a library that a filter leaves, newest first. A page may be shorter than asked for, or empty, and yet
    /// not the last: a call looks at 10,000 events at most.
    pub async fn list_audit_events(
        &self,
        caller: &Caller,
        filter: &EventFilter,
        page: &PageRequest,
        now: Moment,
    ) -> Result<Page<Versioned<AuditEvent>>, Error> {
        let by = self.authorise(caller, now)?;
        let library = self.uid_of(&by, &filter.library)?;
        // A name may be that of another library by the next page. The debug form names and delimits every field.
        let binding = Binding::new("audit", &by, format!("{library}/{filter:?}"));
        let begin = filter.time.to.map(|to| keyspace::audit_before(library, to));
        let mut at = self.open_page(&binding, page)?.or(begin);
        let (mut room, mut left) = (Room::of(page), MAX_EXAMINED);
        let mut items = Vec::new();
        let next = 'page: loop {
            let scanned = if filter.chooses() {
                SCANNED
            } else {
                SCANNED.min(room.items() + 1)
            };
            let prefix = keyspace::audit(library);
            let records = self.store.scan(prefix, at.clone(), scanned).await?;
            let is_last = records.len() < scanned;
            for record in records {
                let time = keyspace::audit_time(&record.key);
                let from = filter.time.from;
                if from.is_some_and(|from| time.is_some_and(|time| time < from)) {
                    break 'page None;
                }
                if room.is_full() || left == 0 {
                    break 'page at;
                }
                left -= 1;
                let event = understand::<AuditEvent>(&record)?;
                if filter.wants(&event.value) {
                    if !room.takes(&record) {
                        break 'page at;
                    }
                    items.push(event);
                }
                at = Some(record.key);
            }
            if is_last {
                break None;
            }
        };
        let next = next
            .map(|key| self.seal_page(&binding, &key))
            .unwrap_or_default();
        Ok(Page { items, next })
    }
}
