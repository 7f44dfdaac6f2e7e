//! What one judgement costs, look-up included, as users, user types, tokens and watermarks grow: by an index that is fed as the
//! store's writer feeds it, without the network and without the HMAC, which costs the same whatever there is.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use token_authority::authority::directory::Uid;
use token_authority::authority::index::{Index, Lookup};
use token_authority::authority::judge::{self, Demand};
use token_authority::authority::keys::HmacKeys;
use token_authority::authority::keyspace;
use token_authority::authority::moment::Moment;
use token_authority::authority::name::Name;
use token_authority::authority::permission::Permission;
use token_authority::authority::secret::{Secret, TokenId};
use token_authority::proto::store::{
    AssignmentRecord, GrantRecord, LibraryRecord, TokenRecord, UserRecord, UserTypeRecord,
    WatermarkRecord,
};
use token_authority::store::{Committed, Event, Follower, Key, Load, Record, Revision};

use crate::Scale;
use crate::harness::{LIBRARY, PERMISSION};
use crate::table::{self, row};

/// Judgements of one measurement.
const JUDGEMENTS: usize = 200_000;
/// Tokens that are judged in turn where they are chosen at random.
const CHOSEN: usize = 1 << 16;
/// Records that the index is handed at once.
const BATCH: usize = 1000;
const NOW: Moment = Moment(1_800_000_000_000);
const UID: Uid = Uid([7; 16]);

/// How many there are of each.
#[derive(Debug, Clone, Copy)]
struct Population {
    users: usize,
    user_types: usize,
    tokens: usize,
    watermarks: usize,
}

const ONE: Population = Population {
    users: 1,
    user_types: 1,
    tokens: 1,
    watermarks: 0,
};

/// Nanoseconds of a judgement.
struct Cost {
    /// Of the same token again and again: what the structures cost.
    same: Vec<f64>,
    /// Of tokens at random: with what the caches of the machine don't hold.
    random: Vec<f64>,
}

pub(crate) fn run(scale: Scale) {
    let sizes = [1, 1000, scale.tokens];
    // The first one warms the processor up, and does not count.
    let _ = cost(ONE, scale);
    let base = cost(ONE, scale);
    let mut rows = vec![row![
        "",
        "how many",
        "the same token, ns",
        "ratio",
        "tokens at random, ns"
    ]];
    for (name, grown) in [
        (
            "users",
            (|n| Population { users: n, ..ONE }) as fn(usize) -> Population,
        ),
        ("user types", |n| Population {
            user_types: n,
            ..ONE
        }),
        ("tokens", |n| Population { tokens: n, ..ONE }),
        ("users, each with a watermark", |n| Population {
            users: n,
            watermarks: n,
            ..ONE
        }),
        ("all of them", |n| Population {
            users: n,
            user_types: n,
            tokens: n,
            watermarks: n,
        }),
    ] {
        for size in sizes {
            let cost = cost(grown(size), scale);
            rows.push(row![
                name,
                table::count(size as f64),
                table::spread(&cost.same, 0),
                format!(
                    "{:.2}",
                    table::median(&cost.same) / table::median(&base.same)
                ),
                table::spread(&cost.random, 0)
            ]);
        }
    }
    table::print(
        &format!(
            "One judgement, {} rounds of {}; the ratio is to one of each. The HMAC before it takes {} ns",
            scale.rounds,
            table::count(JUDGEMENTS as f64),
            table::spread(&proofs(scale), 0)
        ),
        &rows,
    );
}

fn cost(population: Population, scale: Scale) -> Cost {
    let index = populated(population);
    let chosen: Vec<TokenId> = (0..CHOSEN)
        .map(|n| token_id(usize::try_from(mixed(n as u64)).unwrap_or(n) % population.tokens))
        .collect();
    let same = vec![chosen[0]; 1];
    let measured = |ids: &[TokenId]| (0..scale.rounds).map(|_| judge_all(&index, ids)).collect();
    Cost {
        same: measured(&same),
        random: measured(&chosen),
    }
}

/// Judges these tokens in turn; nanoseconds of each judgement.
fn judge_all(index: &Index, ids: &[TokenId]) -> f64 {
    let demand = Demand {
        library: Name::parse(LIBRARY).ok(),
        permissions: vec![Permission::parse(PERMISSION).expect("a permission")],
        ..Demand::default()
    };
    let started = Instant::now();
    for id in ids.iter().cycle().take(JUDGEMENTS) {
        let state = index.read().expect("a sound index");
        let Lookup::Known(view) = state.token(*id) else {
            panic!("{id} is not known");
        };
        let rights = judge::judge(view.records, black_box(&demand), NOW);
        assert!(black_box(rights).is_ok(), "{id} is not good");
    }
    started.elapsed().as_secs_f64() * 1e9 / JUDGEMENTS as f64
}

/// Nanoseconds of one proof of a secret.
fn proofs(scale: Scale) -> Vec<f64> {
    let mut keys = HmacKeys::none();
    keys.put(1, Revision(1), &[3; 32]);
    let secret = Secret::mint().expect("randomness");
    let tag = keys.tag(&secret);
    let expected = Some((tag.short(), tag.key_version));
    (0..scale.rounds)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..JUDGEMENTS {
                assert!(keys.proves(black_box(&secret), black_box(expected)));
            }
            started.elapsed().as_secs_f64() * 1e9 / JUDGEMENTS as f64
        })
        .collect()
}

// === the index ===

fn populated(population: Population) -> Arc<Index> {
    let index = Arc::new(Index::new());
    let mut feed = Feed {
        index: index.clone(),
        events: Vec::new(),
        revision: 0,
    };
    feed.put(keyspace::library(LIBRARY), &library());
    for n in 0..population.user_types {
        let key = keyspace::user_type(UID, &user_type(n));
        feed.put(key, &granting());
    }
    for n in 0..population.users {
        let key = keyspace::user(UID, &user(n));
        feed.put(key, &user_record(n, population));
    }
    for n in 0..population.watermarks {
        // The oldest of all: it must be looked at, and revokes nothing.
        let key = [keyspace::WATERMARKS, &uid(n).0, &[0, 1]].concat();
        let record = WatermarkRecord {
            created_before: 1,
            ..Default::default()
        };
        feed.put(key, &record);
    }
    for n in 0..population.tokens {
        feed.put(keyspace::token(token_id(n)), &token_record(n, population));
    }
    feed.publish();
    feed.complete();
    index
}

/// Hands records to the index as the store's writer does.
struct Feed {
    index: Arc<Index>,
    events: Vec<Event>,
    revision: u64,
}

// === impl Feed ===

impl Feed {
    fn put(&mut self, key: Key, record: &impl prost::Message) {
        let revision = Revision(self.revision + 1);
        self.events.push(Event::Put(Record {
            key,
            value: keyspace::frame(record),
            create_revision: revision,
            mod_revision: revision,
        }));
        if self.events.len() == BATCH {
            self.publish();
        }
    }

    fn publish(&mut self) {
        self.revision += 1;
        let events = std::mem::take(&mut self.events);
        let revision = Revision(self.revision);
        self.index.publish(&[Committed { revision, events }]);
    }

    /// Says that no token is missing.
    fn complete(&mut self) {
        let load = Load::Slice {
            prefix: keyspace::TOKENS.to_vec(),
            after: None,
            limit: BATCH,
        };
        self.index.loaded(&load, Vec::new());
    }
}

fn library() -> LibraryRecord {
    LibraryRecord {
        uid: UID.0.to_vec(),
        tokens_enabled: true,
        default_lifetime: "12mo".into(),
        suggested_lifetime: "12mo".into(),
        max_lifetime: "24mo".into(),
        ..Default::default()
    }
}

fn granting() -> UserTypeRecord {
    UserTypeRecord {
        permissions: vec![PERMISSION.into()],
        ..Default::default()
    }
}

fn user_record(n: usize, population: Population) -> UserRecord {
    UserRecord {
        uid: uid(n).0.to_vec(),
        kind: 1,
        assignments: vec![AssignmentRecord {
            department: String::new(),
            user_type: user_type(n % population.user_types).to_string(),
        }],
        ..Default::default()
    }
}

fn token_record(n: usize, population: Population) -> TokenRecord {
    let owner = n % population.users;
    TokenRecord {
        kind: 1,
        library: LIBRARY.into(),
        library_uid: UID.0.to_vec(),
        user: user(owner).to_string(),
        user_uid: uid(owner).0.to_vec(),
        create_time: NOW.0 - 1000,
        expire_time: NOW.0 + 1000,
        grant: Some(GrantRecord {
            access_right: 1,
            ..Default::default()
        }),
        tag: vec![0; 32],
        key_version: 1,
        ..Default::default()
    }
}

fn user(n: usize) -> Name {
    Name::parse(&format!("user-{n}")).expect("a name")
}

fn user_type(n: usize) -> Name {
    Name::parse(&format!("type-{n}")).expect("a name")
}

fn uid(n: usize) -> Uid {
    Uid(wide(n, 1))
}

fn token_id(n: usize) -> TokenId {
    TokenId(wide(n, 2))
}

/// 16 bytes that look random, and are the same at each call.
pub(crate) fn wide(n: usize, kind: u64) -> [u8; 16] {
    let (high, low) = (mixed(n as u64 ^ (kind << 62)), n as u64 ^ (kind << 48));
    (u128::from(high) << 64 | u128::from(mixed(low))).to_be_bytes()
}

/// The finalizer of the generator `SplitMix64`.
pub(crate) fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
