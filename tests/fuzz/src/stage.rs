//! An authority on the store in memory. Its keys, its records and its time are the same in every process, so that an input
//! that was kept means the same to the next one.

use std::sync::Arc;

use prost::Message;
use token_authority::authority::Authority;
use token_authority::authority::directory::Uid;
use token_authority::authority::index::Index;
use token_authority::authority::judge::{Demand, Verdict};
use token_authority::authority::keys::{HmacKeys, RootKey};
use token_authority::authority::keyspace;
use token_authority::authority::moment::{Moment, Now};
use token_authority::authority::name::Name;
use token_authority::authority::secret::{Secret, TokenId};
use token_authority::clock::{Clock, TimeSource};
use token_authority::proto::store::{
    AssignmentRecord, GrantRecord, KeyRecord, LibraryRecord, RootCheckRecord, TokenRecord,
    UserRecord, UserTypeRecord,
};
use token_authority::store::memory::MemoryStore;
use token_authority::store::{Change, Key, Revision, Store as _};
use tokio::runtime::Runtime;

/// The time of all calls: 1 January 2027.
pub const TIME: Moment = Moment(1_798_761_600_000);
/// The same, with a clock that is trusted.
pub const NOW: Now = Now {
    time: TIME,
    mark: Some(TIME),
};
/// A year, milliseconds.
const YEAR_MS: i64 = 365 * 24 * 60 * 60 * 1000;
/// The library that is not the authority's own.
pub const LIBRARY: &str = "acme";
/// What the users of it may do.
pub const PERMISSION: &str = "orders:read";

/// An authority, and what it stands on.
pub struct Stage {
    /// The store below it.
    pub store: Arc<MemoryStore>,
    /// What follows the store.
    pub index: Arc<Index>,
    /// The authority.
    pub authority: Arc<Authority>,
    /// Its time, which stands still.
    pub clock: Arc<Clock>,
    /// What it runs on.
    pub runtime: Runtime,
}

/// Whose token is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The operator.
    Operator,
    /// The administrator of the library.
    Administrator,
    /// A user that manages its own tokens.
    Person,
    /// A backend that verifies, and opens sessions.
    Backend,
}

/// A clock that stands still.
struct Still;

/// Everybody who holds a token.
pub const HOLDERS: [Holder; 4] = [
    Holder::Operator,
    Holder::Administrator,
    Holder::Person,
    Holder::Backend,
];

impl Stage {
    /// Sets it up anew.
    #[must_use]
    pub fn new() -> Stage {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let index = Arc::new(Index::new());
        let store = Arc::new(MemoryStore::new(Box::new(index.clone())));
        let authority = runtime.block_on(async {
            let root = RootKey::parse(&"5a".repeat(32)).expect("64 digits");
            store
                .commit(Vec::new(), records(&root))
                .await
                .expect("the records are sound");
            let opened = Authority::open(store.clone(), index.clone(), root, TIME)
                .await
                .expect("the store is sound");
            opened
                .authority
                .load_tokens()
                .await
                .expect("the tokens are sound");
            opened.authority
        });
        Stage {
            store,
            index,
            authority,
            clock: Arc::new(Clock::new(TIME.0, Still)),
            runtime,
        }
    }

    /// How many commits there were.
    #[must_use]
    pub fn head(&self) -> Revision {
        self.runtime
            .block_on(self.store.head())
            .expect("the store is sound")
    }

    /// Judges a holder's token, for nothing in particular; `None` if that can't be done.
    #[must_use]
    pub fn verdict(&self, holder: Holder) -> Option<Verdict> {
        let credential = holder.credential();
        let demand = Demand {
            confines_department: true,
            ..Demand::default()
        };
        let judged = self.authority.verify(&credential, &demand, None, NOW);
        self.runtime
            .block_on(judged)
            .ok()
            .map(|judgement| judgement.verdict)
    }
}

impl Default for Stage {
    fn default() -> Self {
        Stage::new()
    }
}

impl TimeSource for Still {
    fn wall_ms(&self) -> i64 {
        TIME.0
    }

    fn boot_ms(&self) -> i64 {
        0
    }
}

impl Holder {
    /// The secret of its token.
    #[must_use]
    pub fn secret(self) -> Secret {
        let number = self as u8 + 1;
        Secret {
            id: TokenId([number; 16]),
            bytes: [number; 32].into(),
        }
    }

    /// Its token, as it presents it.
    #[must_use]
    pub fn credential(self) -> String {
        self.secret().to_secret_string().expose().to_owned()
    }

    /// Where the records lie that its token is judged by.
    #[must_use]
    pub fn keys(self) -> [Key; 3] {
        let ((library, uid), user) = (self.library(), self.name());
        [
            keyspace::token(self.secret().id),
            keyspace::library(library),
            keyspace::user(uid, &user),
        ]
    }

    fn name(self) -> Name {
        Name::parse(self.user()).expect("a name")
    }

    fn user(self) -> &'static str {
        match self {
            Holder::Operator => "root",
            Holder::Administrator => "boss",
            Holder::Person => "jane",
            Holder::Backend => "backend",
        }
    }

    fn library(self) -> (&'static str, Uid) {
        match self {
            Holder::Operator => ("system", Uid([0xf0; 16])),
            _ => (LIBRARY, Uid([0xf1; 16])),
        }
    }

    /// The name of the user type is that of the user.
    fn permissions(self) -> &'static [&'static str] {
        match self {
            Holder::Operator | Holder::Administrator => {
                &["tokens:admin", "directory:admin", "tokens:verify"]
            }
            Holder::Person => &["tokens:self", "orders:*", "*:read"],
            Holder::Backend => &["tokens:verify", "tokens:act-as"],
        }
    }
}

/// All that the store holds in the beginning.
fn records(root: &RootKey) -> Vec<Change> {
    let key = [0x77; 32];
    let place = keyspace::hmac_key(1);
    let wrapped = |wrapped: Result<Vec<u8>, _>| wrapped.expect("the system gives random bytes");
    let check = RootCheckRecord {
        wrapped: wrapped(root.check()),
    };
    let first = KeyRecord {
        wrapped: wrapped(root.wrap(&place, &key)),
        create_time: TIME.0,
    };
    let mut keys = HmacKeys::none();
    keys.put(1, Revision(1), &key);
    let mut changes = vec![
        put(keyspace::ROOT_CHECK.to_vec(), &check),
        put(place, &first),
    ];
    for (library, uid) in [Holder::Operator.library(), Holder::Person.library()] {
        changes.push(put(keyspace::library(library), &library_record(uid)));
    }
    for holder in HOLDERS {
        let ((library, uid), name) = (holder.library(), holder.name());
        let secret = holder.secret();
        let granting = UserTypeRecord {
            permissions: holder
                .permissions()
                .iter()
                .map(|&text| text.into())
                .collect(),
            create_time: TIME.0,
        };
        changes.push(put(keyspace::user_type(uid, &name), &granting));
        changes.push(Change::Put(keyspace::assigned(uid, &name), Vec::new()));
        changes.push(put(keyspace::user(uid, &name), &user_record(holder)));
        changes.push(put(
            keyspace::token(secret.id),
            &TokenRecord {
                library: library.into(),
                library_uid: uid.0.to_vec(),
                tag: keys.tag(&secret).bytes.to_vec(),
                ..token_record(holder)
            },
        ));
    }
    changes
}

fn put(key: Vec<u8>, record: &impl Message) -> Change {
    Change::Put(key, keyspace::frame(record))
}

fn library_record(uid: Uid) -> LibraryRecord {
    LibraryRecord {
        uid: uid.0.to_vec(),
        tenant_id: "t-1".into(),
        tokens_enabled: true,
        default_lifetime: "12mo".into(),
        suggested_lifetime: "12mo".into(),
        max_lifetime: "24mo".into(),
        contact_apis: vec!["status".into()],
        revealable: uid == Holder::Person.library().1,
        session_idle_timeout: "30d".into(),
        create_time: TIME.0 - YEAR_MS,
        ..Default::default()
    }
}

fn user_record(holder: Holder) -> UserRecord {
    UserRecord {
        uid: vec![holder as u8 + 0xe0; 16],
        display_name: holder.user().to_uppercase(),
        kind: 1,
        assignments: vec![AssignmentRecord {
            department: String::new(),
            user_type: holder.user().into(),
        }],
        create_time: TIME.0 - YEAR_MS,
        ..Default::default()
    }
}

fn token_record(holder: Holder) -> TokenRecord {
    // What governs the authority itself must be listed.
    let reserved = holder
        .permissions()
        .iter()
        .filter(|text| text.starts_with("tokens:") || text.starts_with("directory:"));
    TokenRecord {
        kind: 1,
        user: holder.user().into(),
        user_uid: vec![holder as u8 + 0xe0; 16],
        issued_by: "system/root".into(),
        display_name: holder.user().into(),
        create_time: TIME.0 - YEAR_MS,
        expire_time: TIME.0 + YEAR_MS,
        grant: Some(GrantRecord {
            access_right: 1,
            permissions: reserved.map(|&text| text.into()).collect(),
            ..Default::default()
        }),
        key_version: 1,
        ..Default::default()
    }
}
