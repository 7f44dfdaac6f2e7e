//! What tokens are used for: noted at each verify and each call, and kept apart from all else.

use super::caller::Presented;
use super::compare::{Agreed, same};
use super::records::{Model, Text, Token};
use super::run::Run;
use super::world::World;
use crate::authority::moment::Moment;
use crate::authority::tests::naive::judge_naively;
use crate::authority::tests::samples::address;

/// A use within this time of the one before is the same one, milliseconds.
const SAME_USE: i64 = 1000;

/// What a token was used for.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Used {
    pub(super) last: Option<LastUse>,
    /// What was demanded of it and granted, each once, sorted.
    pub(super) demanded: Vec<Text>,
    /// By verdict.
    pub(super) refused: Vec<Refused>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct LastUse {
    pub(super) time: i64,
    /// Empty if it is not known.
    pub(super) ip: Text,
    /// Who asked; empty if it is not known.
    pub(super) by: String,
}

/// How often it was refused with a verdict.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refused {
    pub(super) verdict: Text,
    pub(super) count: i64,
    pub(super) last: i64,
    pub(super) by: String,
    /// When an event last told of it, and how often it had been by then.
    pub(super) told: Option<i64>,
    pub(super) told_count: i64,
    pub(super) waits: Waits,
}

/// Whether an event is to tell of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    No,
    /// It is seen at a start, when all is loaded: that depends on how far time is known to be.
    Perhaps,
    Surely,
}

/// What is noted of one use.
#[derive(Debug)]
pub(super) struct Note<'a> {
    pub(super) at: usize,
    pub(super) verdict: Text,
    pub(super) demanded: &'a [Text],
    pub(super) ip: Text,
    pub(super) by: String,
}

/// Minutes of an idle timeout; 0 for none.
pub(super) fn minutes(idle: Text) -> i64 {
    match idle {
        "" => 0,
        "5m" => 5,
        "12h" => 12 * 60,
        "7d" => 7 * 24 * 60,
        other => panic!("{other}"),
    }
}

impl Refused {
    /// What says something of the token itself is told.
    fn is_told_of(&self) -> bool {
        const ABOUT_A_DEMAND: [Text; 5] = [
            "WRONG_LIBRARY",
            "WRONG_API",
            "WRONG_DATA_OWNER",
            "WRONG_DEPARTMENT",
            "MISSING_PERMISSION",
        ];
        !ABOUT_A_DEMAND.contains(&self.verdict)
    }

    /// Once an hour.
    pub(super) fn is_due(&self, now: i64) -> bool {
        self.is_told_of() && self.told.is_none_or(|told| now >= told + 60 * 60 * 1000)
    }
}

impl Model {
    /// A use counts once its secret has proved right; one that is refused counts as refused alone.
    pub(super) fn note(&mut self, note: Note<'_>) {
        let (now, loading) = (self.now, !self.complete);
        let used = &mut self.tokens[note.at].used;
        if note.verdict == "VALID" {
            let last = used.last.as_ref();
            if last.is_none_or(|last| now >= last.time + SAME_USE) {
                used.last = Some(LastUse {
                    time: now,
                    ip: note.ip,
                    by: note.by,
                });
            }
            used.demanded.extend(note.demanded);
            used.demanded.sort_unstable();
            used.demanded.dedup();
            return;
        }
        let known = used.refused.iter().position(|r| r.verdict == note.verdict);
        let known = known.unwrap_or_else(|| {
            used.refused.push(Refused {
                verdict: note.verdict,
                count: 0,
                last: i64::MIN / 2,
                by: String::new(),
                told: None,
                told_count: 0,
                waits: Waits::No,
            });
            used.refused.len() - 1
        });
        let refused = &mut used.refused[known];
        refused.count += 1;
        if now >= refused.last + SAME_USE {
            (refused.last, refused.by) = (now, note.by);
        }
        if refused.is_due(now) {
            refused.waits = Waits::Surely;
        } else if loading && refused.is_told_of() && refused.waits == Waits::No {
            refused.waits = Waits::Perhaps;
        }
    }

    /// Whether it is a session that was idle for too long; one more minute is in its favour.
    pub(super) fn lies_idle(&self, token: &Token) -> bool {
        let may_idle = minutes(self.libraries[token.library].idle);
        let used = token.used.last.as_ref().map_or(token.created, |l| l.time);
        let active = used.max(token.created);
        token.session && may_idle > 0 && self.now >= active + (may_idle + 1) * 60_000
    }

    /// What is noted of a call's credential; nothing of a good one without the right.
    pub(super) fn noted_of_call(&self, by: &Presented, right: Text) -> Option<(Text, Text)> {
        let token = &self.tokens[by.token?];
        if token.imported.is_some() {
            return None;
        }
        let demanded = match by.acting_for {
            Some(_) => "tokens:act-as",
            None => right,
        };
        if self.authenticate(by, right).is_ok() {
            return Some(("VALID", demanded));
        }
        let verdict = judge_naively(&self.plain_of_call(token, by.from, demanded));
        (!["VALID", "MISSING_PERMISSION"].contains(&verdict)).then_some((verdict, demanded))
    }

    /// Compares what both know of a token's uses.
    pub(super) fn compare_uses(&self, world: &World, at: usize) -> Agreed {
        let told = world.authority.uses().of(world.ids[at]);
        let told = told.unwrap_or_default();
        let used = &self.tokens[at].used;
        let text = |by: &Option<std::sync::Arc<str>>| by.as_deref().unwrap_or_default().to_owned();
        let last = used.last.as_ref().map(|last| {
            let ip = (!last.ip.is_empty()).then(|| address(last.ip));
            (Moment(last.time), ip, last.by.clone())
        });
        let told_last = told.last.as_ref();
        let told_last = told_last.map(|last| (last.time, last.client_ip, text(&last.by)));
        same("the last use", &last, &told_last)?;
        let mut demanded: Vec<&str> = told.permissions.iter().map(|p| &**p).collect();
        demanded.sort_unstable();
        same("what was demanded", &used.demanded, &demanded)?;
        same("whether more was", &false, &told.more_permissions)?;
        let mut refused: Vec<_> = used
            .refused
            .iter()
            .map(|r| (r.verdict, r.count, Moment(r.last), r.by.clone()))
            .collect();
        let mut told_refused: Vec<_> = told
            .refused
            .iter()
            .filter(|r| r.count > 0)
            .map(|r| (r.verdict.as_str(), r.count, r.last_time, text(&r.by)))
            .collect();
        refused.sort_unstable();
        told_refused.sort_unstable();
        same("the refused uses", &refused, &told_refused)
    }
}

impl Run {
    /// What a token was used for is known before it is used once more: else a sample would be lost. A session that may lie idle
    /// too long sees to it by itself.
    pub(super) async fn load_uses(&self, at: Option<usize>) {
        let Some(at) = at.filter(|_| !self.world.is_complete()) else {
            return;
        };
        let token = &self.model.tokens[at];
        if !token.session || self.model.libraries[token.library].idle.is_empty() {
            let loaded = self.world.authority.load_uses_of(self.world.ids[at]).await;
            loaded.unwrap();
        }
    }

    /// Everything that was noted is written.
    pub(super) async fn keep_uses(&mut self) {
        let now = self.now();
        self.world.authority.keep_all_uses(now).await.unwrap();
        self.written = self.model.tokens.iter().map(|t| t.used.clone()).collect();
    }

    /// What was not written is lost. What waits to be told is found again.
    pub(super) fn forget_unwritten(&mut self) {
        for (at, token) in self.model.tokens.iter_mut().enumerate() {
            token.used = self.written.get(at).cloned().unwrap_or_default();
            for refused in &mut token.used.refused {
                refused.waits = match refused.told {
                    _ if refused.count == refused.told_count => Waits::No,
                    None if refused.is_told_of() => Waits::Surely,
                    Some(_) if refused.is_told_of() => Waits::Perhaps,
                    _ => Waits::No,
                };
            }
        }
    }
}
