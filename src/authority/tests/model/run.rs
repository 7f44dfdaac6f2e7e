//! Carries out operations on both sides, and compares all that can be told.

use std::any::Any;
use std::collections::BTreeMap;

use super::caller::Presented;
use super::change::{Change, Expected, RequestId};
use super::compare::{Agreed, same};
use super::counts::Counts;
use super::operation::{Operation, Role, Step, Who};
use super::records::{Answer, Effect, Library, Model, Text};
use super::uses::{Note, Used};
use super::world::{Engine, World};
use crate::authority::caller::{Access, Caller};
use crate::authority::error::{Error, Reason};
use crate::authority::moment::{Moment, Now};
use crate::authority::permission::Reserved;
use crate::authority::requests::RequestKey;
use crate::authority::secret::Secret;
use crate::authority::tests::samples::{address, at, name};
use crate::authority::tests::stage::{START, at_time};
use crate::authority::transaction::{Call, Command, Done};

/// Both sides, at work.
pub(super) struct Run {
    pub(super) model: Model,
    pub(super) world: World,
    pub(super) counts: Counts,
    /// The token of everybody who works here.
    pub(super) staff: BTreeMap<Role, usize>,
    /// What was written of the uses of each token.
    pub(super) written: Vec<Used>,
    /// The calls that had a request id.
    history: Vec<(Presented, RequestId, Operation)>,
}

// === impl Run ===

impl Run {
    pub(super) async fn begin(engine: Engine) -> Result<Run, String> {
        let mut run = Run {
            model: Model {
                now: at(START).0,
                ..Model::default()
            },
            world: World::open(engine).await,
            counts: Counts::default(),
            staff: BTreeMap::new(),
            written: Vec::new(),
            history: Vec::new(),
        };
        run.model.libraries.push(Library {
            name: "system",
            alive: true,
            disabled: false,
            tokens_enabled: true,
            tenant: "",
            default: "90d",
            suggested: "90d",
            longest: "12mo",
            contact_apis: Vec::new(),
            networks: Vec::new(),
            limit: 0,
            idle: "",
            reveal_key: None,
            revision: 0,
        });
        run.world.load_all().await;
        run.let_the_operator_in().await?;
        let system = run.world.authority.get_library(&name("system")).unwrap();
        run.world.uids.push(system.value.uid);
        for role in super::operation::ROLES {
            run.mend(role).await?;
        }
        Ok(run)
    }

    /// Carries out one step.
    pub(super) async fn step(&mut self, mut step: Step) -> Agreed {
        self.counts.operation(step.operation.name());
        if let Who::Staff(role) = step.by
            && step.mended
            && !matches!(step.operation, Operation::Verify(_) | Operation::Pass(_))
        {
            self.mend(role).await?;
        }
        step.operation.fix(&self.model);
        let token = match step.by {
            Who::Staff(role) => self.staff.get(&role).copied(),
            Who::Holder(pick) => pick.at(&self.model),
        };
        let by = Presented {
            token,
            acting_for: step.acting_for,
            from: step.from,
        };
        let request = step.request.map(|id| RequestId {
            id,
            payload: u8::try_from(self.history.len() % 200).unwrap(),
        });
        if let Some(request) = request {
            self.history.push((by, request, step.operation.clone()));
        }
        match &step.operation {
            Operation::Repeat { back, same_payload } => {
                let count = self.history.len();
                if count == 0 {
                    return Ok(());
                }
                let (by, mut request, operation) = self.history[count - 1 - back % count].clone();
                if !same_payload {
                    request.payload = 255;
                }
                self.call(&by, Some(request), &operation).await
            }
            Operation::Mend(role) => self.mend(*role).await,
            Operation::Raze(library) => self.raze(library).await,
            Operation::OpenSession(_) if step.mended => {
                self.mend_password().await?;
                self.call(&by, request, &step.operation).await
            }
            other => self.call(&by, request, other).await,
        }
    }

    async fn call(
        &mut self,
        by: &Presented,
        request: Option<RequestId>,
        operation: &Operation,
    ) -> Agreed {
        match operation {
            Operation::CreateToken(c) => self.change(by, request, c).await,
            Operation::UpdateToken(c) => self.change(by, request, c).await,
            Operation::ExtendToken(c) => self.change(by, request, c).await,
            Operation::SuspendToken(c) => self.change(by, request, c).await,
            Operation::ResumeToken(c) => self.change(by, request, c).await,
            Operation::RotateToken(c) => self.change(by, request, c).await,
            Operation::RevokeToken(c) => self.change(by, request, c).await,
            Operation::RevokeAll(c) => self.change(by, request, c).await,
            Operation::RevealToken(c) => self.change(by, request, c).await,
            Operation::CreateLibrary(c) => self.change(by, request, c).await,
            Operation::UpdateLibrary(c) => self.change(by, request, c).await,
            Operation::DeleteLibrary(c) => self.change(by, request, c).await,
            Operation::CreateUserType(c) => self.change(by, request, c).await,
            Operation::UpdateUserType(c) => self.change(by, request, c).await,
            Operation::DeleteUserType(c) => self.change(by, request, c).await,
            Operation::CreateUser(c) => self.change(by, request, c).await,
            Operation::UpdateUser(c) => self.change(by, request, c).await,
            Operation::DeleteUser(c) => self.change(by, request, c).await,
            Operation::RevokeMany(many) => {
                for revoke in many {
                    self.change(by, None, revoke).await?;
                }
                Ok(())
            }
            Operation::Verify(verify) => {
                let at = verify.token.at(&self.model);
                if at.is_some_and(|at| self.model.tokens[at].imported.is_some()) {
                    self.world.load_all().await;
                }
                self.load_uses(at).await;
                let (verdict, noted) = verify.compare(&self.model, &self.world).await?;
                if let Some(note) = noted {
                    self.model.note(note);
                }
                self.counts.verdict(verdict);
                Ok(())
            }
            Operation::GetToken(pick) => self.get(by, *pick).await,
            Operation::ListTokens(list) => self.list(by, list).await,
            Operation::ListEvents(list) => self.list_events(by, list).await,
            Operation::SetPassword(set) => self.set_password(by, set).await,
            Operation::OpenSession(open) => self.open_session(by, open).await,
            Operation::Pass(time) => self.pass(time.after(&self.model)).await,
            Operation::Restart { loaded, killed } => self.restart(*loaded, *killed).await,
            Operation::KeepUses => {
                self.keep_uses().await;
                Ok(())
            }
            Operation::ImportToken(import) => self.import(by, import).await,
            Operation::TellDue => self.tell_due().await,
            Operation::TellRefused => self.tell_refused().await,
            Operation::Watch(watch) => self.watch(by, watch).await,
            Operation::Review(review) => self.review(by, review).await,
            Operation::TryPolicy(update) => self.try_policy(by, update).await,
            Operation::ApplyPolicy(apply) => self.apply_policy(by, apply).await,
            Operation::Load => {
                self.world.load_all().await;
                Ok(())
            }
            Operation::Sweep => {
                let now = self.now();
                self.world
                    .authority
                    .sweep(now)
                    .await
                    .map_err(|error| error.to_string())
            }
            Operation::Repeat { .. } | Operation::Mend(_) | Operation::Raze(_) => Ok(()),
        }
    }

    pub(super) fn now(&self) -> Now {
        at_time(Moment(self.model.now))
    }

    // === callers ===

    /// The credential, judged by the authority.
    pub(super) async fn authenticate(
        &mut self,
        by: &Presented,
        text: Text,
    ) -> Result<Caller, Error> {
        self.load_uses(by.token).await;
        let secret = match by.token {
            Some(at) => self.world.secrets[at].clone(),
            None => Secret::mint()?.to_secret_string().expose().to_owned(),
        };
        let right = Reserved::ALL.into_iter().find(|r| r.as_str() == text);
        let access = Access {
            right: Some(right.unwrap()),
            acting_for: by.acting_for.map(name),
            address: address(by.from),
        };
        let now = Moment(self.model.now);
        let noted = self.model.noted_of_call(by, text);
        if let (Some(at), Some((verdict, demanded))) = (by.token, noted) {
            self.model.note(Note {
                at,
                verdict,
                demanded: &[demanded],
                ip: by.from,
                by: "token-authority".to_owned(),
            });
        }
        let authority = &self.world.authority;
        authority.authenticate(&secret, access, at_time(now)).await
    }

    /// Both say no, and why.
    pub(super) fn refused<T, U>(
        &mut self,
        expected: &Result<T, Reason>,
        told: &Result<U, Error>,
    ) -> Result<bool, String> {
        let text = |why: Option<&Error>| why.map_or("carried out".to_owned(), ToString::to_string);
        match (expected, told) {
            (Ok(_), Ok(_)) => Ok(false),
            (Err(reason), Err(error)) if *reason == error.reason => {
                self.counts.reason(*reason);
                Ok(true)
            }
            (Err(reason), told) => {
                let told = text(told.as_ref().err());
                Err(format!(
                    "the model refuses for {reason:?}, the authority says: {told}"
                ))
            }
            (Ok(_), Err(error)) => Err(format!(
                "the model carries it out, the authority says: {error}"
            )),
        }
    }

    // === changes ===

    /// Asks both for a change, and compares what they say.
    pub(super) async fn change<C: Change>(
        &mut self,
        by: &Presented,
        request: Option<RequestId>,
        change: &C,
    ) -> Agreed
    where
        <C::Command as Command>::Answer: 'static,
    {
        let action = <C::Command as Command>::ACTION;
        self.model.complete = self.world.is_complete();
        let standing = self.model.authenticate(by, C::RIGHT);
        let expected = standing.as_ref().map_err(|reason| *reason);
        let expected = expected.and_then(|standing| self.model.expect(standing, change, request));
        let told = self.ask(by, request, change).await;
        let described = |why: String| format!("{action} {change:?}: {why}");
        if self.refused(&expected, &told).map_err(described)? {
            return Ok(());
        }
        let (Ok(standing), Ok(expected), Ok(done)) = (standing, expected, told) else {
            return Ok(());
        };
        self.counts.done(action);
        let answer = match expected {
            Expected::Repeat(kept) => {
                self.counts.repeat();
                kept.answer
            }
            Expected::Done(effect) => {
                if let Some(request) = request.filter(|_| C::Command::KEEPS_ANSWER) {
                    self.model.keep(&standing, action, request, &effect);
                }
                self.carried_out(*effect, &done)
            }
        };
        self.compare_done(&answer, &done).map_err(described)
    }

    async fn ask<C: Change>(
        &mut self,
        by: &Presented,
        request: Option<RequestId>,
        change: &C,
    ) -> Result<Done<<C::Command as Command>::Answer>, Error> {
        let caller = self.authenticate(by, C::RIGHT).await?;
        if change.is_for_operators() {
            caller.demand_operator("do this")?;
        }
        let library = match change.library() {
            Some(named) => caller.reach(named)?,
            None => name("nowhere"),
        };
        let command = change.command(&self.world, &self.model, library);
        let call = self.call_of(caller, request);
        self.world
            .authority
            .perform(&call, &command, self.now())
            .await
    }

    pub(super) fn call_of(&self, caller: Caller, request: Option<RequestId>) -> Call {
        Call {
            caller,
            call_id: format!("call-{}", self.model.events.len()),
            request: request.map(|request| RequestKey {
                id: [request.id; 16],
                payload_hash: [request.payload; 32],
            }),
        }
    }

    /// Both have done it: the model learns what only the authority can tell, and changes as well.
    pub(super) fn carried_out<T: Any>(&mut self, effect: Effect, done: &Done<T>) -> Answer {
        let told = done.answer.as_ref().map(|told| &told.value as &dyn Any);
        if effect
            .tokens
            .iter()
            .any(|(at, _)| *at == self.model.tokens.len())
            && let Some(secret) = &done.secret
        {
            let text = secret.expose().to_owned();
            self.world.ids.push(Secret::parse(&text).unwrap().id);
            self.world.secrets.push(text);
        }
        if effect
            .libraries
            .iter()
            .any(|(at, _)| *at == self.model.libraries.len())
            && let Some(library) =
                told.and_then(|told| told.downcast_ref::<crate::authority::directory::Library>())
        {
            self.world.uids.push(library.uid);
        }
        let answer = effect.answer.clone();
        // An answer that shows what did not change tells an older one.
        self.model.apply(effect, self.world.revision());
        answer
    }

    /// Compares what both tell of what was done.
    pub(super) fn compare_done<T: Any>(&self, expected: &Answer, done: &Done<T>) -> Agreed {
        let told = done
            .secret
            .as_ref()
            .map(|secret| secret.expose().to_owned());
        let secret = expected.secret.map(|at| &self.world.secrets[at]);
        // Neither is printed.
        same(
            "the secret is the right one",
            &true,
            &(secret == told.as_ref()),
        )?;
        same("an expiry was held back", &expected.clamped, &done.clamped)?;
        let mut begun = expected.warnings.iter().zip(&done.warnings);
        let warned = expected.warnings.len() == done.warnings.len()
            && begun.all(|(model, told)| told.starts_with(model));
        if !warned {
            same(
                "the warnings",
                &format!("{:?}", expected.warnings),
                &format!("{:?}", done.warnings),
            )?;
        }
        self.model
            .compare_answer(&self.world, expected, done.answer.as_ref())
    }
}
