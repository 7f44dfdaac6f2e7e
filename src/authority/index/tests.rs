mod directory;
mod loading;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::*;
use crate::authority::cidr::Cidr;
use crate::authority::directory::Library;
use crate::authority::idle::IdleTimeout;
use crate::authority::judge::{Demand, Verdict, judge};
use crate::authority::keyspace::Stored;
use crate::authority::moment::Moment;
use crate::authority::tests::samples::{full, library, name, networks, token, user, user_type};
use crate::authority::token::{Grant, Revocation, RevocationReason, Token, TokenKind};
use crate::store::{Committed, Event, Follower, Load, Record};

/// An index that commits are published to by hand.
struct Followed {
    index: Arc<Index>,
    revision: u64,
}

impl Followed {
    /// With the library `acme` (uid 1), its user type `clerk` and its user `jane` (uid 2), and all tokens loaded.
    fn new() -> Followed {
        let mut followed = Followed::empty();
        followed.load(None, 10, Vec::new());
        followed.put(&library("acme", 1));
        followed.put(&user_type(1, "clerk", &["orders:read"]));
        followed.put(&user(1, "jane", 2, &["clerk"]));
        followed
    }

    fn empty() -> Followed {
        Followed {
            index: Arc::new(Index::new()),
            revision: 0,
        }
    }

    fn put(&mut self, record: &impl Stored) {
        let event = Event::Put(self.record(record.key(), keyspace::encode(record)));
        self.publish(vec![event]);
    }

    fn record(&self, key: Key, value: Vec<u8>) -> Record {
        let revision = Revision(self.revision + 1);
        Record {
            key,
            value,
            create_revision: revision,
            mod_revision: revision,
        }
    }

    fn delete(&mut self, record: &impl Stored) {
        self.publish(vec![Event::Delete(record.key())]);
    }

    fn damage(&mut self, record: &impl Stored) {
        let event = Event::Put(self.record(record.key(), b"\x01not a record".to_vec()));
        self.publish(vec![event]);
    }

    fn publish(&mut self, events: Vec<Event>) {
        self.revision += 1;
        let revision = Revision(self.revision);
        self.index.publish(&[Committed { revision, events }]);
    }

    fn load(&mut self, after: Option<Key>, limit: usize, records: Vec<Record>) {
        let load = Load::Slice {
            prefix: keyspace::TOKENS.to_vec(),
            after,
            limit,
        };
        self.index.loaded(&load, records);
    }

    fn load_uses(&self, prefix: &[u8], limit: usize, records: Vec<Record>) {
        let load = Load::Slice {
            prefix: prefix.to_vec(),
            after: None,
            limit,
        };
        self.index.clone().loaded(&load, records);
    }

    /// What a look-up finds, in a word.
    fn find(&self, id: u8) -> &'static str {
        match self.index.read().unwrap().token(TokenId([id; 16])) {
            Lookup::Known(_) => "known",
            Lookup::Unknown => "unknown",
            Lookup::NotLoaded => "not loaded",
            Lookup::Damaged => "damaged",
        }
    }

    fn view<T>(&self, id: u8, ask: impl FnOnce(&View<'_>) -> T) -> T {
        match self.index.read().unwrap().token(TokenId([id; 16])) {
            Lookup::Known(view) => ask(&view),
            _ => panic!("token {id} is not known"),
        }
    }

    /// The verdict on a token at the moment of its creation.
    fn verdict(&self, id: u8) -> Verdict {
        self.view(id, |view| {
            let judged = judge(view.records, &Demand::default(), view.token.create_time);
            judged.err().unwrap_or(Verdict::Valid)
        })
    }

    /// The first bytes of the ids of a library's tokens, in order.
    fn listed(&self, library: &str) -> Vec<u8> {
        let state = self.index.read().unwrap();
        let slot = state.directory().library_named(library).unwrap();
        slot.tokens.ids().map(|id| id.0[0]).collect()
    }
}

// === tokens ===

#[test]
fn a_token_that_was_put_is_found_with_all_that_it_is_judged_by() {
    let mut followed = Followed::new();
    followed.put(&token(7, 100, 1, 2));
    followed.view(7, |view| {
        assert_eq!(view.library.library, name("acme"));
        assert_eq!(view.user.user, name("jane"));
        assert_eq!(view.token.revision, Revision(4));
        assert_eq!(view.token.expire_time, Moment(1100));
        assert_eq!(view.token.tag, [7; 16]);
        assert_eq!(view.token.key_version(), 1);
    });
    assert_eq!(followed.verdict(7), Verdict::Valid);
    assert_eq!(followed.find(8), "unknown");
}

#[test]
fn an_update_replaces_what_was_known() {
    let mut followed = Followed::new();
    followed.put(&token(7, 100, 1, 2));
    let mut revoked = token(7, 100, 1, 2);
    revoked.revocation = Some(Revocation {
        time: Moment(101),
        reason: RevocationReason::Unspecified,
        revoked_by: String::new(),
        comment: String::new(),
    });
    revoked.grant.allowed_cidrs = networks(&["10.0.0.0/8"]);
    followed.put(&revoked);
    assert_eq!(followed.verdict(7), Verdict::Revoked);
    followed.view(7, |view| {
        assert_eq!(view.token.revision, Revision(5));
        assert_eq!(view.records.grant, &revoked.grant);
    });
    assert_eq!(followed.listed("acme"), [7]);
    assert_eq!(followed.index.read().unwrap().size().tokens, 1);
}

#[test]
fn a_deleted_token_is_unknown_and_in_no_list() {
    let mut followed = Followed::new();
    followed.put(&token(7, 100, 1, 2));
    followed.put(&token(8, 100, 1, 2));
    followed.delete(&token(7, 100, 1, 2));
    assert_eq!(followed.find(7), "unknown");
    assert_eq!(followed.listed("acme"), [8]);
    followed.delete(&token(7, 100, 1, 2));
    assert_eq!(followed.find(8), "known");
}

#[test]
fn tokens_are_listed_newest_first_and_by_id_within_a_millisecond() {
    let mut followed = Followed::new();
    for (id, time) in [(3, 100), (1, 200), (9, 100), (5, 300), (2, -5)] {
        followed.put(&token(id, time, 1, 2));
    }
    assert_eq!(followed.listed("acme"), [5, 1, 3, 9, 2]);
}

#[test]
fn a_slot_that_is_used_again_shows_nothing_of_what_it_held() {
    let mut followed = Followed::new();
    let mut restricted = token(7, 100, 1, 2);
    restricted.grant.apis = vec![name("orders")];
    restricted.suspension = Some(crate::authority::token::Suspension {
        time: Moment(100),
        suspended_by: String::new(),
        by_administrator: true,
        reason: String::new(),
    });
    followed.put(&restricted);
    followed.delete(&restricted);
    followed.put(&token(8, 100, 1, 2));
    assert_eq!(followed.find(7), "unknown");
    assert_eq!(followed.verdict(8), Verdict::Valid);
    followed.view(8, |view| assert_eq!(view.records.grant, &full()));
}

#[test]
fn tokens_that_come_and_go_take_no_more_room_than_those_that_stay() {
    let mut followed = Followed::new();
    let bytes = |followed: &Followed| followed.index.read().unwrap().size().bytes;
    followed.put(&token(7, 100, 1, 2));
    let one = bytes(&followed);
    for _ in 0..10_000 {
        followed.put(&token(8, 100, 1, 2));
        followed.delete(&token(8, 100, 1, 2));
    }
    assert!(bytes(&followed) < one + 1000);
}

#[test]
fn a_grant_is_kept_once_and_forgotten_with_its_last_token() {
    let mut followed = Followed::new();
    let mut restricted = |id: u8, net: &str| {
        let mut token = token(id, 100, 1, 2);
        token.grant.allowed_cidrs = vec![Cidr::parse(net).unwrap()];
        followed.put(&token);
        token
    };
    let first = restricted(1, "10.0.0.0/8");
    restricted(2, "10.0.0.0/8");
    restricted(3, "10.0.0.0/8");
    restricted(3, "11.0.0.0/8");
    restricted(3, "12.0.0.0/8");
    assert_eq!(
        grants(&followed),
        [(full().allowed_cidrs.len() + 1, 2), (1, 1)]
    );
    followed.delete(&first);
    followed.delete(&token(2, 100, 1, 2));
    assert_eq!(grants(&followed), [(1, 1)]);
    followed.view(3, |view| {
        assert_eq!(view.records.grant.allowed_cidrs, networks(&["12.0.0.0/8"]));
    });
}

#[test]
fn a_grant_that_was_forgotten_and_comes_back_is_not_mistaken_for_the_one_in_its_place() {
    let mut followed = Followed::new();
    let restricted = |id: u8, net: &str| {
        let mut token = token(id, 100, 1, 2);
        token.grant.allowed_cidrs = networks(&[net]);
        token
    };
    followed.put(&restricted(1, "10.0.0.0/8"));
    followed.delete(&restricted(1, "10.0.0.0/8"));
    followed.put(&restricted(2, "11.0.0.0/8"));
    followed.put(&restricted(3, "10.0.0.0/8"));
    for (id, net) in [(2, "11.0.0.0/8"), (3, "10.0.0.0/8")] {
        followed.view(id, |view| {
            assert_eq!(view.records.grant.allowed_cidrs, networks(&[net]));
        });
    }
}

/// The grants in use: how many networks each allows, and by how many tokens it is used.
fn grants(followed: &Followed) -> Vec<(usize, u32)> {
    let state = followed.index.read().unwrap();
    let mut uses: Vec<(usize, u32)> = state
        .tokens
        .grants_in_use()
        .map(|(grant, uses)| (grant.allowed_cidrs.len(), uses))
        .collect();
    uses.sort_unstable_by(|a, b| b.cmp(a));
    uses
}

#[test]
fn many_tokens_put_changed_and_deleted_at_random_are_as_in_a_plain_map() {
    let mut followed = Followed::new();
    let mut model: BTreeMap<u16, Token> = BTreeMap::new();
    let mut random = 0x2545_f491_u32;
    for _ in 0..20_000 {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let id = u16::try_from(random % 6000).unwrap();
        let mut put = token(0, i64::from(id % 50), 1, 2);
        put.id = wide(id);
        if random % 5 < 2 && model.contains_key(&id) {
            model.remove(&id);
            followed.delete(&put);
        } else {
            put.expire_time = Moment(i64::from((random >> 16) % 70));
            put.grant.apis = vec![name(&format!("api-{}", (random >> 8) % 40))];
            followed.put(&put);
            model.insert(id, put);
        }
    }
    let state = followed.index.read().unwrap();
    assert_eq!(state.size().tokens, model.len());
    for id in 0..6000 {
        match (state.token(wide(id)), model.get(&id)) {
            (Lookup::Known(view), Some(token)) => assert_eq!(view.records.grant, &token.grant),
            (Lookup::Unknown, None) => {}
            _ => panic!("token {id} differs"),
        }
    }
    let slot = state.directory().library_named("acme").unwrap();
    let listed = |sort| slot.tokens.after(sort, None).map(|place| place.id);
    let mut expected: Vec<&Token> = model.values().collect();
    expected.sort_unstable_by_key(|token| (Reverse(token.create_time), token.id));
    assert!(listed(Sort::Created).eq(expected.iter().map(|token| token.id)));
    expected.sort_unstable_by_key(|token| (token.expire_time, token.id));
    assert!(listed(Sort::Expires).eq(expected.iter().map(|token| token.id)));
    let used: u32 = state.tokens.grants_in_use().map(|(_, uses)| uses).sum();
    assert_eq!(used as usize, model.len());
    assert!(state.tokens.grants_in_use().count() <= 40);
}

#[test]
fn the_tokens_of_each_user_are_as_in_a_plain_map_while_they_come_go_and_change() {
    let mut followed = Followed::new();
    let mut model: BTreeMap<u16, (u8, Token)> = BTreeMap::new();
    let mut random = 0x9e37_79b9_u32;
    for round in 0..6000 {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let id = u16::try_from(random % 400).unwrap();
        // Of three users; what is put again may be another's, and a slot that was freed is used again.
        let user = 2 + u8::try_from((random >> 16) % 3).unwrap();
        let mut put = token(0, i64::from(id), 1, user);
        put.id = wide(id);
        if random % 5 < 2 && model.remove(&id).is_some() {
            followed.delete(&put);
        } else {
            followed.put(&put);
            model.insert(id, (user, put));
        }
        if round % 100 != 0 {
            continue;
        }
        let state = followed.index.read().unwrap();
        for user in [2, 3, 4] {
            let theirs = model.values().filter(|(of, _)| *of == user);
            let mut expected: Vec<TokenId> = theirs.map(|(_, token)| token.id).collect();
            let Some(Lookup::Known(view)) = expected.first().map(|id| state.token(*id)) else {
                continue;
            };
            let slot = view.token.user;
            assert_eq!(state.count_of_user(slot), expected.len());
            let (mut found, mut last) = (Vec::new(), None);
            loop {
                let slice = state.some_of_user(slot, last, 7).unwrap();
                found.extend(slice.iter().map(|view| view.token.id));
                last = slice.last().map(|view| view.token.id);
                if slice.len() < 7 {
                    break;
                }
            }
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn a_look_along_a_users_tokens_misses_none_that_change_and_notices_that_its_place_is_gone() {
    let mut followed = Followed::new();
    for id in 1..=4 {
        followed.put(&token(id, 100, 1, 2));
    }
    let first_id = |view: &View<'_>| view.token.id.0[0];
    let some = |followed: &Followed, after: Option<u8>| -> Option<Vec<u8>> {
        let state = followed.index.read().unwrap();
        let Lookup::Known(view) = state.token(TokenId([1; 16])) else {
            panic!("token 1 is not known");
        };
        let after = after.map(|id| TokenId([id; 16]));
        let found = state.some_of_user(view.token.user, after, 2)?;
        Some(found.iter().map(first_id).collect())
    };
    assert_eq!(some(&followed, None), Some(vec![4, 3]));
    // One behind and the one ahead are changed, and another is made.
    for id in [4, 2] {
        followed.put(&token(id, 200, 1, 2));
    }
    followed.put(&token(5, 100, 1, 2));
    assert_eq!(some(&followed, Some(3)), Some(vec![2, 1]));
    followed.delete(&token(3, 100, 1, 2));
    assert_eq!(some(&followed, Some(3)), None);
    followed.put(&token(3, 100, 1, 9));
    assert_eq!(some(&followed, Some(3)), None, "it is another's now");
    assert_eq!(some(&followed, None), Some(vec![5, 4]));
}

fn wide(id: u16) -> TokenId {
    let [high, low] = id.to_be_bytes();
    let mut bytes = [0; 16];
    (bytes[0], bytes[7], bytes[15]) = (high, low, low);
    TokenId(bytes)
}
