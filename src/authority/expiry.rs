//! Telling which tokens expire: 30, 7 and 1 days before, and when they have. Upkeep tells it, never Verify.
//!
//! How far this has come is a record of its own, which moves in the commits that hold the events: nothing is told twice but
//! where the commit's outcome is unknown, and what falls due during a downtime is told after it. What is told lies
//! [`SLACK_MS`] back: no call that is still under way can commit a token that has fallen due before that.

use super::Authority;
use super::audit::{AUTHORITY, AuditEvent, SLACK_MS};
use super::directory::Uid;
use super::error::{Error, Reason};
use super::index::{Lookup, Place, Sort, View};
use super::keyspace;
use super::moment::{Moment, Now};
use super::secret::TokenId;
use super::token::TokenKind;
use crate::proto::store::DueRecord;
use crate::store::{Change, Precondition, Revision, StoreError};

/// How many days before the expiry it is told; 0 is the expiry itself.
const AHEAD: [u32; 4] = [30, 7, 1, 0];
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Events of one commit: no other commit waits long.
const COMMITTED: usize = 100;
/// Commits of one call: their time is the call's, and must not fall behind that of others by [`SLACK_MS`].
const COMMITS: usize = 64;
/// Tokens and libraries that are looked at under one lock of the index.
const LOOKED_AT: usize = 1000;

/// How far it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Due {
    /// All that fell due before this moment was told.
    told: Moment,
    /// What is being told.
    under_way: Option<Stretch>,
}

/// A stretch of time from where all was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    /// The first moment after it.
    until: Moment,
    /// The last that was told of it.
    at: Option<At>,
}

/// A place in a stretch: library by library, and in each of them from 30 days ahead to none, by expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct At {
    library: Uid,
    /// The index in [`AHEAD`].
    ahead: usize,
    place: Place,
}

/// What one look found: events, each with its library, and where it ended, if there is more.
struct Look {
    events: Vec<(Uid, AuditEvent)>,
    rest: Option<At>,
}

impl Authority {
    /// Tells some of what has fallen due; says whether there is more. It waits until the clock is trusted and all tokens are
    /// loaded. The first time of all it only notes from when on it tells.
    pub async fn tell_due(&self, now: Now) -> Result<bool, Error> {
        match self.tell_some_due(now).await {
            // Another one tells it, and has come further: nothing of what was lost here is left to tell.
            Err(error) if error.reason == Reason::Contention => Ok(false),
            told => told,
        }
    }

    async fn tell_some_due(&self, now: Now) -> Result<bool, Error> {
        let Some(mark) = now.mark.filter(|_| self.is_complete()) else {
            return Ok(false);
        };
        // It is read through the store's queue: the commits that were asked for before are in the index afterwards.
        let Some((due, mut revision)) = self.due().await? else {
            let first = Due {
                told: mark,
                under_way: None,
            };
            self.commit_due(first, None, Vec::new(), now).await?;
            return Ok(false);
        };
        let until = match due.under_way {
            Some(stretch) => stretch.until,
            None => Moment(mark.0.saturating_sub(SLACK_MS)),
        };
        if until <= due.told {
            return Ok(false);
        }
        let mut at = due.under_way.and_then(|stretch| stretch.at);
        let libraries = self.libraries_in_order()?;
        let mut commits = 0;
        while commits < COMMITS {
            let Look { events, rest } =
                self.look_for_due((due.told, until), at, &libraries, now.time)?;
            at = rest;
            if events.is_empty() && rest.is_some() {
                tokio::task::yield_now().await;
                continue;
            }
            let next = match rest {
                None => Due {
                    told: until,
                    under_way: None,
                },
                Some(_) => Due {
                    told: due.told,
                    under_way: Some(Stretch { until, at }),
                },
            };
            revision = self.commit_due(next, Some(revision), events, now).await?;
            commits += 1;
            if rest.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn due(&self) -> Result<Option<(Due, Revision)>, Error> {
        let found = self.store.get(vec![keyspace::DUE.to_vec()]).await?.pop();
        let Some(record) = found.flatten() else {
            return Ok(None);
        };
        let due = Due::from_record(&keyspace::unframe(&record)?);
        let due = due.ok_or_else(|| StoreError::Damaged(record.key.clone()))?;
        Ok(Some((due, record.mod_revision)))
    }

    async fn commit_due(
        &self,
        due: Due,
        before: Option<Revision>,
        events: Vec<(Uid, AuditEvent)>,
        now: Now,
    ) -> Result<Revision, Error> {
        let place = keyspace::DUE.to_vec();
        let unchanged = match before {
            None => Precondition::Absent(place.clone()),
            Some(revision) => Precondition::At(place.clone(), revision),
        };
        let mut changes = vec![Change::Put(place, keyspace::frame(&due.to_record()))];
        let time = self.logged(now);
        for (library, event) in events {
            let key = self.audit_key(library, time)?;
            let event = AuditEvent { time, ..event };
            changes.push(Change::Put(key, keyspace::encode(&event)));
        }
        changes.extend(self.mark_change(now));
        let revision = self.store.commit(vec![unchanged], changes).await?;
        self.marked(now);
        Ok(revision)
    }

    /// The libraries that there are. One that is made later has no token that fell due before.
    fn libraries_in_order(&self) -> Result<Vec<Uid>, Error> {
        let state = self.index.read()?;
        let living = state.directory().libraries().filter(|l| l.facts.is_some());
        let mut libraries: Vec<Uid> = living.map(|library| library.uid).collect();
        drop(state);
        libraries.sort_unstable();
        Ok(libraries)
    }

    fn look_for_due(
        &self,
        (from, until): (Moment, Moment),
        at: Option<At>,
        libraries: &[Uid],
        now: Moment,
    ) -> Result<Look, Error> {
        let (mut events, mut looked_at) = (Vec::new(), 0);
        let state = self.index.read()?;
        let first = libraries.partition_point(|uid| at.is_some_and(|at| *uid < at.library));
        for &library in libraries.iter().skip(first) {
            let at = at.filter(|at| at.library == library);
            let Some(slot) = state.directory().library_of(library) else {
                continue;
            };
            let steps = AHEAD.iter().enumerate();
            for (ahead, &days) in steps.skip(at.map_or(0, |at| at.ahead)) {
                looked_at += 1;
                let shift = i64::from(days) * DAY_MS;
                let before = Place::last_of(from.0.saturating_add(shift).saturating_sub(1));
                let start = match at.filter(|at| at.ahead == ahead) {
                    Some(at) => at.place,
                    None => before,
                };
                let end = until.0.saturating_add(shift);
                let places = slot.tokens.after(Sort::Expires, Some(start));
                for place in places.take_while(|place| place.rank < end) {
                    looked_at += 1;
                    if let Lookup::Known(view) = state.token(place.id)
                        && is_told(&view, days, now)
                    {
                        events.push((library, event(&view, days)));
                    }
                    if looked_at >= LOOKED_AT || events.len() == COMMITTED {
                        let rest = Some(At {
                            library,
                            ahead,
                            place,
                        });
                        return Ok(Look { events, rest });
                    }
                }
            }
            if looked_at >= LOOKED_AT {
                // Nothing of this library is left.
                let rest = Some(At {
                    library,
                    ahead: AHEAD.len() - 1,
                    place: Place::last_of(i64::MAX),
                });
                return Ok(Look { events, rest });
            }
        }
        Ok(Look { events, rest: None })
    }
}

/// Whether it is news that this token expires in so many days.
fn is_told(view: &View<'_>, days: u32, now: Moment) -> bool {
    let token = &view.records.token;
    let owned = view.records.library.is_some() && view.records.user.is_some();
    let due = token.expire_time.0.saturating_sub(i64::from(days) * DAY_MS);
    let ahead = days > 0;
    owned
        && !token.is_revoked(now)
        // It was made to last no longer than this.
        && due >= view.token.create_time.0
        // Logins come and go, and what was rotated has an heir.
        && !(ahead && (token.kind == TokenKind::Session || view.successor.is_some()))
}

fn event(view: &View<'_>, days: u32) -> AuditEvent {
    let expires = view.token.expire_time;
    let (action, comment) = match days {
        0 => ("token.expired", format!("its time was over at {expires}")),
        1 => (
            "token.expiring",
            format!("1 day before it expires, at {expires}"),
        ),
        days => (
            "token.expiring",
            format!("{days} days before it expires, at {expires}"),
        ),
    };
    AuditEvent {
        action: action.to_owned(),
        actor: AUTHORITY.to_owned(),
        library: view.library.library.to_string(),
        token_id: view.token.id.to_string(),
        user: view.user.user.to_string(),
        fields: vec!["expire_time".to_owned()],
        comment,
        ..AuditEvent::default()
    }
}

// === impl Due ===

impl Due {
    fn to_record(self) -> DueRecord {
        let Due { told, under_way } = self;
        let at = under_way.and_then(|stretch| stretch.at);
        DueRecord {
            told: told.0,
            until: under_way.map_or(0, |stretch| stretch.until.0),
            library: at.map(|at| at.library.0.to_vec()).unwrap_or_default(),
            days: at.map_or(0, |at| AHEAD[at.ahead]),
            expire_time: at.map_or(0, |at| at.place.rank),
            token_id: at.map(|at| at.place.id.0.to_vec()).unwrap_or_default(),
        }
    }

    fn from_record(record: &DueRecord) -> Option<Due> {
        let at = if record.library.is_empty() {
            None
        } else {
            Some(At {
                library: Uid(record.library.as_slice().try_into().ok()?),
                ahead: AHEAD.iter().position(|days| *days == record.days)?,
                place: Place {
                    rank: record.expire_time,
                    id: TokenId(record.token_id.as_slice().try_into().ok()?),
                },
            })
        };
        let until = Moment(record.until);
        Some(Due {
            told: Moment(record.told),
            under_way: (record.until != 0).then_some(Stretch { until, at }),
        })
    }
}
