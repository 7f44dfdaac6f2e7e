//! Verify: any token, any secret, any demand.

use zeroize::Zeroizing;

use super::change::{APIS, DEPARTMENTS, LIBRARIES, Pick};
use super::compare::{Agreed, pairs, same};
use super::records::{Model, Text};
use super::rights::{effective, in_force};
use super::users::kind;
use super::uses::Note;
use super::world::World;
use crate::authority::index::Successor;
use crate::authority::judge::Demand;
use crate::authority::moment::Moment;
use crate::authority::permission::Reserved;
use crate::authority::secret::{Secret, TokenId};
use crate::authority::tests::dice::Dice;
use crate::authority::tests::naive::{Plain, judge_naively};
use crate::authority::tests::samples::{address, demanded, name};
use crate::authority::tests::stage::at_time;
use crate::authority::token::TokenKind;
use crate::authority::{Access, Caller, Judgement, Scope, Seen};

const WANTED: [Text; 8] = [
    "orders:read",
    "orders:write",
    "users:list",
    "stock:write",
    "tokens:self",
    "tokens:admin",
    "directory:read",
    "tokens:made-up",
];
const ADDRESSES: [Text; 4] = ["", "192.0.2.1", "10.0.0.5", "2001:db8::1"];
const OWNERS: [Text; 3] = ["", "initech", "hooli"];

#[derive(Debug, Clone)]
pub(super) struct Verify {
    pub(super) token: Pick,
    pub(super) secret: Presented,
    /// The library of the verifier; empty for one that may see all.
    pub(super) scope: Text,
    pub(super) library: Text,
    pub(super) wanted: Vec<Text>,
    pub(super) department: Text,
    pub(super) api: Text,
    pub(super) owner: Text,
    pub(super) ip: Text,
    pub(super) promises: bool,
    /// Whether all that restricts the token is addressed as it demands.
    pub(super) fits: bool,
}

/// What is presented as a token.
#[derive(Debug, Clone, Copy)]
pub(super) enum Presented {
    Itself,
    WithWrongSecret,
    Nonsense,
}

// === impl Verify ===

impl Verify {
    pub(super) fn any(dice: &mut Dice) -> Verify {
        use Presented::{Itself, Nonsense, WithWrongSecret};
        Verify {
            token: Pick::any(dice),
            secret: dice.weighted(&[(30, Itself), (1, WithWrongSecret), (1, Nonsense)]),
            scope: dice.weighted(&[
                (12, ""),
                (5, LIBRARIES[0]),
                (1, LIBRARIES[1]),
                (1, "system"),
            ]),
            library: dice.weighted(&[(9, ""), (4, LIBRARIES[0]), (1, LIBRARIES[1])]),
            wanted: dice.some(&WANTED, 2),
            department: dice.one(&DEPARTMENTS),
            api: dice.one(&["", APIS[0], APIS[1], APIS[2]]),
            owner: dice.one(&OWNERS),
            ip: dice.one(&ADDRESSES),
            promises: dice.chance(40),
            fits: dice.chance(60),
        }
    }

    /// The demand as the model judges it.
    fn demanded_of(&self, mut plain: Plain) -> Plain {
        plain.wanted_library = self.library;
        plain.wanted.clone_from(&self.wanted);
        plain.wanted_department = self.department;
        plain.wanted_api = self.api;
        plain.wanted_owner = self.owner;
        plain.ip = self.ip;
        (plain.promises_owner, plain.promises_department) = (self.promises, self.promises);
        if self.fits {
            plain.wanted_api = plain.apis.first().copied().unwrap_or(self.api);
            plain.wanted_owner = plain.owner;
            plain.wanted_department = plain
                .pin
                .map_or(self.department, |(department, _)| department);
            plain.promises_department = true;
            let networks = [&plain.library_networks[..], &plain.networks].concat();
            plain.ip = match networks.first() {
                Some(&"192.0.2.0/24") => "192.0.2.1",
                Some(&"2001:db8::/32") => "2001:db8::1",
                Some(_) => "10.0.0.5",
                None => self.ip,
            };
            plain.wanted.truncate(1);
        }
        plain
    }

    fn expected(&self, model: &Model, world: &World) -> (Text, Option<Plain>, Option<Seen>) {
        match self.secret {
            Presented::Nonsense => return ("MALFORMED", None, None),
            Presented::WithWrongSecret => return ("NOT_FOUND", None, None),
            Presented::Itself => {}
        }
        let Some(at) = self.token.at(model) else {
            return ("NOT_FOUND", None, None);
        };
        let token = &model.tokens[at];
        let (library, user) = (&model.libraries[token.library], &model.users[token.user]);
        let plain = self.demanded_of(model.plain(token));
        let scope = model.scope(self.scope);
        if scope.is_some_and(|scope| scope != token.library) && token.imported.is_none() {
            return ("NOT_FOUND", Some(plain), None);
        }
        if token.imported.is_some()
            && let Some(missed) = model.misses(token, scope, plain.wanted_library)
        {
            return (missed, Some(plain), None);
        }
        let verdict = judge_naively(&plain);
        let valid = verdict == "VALID";
        let seen = Seen {
            token_id: world.ids[at],
            kind: if token.session {
                TokenKind::Session
            } else {
                TokenKind::Api
            },
            library: name(library.name),
            library_uid: world.uids[token.library],
            tenant_id: if library.alive { library.tenant } else { "" }.to_owned(),
            user: name(user.name),
            user_kind: user.alive.then(|| kind(user.kind)),
            expire_time: Moment(token.expires),
            assignments: Vec::new(),
            permissions: Vec::new(),
            data_owner: if valid { user.owner } else { "" }.to_owned(),
            successor: token.superseded.as_ref().map(|(by, until, _)| Successor {
                id: world.ids[*by],
                until: Moment(*until),
            }),
        };
        (verdict, Some(plain), Some(seen))
    }

    /// Compares the verdict and all that is told with it; says which it was, and what is noted of it.
    pub(super) async fn compare(
        &self,
        model: &Model,
        world: &World,
    ) -> Result<(Text, Option<Note<'_>>), String> {
        let (verdict, plain, seen) = self.expected(model, world);
        let text = match self.secret {
            Presented::Nonsense => "tka_nonsense".to_owned(),
            Presented::Itself => match self.token.at(model) {
                Some(at) => world.secrets[at].clone(),
                None => forged(world, model, self.token),
            },
            Presented::WithWrongSecret => forged(world, model, self.token),
        };
        let demand = plain.as_ref().map(demand_of).unwrap_or_default();
        let caller = model.scope(self.scope).map(|at| Caller {
            token_id: TokenId([9; 16]),
            access: Access {
                right: Some(Reserved::TokensVerify),
                acting_for: None,
                address: address("192.0.2.1"),
            },
            library: name(model.libraries[at].name),
            user: name("gate"),
            scope: Scope::Library(world.uids[at]),
        });
        let told = world
            .authority
            .verify(&text, &demand, caller.as_ref(), at_time(Moment(model.now)))
            .await;
        let told = told.map_err(|error| format!("verify: {error}"))?;
        same("the verdict", &verdict, &told.verdict.as_str())?;
        compare_rights(verdict, plain.as_ref(), &told)?;
        let told = told.seen.map(|seen| Seen {
            assignments: Vec::new(),
            permissions: Vec::new(),
            ..seen
        });
        same("what is seen", &seen, &told)?;
        let noted = seen.and(plain).and_then(|plain| {
            Some(Note {
                at: self.token.at(model)?,
                verdict,
                demanded: if plain.wanted.len() == self.wanted.len() {
                    &self.wanted
                } else {
                    &self.wanted[..1]
                },
                ip: plain.ip,
                by: match model.scope(self.scope) {
                    Some(at) => format!("{}/gate", model.libraries[at].name),
                    None => String::new(),
                },
            })
        });
        Ok((verdict, noted))
    }
}

impl Model {
    /// The library of a verifier; none for one that may see all.
    fn scope(&self, name: Text) -> Option<usize> {
        if name.is_empty() {
            None
        } else {
            self.library(name)
        }
    }
}

fn compare_rights(verdict: Text, plain: Option<&Plain>, told: &Judgement) -> Agreed {
    let (mut assigned, mut permissions) = (Vec::new(), Vec::new());
    if let Some(plain) = plain.filter(|_| verdict == "VALID") {
        assigned = in_force(plain);
        permissions = effective(plain);
    }
    let assigned: Vec<_> = assigned
        .iter()
        .map(|(d, t)| ((*d).to_owned(), (*t).to_owned()))
        .collect();
    let seen = told.seen.as_ref();
    let told_pairs = seen
        .map(|seen| pairs(&seen.assignments))
        .unwrap_or_default();
    same("the assignments in force", &assigned, &told_pairs)?;
    let mut told: Vec<&str> = seen
        .iter()
        .flat_map(|s| s.permissions.iter().map(String::as_str))
        .collect();
    told.sort_unstable();
    same("the permissions in effect", &permissions, &told)
}

fn demand_of(plain: &Plain) -> Demand {
    let optional = |text: Text| (!text.is_empty()).then(|| name(text));
    Demand {
        library: optional(plain.wanted_library),
        permissions: plain.wanted.iter().map(|text| demanded(text)).collect(),
        department: optional(plain.wanted_department),
        api: optional(plain.wanted_api),
        data_owner: (!plain.wanted_owner.is_empty()).then(|| plain.wanted_owner.to_owned()),
        client_ip: (!plain.ip.is_empty()).then(|| address(plain.ip)),
        confines_data_owner: plain.promises_owner,
        confines_department: plain.promises_department,
    }
}

/// A secret string of this id that nobody was given.
fn forged(world: &World, model: &Model, pick: Pick) -> String {
    let (id, bytes) = (world.id(model, pick), Zeroizing::new([7; 32]));
    Secret { id, bytes }.to_secret_string().expose().to_owned()
}
