//! Reading and logging in, on both sides.

use super::caller::{Presented, Standing};
use super::change::Pick;
use super::compare::{Agreed, compare_event, same};
use super::finding::{ListEvents, ListTokens, Listed};
use super::logins::{OpenSession, SetPassword};
use super::operation::Role;
use super::restarts::EVERYTHING;
use super::run::Run;
use crate::authority::caller::Caller;
use crate::authority::error::{Error, Reason};
use crate::authority::list::LibraryRef;
use crate::authority::moment::Moment;
use crate::authority::page::PageRequest;
use crate::authority::tests::samples::named;

impl Run {
    pub(super) async fn get(&mut self, by: &Presented, pick: Pick) -> Agreed {
        let standing = self.model.authenticate(by, "tokens:self");
        let expected = standing.and_then(|standing| Ok(self.model.visible(&standing, pick)?.0));
        let now = Moment(self.model.now);
        let told = match self.authenticate(by, "tokens:self").await {
            Ok(caller) => {
                let id = self.world.id(&self.model, pick);
                self.world.authority.get_token(&caller, id, now).await
            }
            Err(error) => Err(error),
        };
        let refused = self
            .refused(&expected, &told)
            .map_err(|why| format!("get {pick:?}: {why}"))?;
        match (refused, expected, told) {
            (false, Ok(at), Ok(told)) => {
                self.model.compare_token(&self.world, at, &told.value)?;
                let loaded = self.world.authority.load_uses_of(self.world.ids[at]).await;
                loaded.map_err(|error| error.to_string())?;
                self.model.compare_uses(&self.world, at)
            }
            _ => Ok(()),
        }
    }

    /// Everything that the two sides know of tokens and events, of deleted libraries too.
    pub(super) async fn compare_all(&mut self) -> Agreed {
        self.restart(EVERYTHING, false).await?;
        let token = self.staff.get(&Role::Operator).copied();
        let by = Presented {
            token,
            acting_for: None,
            from: "192.0.2.1",
        };
        for library in 0..self.model.libraries.len() {
            self.list(&by, &ListTokens::all_of(library)).await?;
            self.list_events(&by, &ListEvents::all_of(library)).await?;
        }
        Ok(())
    }

    pub(super) async fn list(&mut self, by: &Presented, list: &ListTokens) -> Agreed {
        let described = |why: String| format!("{list:?}: {why}");
        let caller = self.authenticate(by, "tokens:self").await;
        // What is listed was used for the call itself, too.
        let standing = self.model.authenticate(by, "tokens:self");
        let mut list = list.clone();
        let expected = standing.and_then(|standing| {
            list.library = list.library.fix(&self.model, &standing)?;
            list.expected(&self.model, &standing, self.world.is_complete())
        });
        let told = match caller {
            Ok(caller) => self.listed(&caller, &list).await,
            Err(error) => Err(error),
        };
        if self.refused(&expected, &told).map_err(&described)? {
            return Ok(());
        }
        let (Ok(mut expected), Ok(told)) = (expected, told) else {
            return Ok(());
        };
        list.sort(&self.model, &self.world, &mut expected);
        let position = |id| {
            self.world
                .ids
                .iter()
                .position(|known| *known == id)
                .unwrap()
        };
        let places: Vec<usize> = told.iter().map(|token| position(token.value.id)).collect();
        same("the tokens", &expected, &places).map_err(&described)?;
        for (at, token) in places.into_iter().zip(&told) {
            self.model
                .compare_token(&self.world, at, &token.value)
                .map_err(&described)?;
            same("the etag", &self.model.tokens[at].revision, &token.etag().0)
                .map_err(&described)?;
            self.model
                .compare_uses(&self.world, at)
                .map_err(&described)?;
        }
        self.counts.listed(told.len());
        Ok(())
    }

    /// All pages of a list of tokens.
    async fn listed(
        &self,
        caller: &Caller,
        list: &ListTokens,
    ) -> Result<Vec<crate::authority::keyspace::Versioned<crate::authority::token::Token>>, Error>
    {
        let filter = crate::authority::list::TokenFilter {
            library: self.reference(caller, list.library)?,
            ..list.filter(&self.world, self.model.now)
        };
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let page = PageRequest {
                size: list.page,
                token,
            };
            let now = Moment(self.model.now);
            let page = self
                .world
                .authority
                .list_tokens(caller, &filter, &page, now)
                .await?;
            all.extend(page.items);
            token = page.next;
            if token.is_empty() {
                return Ok(all);
            }
        }
    }

    /// The library that a list names, as its caller may name it.
    pub(super) fn reference(&self, caller: &Caller, listed: Listed) -> Result<LibraryRef, Error> {
        match listed {
            Listed::Named(text) => Ok(named(caller.reach(text)?.as_str())),
            Listed::Numbered(number) => {
                caller.demand_operator("name a library by its uid")?;
                Ok(LibraryRef::Uid(
                    self.world.uids[number % self.world.uids.len()],
                ))
            }
        }
    }

    pub(super) async fn list_events(&mut self, by: &Presented, list: &ListEvents) -> Agreed {
        let described = |why: String| format!("{list:?}: {why}");
        let standing = self.model.authenticate(by, "tokens:admin");
        let mut list = list.clone();
        let fixed = standing.and_then(|standing| {
            list.library = list.library.fix(&self.model, &standing)?;
            list.expected(&self.model)
                .map(|events| events.into_iter().cloned().collect::<Vec<_>>())
        });
        let told = match self.authenticate(by, "tokens:admin").await {
            Ok(caller) => self.listed_events(&caller, &list).await,
            Err(error) => Err(error),
        };
        if self.refused(&fixed, &told).map_err(&described)? {
            return Ok(());
        }
        let (Ok(expected), Ok(told)) = (fixed, told) else {
            return Ok(());
        };
        let actions: Vec<&str> = expected.iter().map(|event| event.action).collect();
        let told_actions: Vec<&str> = told
            .iter()
            .map(|event| event.value.action.as_str())
            .collect();
        same("the actions", &actions, &told_actions).map_err(&described)?;
        for (event, told) in expected.iter().zip(&told) {
            compare_event(&self.world, event, &told.value).map_err(&described)?;
            same("the revision", &event.revision, &told.revision.0).map_err(&described)?;
        }
        self.counts.events(told.len());
        Ok(())
    }

    async fn listed_events(
        &self,
        caller: &Caller,
        list: &ListEvents,
    ) -> Result<
        Vec<crate::authority::keyspace::Versioned<crate::authority::audit::AuditEvent>>,
        Error,
    > {
        let filter = crate::authority::list::EventFilter {
            library: self.reference(caller, list.library)?,
            ..list.filter(&self.model, &self.world)
        };
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let page = PageRequest {
                size: list.page,
                token,
            };
            let now = Moment(self.model.now);
            let page = self
                .world
                .authority
                .list_audit_events(caller, &filter, &page, now)
                .await?;
            all.extend(page.items);
            token = page.next;
            if token.is_empty() {
                return Ok(all);
            }
        }
    }

    // === logging in ===

    /// With `tokens:self`, or else with `directory:admin`.
    fn setter(&self, by: &Presented) -> Result<Standing, Reason> {
        match self.model.authenticate(by, "tokens:self") {
            Err(first @ (Reason::PermissionDenied | Reason::SelfServiceDenied)) => self
                .model
                .authenticate(by, "directory:admin")
                .map_err(|_| first),
            other => other,
        }
    }

    pub(super) async fn set_password(&mut self, by: &Presented, set: &SetPassword) -> Agreed {
        let described = |why: String| format!("{set:?}: {why}");
        self.let_guesses_refill().await?;
        let expected = self
            .setter(by)
            .and_then(|standing| set.expected(&self.model, &standing));
        let told = match self.authenticate(by, "tokens:self").await {
            Err(first) if first.is_refusal() || first.reason == Reason::SelfServiceDenied => self
                .authenticate(by, "directory:admin")
                .await
                .map_err(|_| first),
            other => other,
        };
        let told = match told.and_then(|caller| Ok((caller.reach(set.library)?, caller))) {
            Ok((library, caller)) => {
                let (call, asked) = (self.call_of(caller, None), set.asked(library));
                self.world
                    .authority
                    .set_password(&call, asked, self.now())
                    .await
            }
            Err(error) => Err(error),
        };
        if self.refused(&expected, &told).map_err(described)? {
            return Ok(());
        }
        self.counts.done("user.set-password");
        if let Ok(mut effect) = expected {
            // A password is no part of its user's record.
            let changed = std::mem::take(&mut effect.users);
            for (at, user) in changed {
                self.model.users[at].password = user.password;
            }
            let revision = self.world.revision();
            self.model.apply(effect, revision);
        }
        Ok(())
    }

    pub(super) async fn open_session(&mut self, by: &Presented, open: &OpenSession) -> Agreed {
        let described = |why: String| format!("{open:?}: {why}");
        self.let_guesses_refill().await?;
        let standing = self.model.authenticate(by, "tokens:verify");
        let expected = standing.and_then(|standing| open.expected(&self.model, &standing));
        let told = match self.authenticate(by, "tokens:verify").await {
            Ok(caller) => match caller.reach(open.library) {
                Ok(library) => {
                    let (call, asked) = (self.call_of(caller, None), open.asked(library));
                    self.world
                        .authority
                        .open_session(&call, asked, self.now())
                        .await
                }
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        if self.refused(&expected, &told).map_err(described)? {
            return Ok(());
        }
        self.counts.done("session.open");
        let (Ok(effect), Ok(done)) = (expected, told) else {
            return Ok(());
        };
        let answer = self.carried_out(effect, &done);
        self.compare_done(&answer, &done).map_err(described)
    }

    /// Nobody here guesses faster than they may: how often is a matter of its own.
    async fn let_guesses_refill(&mut self) -> Agreed {
        const REFILL_MS: i64 = 30 * 1000;
        self.pass(self.model.now + REFILL_MS).await
    }
}
