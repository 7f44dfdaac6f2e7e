//! Write commands: authorise, plan, commit with the audit event, and again if somebody else was quicker.
//!
//! A commit names every record that its authorisation and its checks read. So no command commits on the strength of a right
//! that was just taken away: the commit fails, the caller is judged again, and the plan is made anew.

use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::Authority;
use super::audit::AuditEvent;
use super::caller::{Authorised, Caller};
use super::directory::Uid;
use super::error::Error;
use super::keyspace::{self, Stored, Versioned};
use super::moment::{Moment, Now};
use super::name::Name;
use super::requests::{Recall, RequestKey, RequestKeys, request_keys};
use super::seats::Seat;
use super::secret::{self, NoRandomness, SecretString};
use crate::proto::store::ClockRecord;
use crate::store::{Change, Key, MAX_VALUE_BYTES, Precondition, Revision, StoreError};

/// How often a command is planned anew after the first time.
const RETRIES: usize = 3;
/// The persisted mark of time is renewed by the commits that come this long after it, at the earliest, milliseconds.
const MARK_STEP_MS: i64 = 1000;

/// A call that changes something.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who calls.
    pub caller: Caller,
    /// The id of the call, for the audit event.
    pub call_id: String,
    /// What makes a repeat of it known; `None` if the caller gave no request id.
    pub request: Option<RequestKey>,
}

/// Something that changes the store.
#[async_trait]
pub trait Command: Sync {
    /// Its name: part of the request key, and the action of the audit event, such as `token.create`.
    const ACTION: &'static str;
    /// The record that its answer shows.
    type Answer: Stored + Send + Sync;

    /// Whether a repeat under the same request id is answered by what the first did. One that changes nothing is simply
    /// carried out again.
    const KEEPS_ANSWER: bool = true;

    /// Whether a caller may be told once more what the first call was told, its secret included: its rights may have gone since,
    /// and another token of the same user may have fewer.
    fn check_repeat(&self, _by: &Authorised, _answer: &Self::Answer) -> Result<(), Error> {
        Ok(())
    }

    /// Says what to change, on behalf of this caller. It may be called again, after the state has changed.
    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<Self::Answer>, Error>;
}

/// What a command would change, and what must still hold when it does.
#[derive(Debug)]
pub struct Plan<T> {
    /// What was read.
    pub preconditions: Vec<Precondition>,
    /// What changes; nothing if all is already as it should be.
    pub changes: Vec<Change>,
    /// The record that the answer shows, as it will be; `None` for none.
    pub answer: Option<T>,
    /// The revision of the answer's record if nothing changes.
    pub unchanged_at: Revision,
    /// What was done, and to what.
    pub event: AuditEvent,
    /// The library in whose log the event stands.
    pub logged_in: Uid,
    /// A secret that was made.
    pub secret: Option<SecretString>,
    /// What the caller should know.
    pub warnings: Vec<String>,
    /// Whether an expiry was held back.
    pub clamped: bool,
    /// Whether the event is written even if nothing changes.
    pub leaves_event: bool,
    /// What counts what it makes, until it is known what became of the commit.
    pub seats: Vec<Seat>,
}

/// What a command did.
#[derive(Debug)]
pub struct Done<T> {
    /// The record that the answer shows.
    pub answer: Option<Versioned<T>>,
    /// A secret that was made.
    pub secret: Option<SecretString>,
    /// What the caller should know.
    pub warnings: Vec<String>,
    /// Whether an expiry was held back.
    pub clamped: bool,
    /// The revision of the change.
    pub revision: Revision,
}

impl Authority {
    /// Carries out a command.
    ///
    /// A request id is looked up only where it may have been used before: a first call is told by its commit, which demands
    /// that no answer is kept under it.
    pub async fn perform<C: Command>(
        &self,
        call: &Call,
        command: &C,
        now: Now,
    ) -> Result<Done<C::Answer>, Error> {
        let mut conflicted = false;
        for _ in 0..=RETRIES {
            let by = self.authorise(&call.caller, now.time)?;
            let planned = match command.plan(self, &by, now.time).await {
                // A repeat is authorised anew, too.
                Err(error) if error.is_refusal() => return Err(error),
                planned => planned,
            };
            let kept = call.request.filter(|_| C::KEEPS_ANSWER);
            let keys = kept.map(|request| request_keys::<C>(&request, &by, now.time));
            let mut unused: Vec<Precondition> = keys
                .iter()
                .flatten()
                .cloned()
                .map(Precondition::Absent)
                .collect();
            let changes = planned
                .as_ref()
                .is_ok_and(|plan| !plan.changes.is_empty() || plan.leaves_event);
            if let (Some(request), Some(keys), true) = (&kept, &keys, conflicted || !changes) {
                match self.recall(request, keys, now.time).await? {
                    Recall::Done(mut done) => {
                        match &done.answer {
                            Some(answer) => {
                                if let Err(refused) = command.check_repeat(&by, &answer.value) {
                                    return Err(planned.err().unwrap_or(refused));
                                }
                            }
                            None => done.secret = None,
                        }
                        return Ok(done);
                    }
                    Recall::New(preconditions) => unused = preconditions,
                }
            }
            let plan = planned?;
            if !changes && kept.is_none() {
                return Ok(plan.unchanged());
            }
            let request = kept.as_ref().zip(keys.as_ref());
            if let Some(done) = self
                .commit_plan::<C>(call, &by, request, unused, plan, now)
                .await?
            {
                return Ok(done);
            }
            conflicted = true;
        }
        Err(StoreError::Conflict.into())
    }

    /// Plans a command as it would be carried out now, and carries nothing out. Answers with the record that it would show.
    pub async fn rehearse<C: Command>(
        &self,
        caller: &Caller,
        command: &C,
        now: Moment,
    ) -> Result<Option<C::Answer>, Error> {
        let by = self.authorise(caller, now)?;
        Ok(command.plan(self, &by, now).await?.answer)
    }

    /// Commits a plan with its audit event and what a repeat is answered by; `None` if something that it read has changed.
    async fn commit_plan<C: Command>(
        &self,
        call: &Call,
        by: &Authorised,
        request: Option<(&RequestKey, &RequestKeys)>,
        unused: Vec<Precondition>,
        mut plan: Plan<C::Answer>,
        now: Now,
    ) -> Result<Option<Done<C::Answer>>, Error> {
        let mut preconditions = by.basis.clone();
        preconditions.append(&mut plan.preconditions);
        preconditions.extend(unused);
        let mut changes = std::mem::take(&mut plan.changes);
        let unchanged_at = changes.is_empty().then_some(plan.unchanged_at);
        if let Some((request, [_, key, _])) = request {
            let record = self.request_record(key, request, &plan, now.time).await?;
            changes.push(Change::Put(key.clone(), keyspace::frame(&record)));
        }
        // A call that finds all as it should be leaves no event, but its repeat must be known.
        if unchanged_at.is_none() || plan.leaves_event {
            // Its key is the last thing before the commit: see `SLACK_MS`.
            let time = self.logged(now);
            let event = AuditEvent {
                key: self.audit_key(plan.logged_in, time)?,
                time,
                action: C::ACTION.to_owned(),
                actor: by.actor(),
                acting_for: by
                    .acting
                    .as_ref()
                    .map(|_| by.on_behalf_of())
                    .unwrap_or_default(),
                actor_token_id: by.token_id.to_string(),
                call_id: call.call_id.clone(),
                ..std::mem::take(&mut plan.event)
            };
            changes.push(Change::Put(event.key.clone(), keyspace::encode(&event)));
        }
        changes.extend(self.mark_change(now));
        let seats = std::mem::take(&mut plan.seats);
        match self.commit_seated(seats, preconditions, changes).await {
            Ok(revision) => {
                self.marked(now);
                Ok(Some(plan.done(unchanged_at.unwrap_or(revision))))
            }
            Err(StoreError::Conflict) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A change that keeps the time as the latest seen, if the one that is kept lags behind.
    pub(super) fn mark_change(&self, now: Now) -> Option<Change> {
        let Moment(mark) = now.mark?;
        let kept = self.mark.load(Ordering::Relaxed);
        if mark < kept.saturating_add(MARK_STEP_MS) {
            return None;
        }
        Some(Change::Put(
            keyspace::CLOCK.to_vec(),
            keyspace::frame(&ClockRecord { mark }),
        ))
    }

    /// A commit that may have carried [`Authority::mark_change`] is durable.
    pub(super) fn marked(&self, now: Now) {
        if self.mark_change(now).is_some()
            && let Some(Moment(mark)) = now.mark
        {
            self.mark.fetch_max(mark, Ordering::Relaxed);
            self.uses.know(Moment(mark));
        }
    }

    /// A key for a new audit event.
    pub(super) fn audit_key(&self, library: Uid, time: Moment) -> Result<Key, NoRandomness> {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        Ok(keyspace::audit_event(
            library,
            time,
            sequence,
            secret::random()?,
        ))
    }
}

// === impl Plan ===

impl<T> Plan<T> {
    /// A plan that changes nothing yet, for a library.
    #[must_use]
    pub fn new(library: &Name, logged_in: Uid) -> Plan<T> {
        Plan {
            preconditions: Vec::new(),
            changes: Vec::new(),
            answer: None,
            unchanged_at: Revision(0),
            event: AuditEvent {
                library: library.to_string(),
                ..AuditEvent::default()
            },
            logged_in,
            secret: None,
            warnings: Vec::new(),
            clamped: false,
            leaves_event: false,
            seats: Vec::new(),
        }
    }

    /// This must not have changed since it was read.
    pub fn read<U: Stored>(&mut self, record: &Versioned<U>) {
        self.preconditions
            .push(Precondition::At(record.value.key(), record.revision));
    }

    /// Writes a record as it is, so that whoever else read it must plan anew.
    pub fn touch<U: Stored>(&mut self, record: &Versioned<U>) {
        self.read(record);
        self.changes.push(Change::Put(
            record.value.key(),
            keyspace::encode(&record.value),
        ));
    }

    /// Writes a record that is at this revision now; revision 0 is that of none.
    pub fn put_at<U: Stored>(&mut self, record: U, revision: Revision) -> Result<(), Error> {
        self.preconditions.push(match revision {
            Revision(0) => Precondition::Absent(record.key()),
            revision => Precondition::At(record.key(), revision),
        });
        self.write(record).map(drop)
    }

    fn write<U: Stored>(&mut self, mut record: U) -> Result<U, Error> {
        record.administer();
        let value = keyspace::encode(&record);
        if value.len() > MAX_VALUE_BYTES {
            return Err(StoreError::TooLarge.into());
        }
        self.changes.push(Change::Put(record.key(), value));
        Ok(record)
    }

    fn unchanged(self) -> Done<T> {
        let revision = self.unchanged_at;
        self.done(revision)
    }

    fn done(self, revision: Revision) -> Done<T> {
        Done {
            answer: self.answer.map(|value| Versioned { value, revision }),
            secret: self.secret,
            warnings: self.warnings,
            clamped: self.clamped,
            revision,
        }
    }
}

impl<T: Stored> Plan<T> {
    /// Adds a record that must not exist yet, and answers with it.
    pub fn create(&mut self, record: T) -> Result<(), Error> {
        self.preconditions.push(Precondition::Absent(record.key()));
        self.put(record)
    }

    /// Replaces what was read by this, and answers with it. Nothing changes if it is the same.
    pub fn replace(&mut self, before: &Versioned<T>, record: T) -> Result<(), Error>
    where
        T: PartialEq,
    {
        self.read(before);
        if before.value == record {
            self.unchanged_at = before.revision;
            self.answer = Some(record);
            return Ok(());
        }
        self.put(record)
    }

    /// Removes what was read.
    pub fn delete(&mut self, before: &Versioned<T>) {
        self.read(before);
        self.changes.push(Change::Delete(before.value.key()));
    }

    fn put(&mut self, record: T) -> Result<(), Error> {
        self.answer = Some(self.write(record)?);
        Ok(())
    }
}

/// The etag must be that of the record's revision, if one was given.
pub(super) fn check_etag(
    authority: &Authority,
    etag: &str,
    revision: Revision,
) -> Result<(), Error> {
    if etag.is_empty() || etag == authority.revision_text(revision) {
        return Ok(());
    }
    Err(Error::etag_mismatch())
}
