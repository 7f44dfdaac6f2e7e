//! Watching a log from some revision on.

use super::caller::Presented;
use super::compare::{Agreed, compare_event, same};
use super::finding::Listed;
use super::records::{Comment, Event};
use super::run::Run;
use super::telling::REFUSED;
use crate::authority::error::Error;
use crate::authority::list::EventFilter;
use crate::authority::moment::Moment;
use crate::authority::tests::dice::Dice;
use crate::authority::watch::Step;
use crate::store::Revision;

#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub(super) library: Listed,
    /// After the so-manieth event before the last; none from the beginning.
    pub(super) back: Option<usize>,
}

/// What was told of an event, and at which revision.
type Told = (u64, crate::authority::audit::AuditEvent);

// === impl Watch ===

impl Watch {
    pub(super) fn any(dice: &mut Dice) -> Watch {
        Watch {
            library: Listed::any(dice),
            back: (!dice.chance(10)).then(|| dice.roll()),
        }
    }
}

impl Run {
    pub(super) async fn watch(&mut self, by: &Presented, watch: &Watch) -> Agreed {
        let described = |why: String| format!("{watch:?}: {why}");
        let events = &self.model.events;
        let after = watch.back.map_or(0, |back| {
            events[events.len() - 1 - back % events.len()].revision
        });
        let caller = self.authenticate(by, "tokens:admin").await;
        let standing = self.model.authenticate(by, "tokens:admin");
        let expected = standing.and_then(|by| {
            let library = watch.library.fix(&self.model, &by)?;
            Ok((library, library.at(&self.model)?))
        });
        let told = match (caller, &expected) {
            (Ok(caller), Ok((library, _))) => self.told_after(caller, *library, after).await,
            (Ok(caller), Err(_)) => self.told_after(caller, watch.library, after).await,
            (Err(error), _) => Err(error),
        };
        if self.refused(&expected, &told).map_err(described)? {
            return Ok(());
        }
        let (Ok((_, log)), Ok(mut told)) = (expected, told) else {
            return Ok(());
        };
        same("they come in order", &true, &told.is_sorted_by_key(|t| t.0)).map_err(described)?;
        let events = self.model.events.iter();
        let mut events: Vec<&Event> = events
            .filter(|event| event.log == log && event.revision > after)
            .collect();
        // Those of one commit have no order.
        let id = |event: &Event| {
            let token = event.token.map(|at| self.world.ids[at].to_string());
            let why = match &event.comment {
                Comment::Told(why) if event.action == REFUSED => why.clone(),
                _ => String::new(),
            };
            (event.revision, token.unwrap_or_default(), event.action, why)
        };
        events.sort_by_key(|event| id(event));
        told.sort_by_key(|(at, event)| {
            let refused = event.action == REFUSED;
            let why = if refused {
                event.comment.clone()
            } else {
                String::new()
            };
            (*at, event.token_id.clone(), event.action.clone(), why)
        });
        let revisions: Vec<u64> = events.iter().map(|event| event.revision).collect();
        let told_revisions: Vec<u64> = told.iter().map(|(revision, _)| *revision).collect();
        same("the revisions", &revisions, &told_revisions).map_err(described)?;
        for (event, (_, told)) in events.into_iter().zip(&told) {
            if event.action != "token.expiring" {
                compare_event(&self.world, event, told).map_err(described)?;
            }
        }
        self.counts.events(told.len());
        Ok(())
    }

    /// All that a watch tells until it waits.
    async fn told_after(
        &self,
        caller: crate::authority::caller::Caller,
        library: Listed,
        after: u64,
    ) -> Result<Vec<Told>, Error> {
        let (authority, now) = (&self.world.authority, Moment(self.model.now));
        let filter = EventFilter::of(self.reference(&caller, library)?);
        let after = match after {
            0 => "0".to_owned(),
            after => authority.revision_text(Revision(after)),
        };
        let mut watch = authority.watch_events(&caller, &filter, &after, now)?;
        let mut all = Vec::new();
        loop {
            match watch.step(now).await? {
                Step::Told(events) => {
                    let events = events.iter();
                    all.extend(events.map(|event| (event.revision.0, event.value.clone())));
                }
                Step::Searching | Step::Passed => {}
                Step::Waiting => {
                    // A walk over the log takes its time; where the feed has nothing more, there is nothing more.
                    if !watch.is_searching() {
                        return Ok(all);
                    }
                    watch.more().await;
                }
            }
        }
    }
}
