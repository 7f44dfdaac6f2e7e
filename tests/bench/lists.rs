//! A page of `ListTokens` in a library of a million tokens, for each filter: how long it takes, and how many tokens it looks at.
//!
//! The tokens are written to the store before the server starts: what is measured is the list, not the fill.

use std::path::Path;
use std::time::Instant;

use prost::Message as _;
use token_authority::authority::keyspace;
use token_authority::authority::secret::TokenId;
use token_authority::proto::store::{
    GrantRecord, LibraryRecord, RevocationRecord, SuspensionRecord, TokenRecord, UserRecord,
};
use token_authority::proto::v1::{
    Assignment, CreateUserRequest, ImportStrength, ListTokensRequest, TokenKind, TokenSort,
    TokenState,
};
use token_authority::store::sled::SledStore;
use token_authority::store::{Change, Store};

use crate::creates::Nobody;
use crate::harness::{Clients, LIBRARY, PERMISSION, Server, USER, furnish};
use crate::table::{self, row};
use crate::{Scale, data_dir, runtime};

/// The line that tells what a list looked at.
const LOG: [&str; 2] = [
    "--log-level",
    "info,token_authority::grpc::context=warn,token_authority::authority::list=debug",
];
const LISTED: &str = "listed tokens";
/// Tokens of one commit of the fill.
const BATCH: usize = 500;
/// One of so many tokens is the rare user's.
const RARE: usize = 50_000;
const RARE_USER: &str = "rare";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

pub(crate) fn run(scale: Scale) {
    runtime().block_on(measure(scale));
}

async fn measure(scale: Scale) {
    let folder = data_dir();
    prepare(folder.path(), scale.tokens).await;
    let server = Server::start_with(folder.path(), &LOG, &[]);
    server.ready().await;
    let clients = server.clients(&server.operator_secret());
    let mut rows = vec![row![
        "filter",
        "tokens in the page",
        "looked at",
        "the page, ms"
    ]];
    for (name, filter) in filters(now_ms()) {
        rows.push(list(&server, &clients, name, &filter, scale).await);
    }
    table::print(
        &format!(
            "A first page of 50 of ListTokens, {} tokens in the library, {} rounds each",
            table::count(scale.tokens as f64),
            scale.rounds
        ),
        &rows,
    );
}

async fn list(
    server: &Server,
    clients: &Clients,
    name: &str,
    filter: &ListTokensRequest,
    scale: Scale,
) -> Vec<String> {
    let (mut times, mut found) = (Vec::new(), 0);
    for _ in 0..scale.rounds {
        let request = ListTokensRequest {
            library: LIBRARY.into(),
            ..filter.clone()
        };
        let asked = Instant::now();
        let answer = clients.admin.clone().list_tokens(request).await;
        times.push(asked.elapsed().as_secs_f64() * 1000.0);
        found = answer.expect("a page").into_inner().tokens.len();
    }
    let examined = examined(server);
    row![
        name,
        found,
        table::count(examined),
        table::spread(&times, 2)
    ]
}

/// How many tokens the newest list looked at.
fn examined(server: &Server) -> f64 {
    let log = server.log();
    let line = log.lines().rev().find(|line| line.contains(LISTED));
    let event: serde_json::Value =
        serde_json::from_str(line.expect("a line for each list")).expect("a line of JSON");
    let fields = event.get("fields").unwrap_or(&event);
    fields["examined"].as_f64().expect("a number")
}

/// What the list keeps in order or by owner, and what it finds by a look at each token.
fn filters(now_ms: i64) -> Vec<(&'static str, ListTokensRequest)> {
    let mut filters = of_what_they_are().to_vec();
    filters.extend(of_time(now_ms));
    filters.extend(of_text_and_rights());
    filters
}

fn all() -> ListTokensRequest {
    ListTokensRequest::default()
}

fn of_what_they_are() -> [(&'static str, ListTokensRequest); 8] {
    let state = |state: TokenState| ListTokensRequest {
        states: vec![state.into()],
        ..all()
    };
    let user = |user: &str| ListTokensRequest {
        user: user.into(),
        ..all()
    };
    let pinned = |department: &str, user_type: &str| ListTokensRequest {
        department: department.into(),
        user_type: user_type.into(),
        ..all()
    };
    let sessions = ListTokensRequest {
        kind: TokenKind::Session.into(),
        ..all()
    };
    [
        ("none", all()),
        ("state: suspended (1 of 100)", state(TokenState::Suspended)),
        ("state: revoked (1 of 20)", state(TokenState::Revoked)),
        ("kind: session (1 of 10)", sessions),
        ("user: of nearly all", user(USER)),
        ("user: of 1 in 50,000", user(RARE_USER)),
        ("department pinned (1 of 1,000)", pinned("d-1", "")),
        ("user type pinned (1 of 1,000)", pinned("", "reader")),
    ]
}

fn of_time(now_ms: i64) -> [(&'static str, ListTokensRequest); 7] {
    let time = |ms: i64| {
        let seconds = ms / 1000;
        Some(prost_types::Timestamp { seconds, nanos: 0 })
    };
    let created = ListTokensRequest {
        created_after: time(now_ms - 180 * DAY_MS),
        created_before: time(now_ms - 179 * DAY_MS),
        ..all()
    };
    let expiring = |sort: TokenSort| ListTokensRequest {
        expires_within: "30d".into(),
        sort: sort.into(),
        ..all()
    };
    let by_expiry = ListTokensRequest {
        sort: TokenSort::Expires.into(),
        ..all()
    };
    let longer = ListTokensRequest {
        longer_than_policy: true,
        ..all()
    };
    let used = ListTokensRequest {
        used_after: time(now_ms - DAY_MS),
        ..all()
    };
    let unused = ListTokensRequest {
        unused_since: time(now_ms - 90 * DAY_MS),
        ..all()
    };
    [
        ("none, soonest expiry first", by_expiry),
        ("created in one day of a year", created),
        (
            "expiring within 30 days, soonest first",
            expiring(TokenSort::Expires),
        ),
        (
            "expiring within 30 days, newest first",
            expiring(TokenSort::Created),
        ),
        ("longer than policy (1 of 200)", longer),
        ("used within a day (none was)", used),
        ("unused for 90 days", unused),
    ]
}

fn of_text_and_rights() -> [(&'static str, ListTokensRequest); 7] {
    let issued = ListTokensRequest {
        issued_by: "acme/boss".into(),
        ..all()
    };
    let named = |text: &str| ListTokensRequest {
        name_contains: text.into(),
        ..all()
    };
    let holding = |permission: &str| ListTokensRequest {
        permission: permission.into(),
        ..all()
    };
    let restricted = ListTokensRequest {
        restricted_by_ip: Some(true),
        ..all()
    };
    let imported = ListTokensRequest {
        imported: ImportStrength::Weak.into(),
        ..all()
    };
    [
        ("issued by (1 of 1,000)", issued),
        ("name contains (1 of 10,000)", named("NIGHTLY")),
        ("name contains what none has", named("nobody")),
        ("permission held", holding(PERMISSION)),
        ("permission that none holds", holding("orders:write")),
        ("restricted by IP (1 of 5)", restricted),
        ("imported weak (none was)", imported),
    ]
}

// === the store ===

/// Makes a library with users through the API, and writes its tokens to the store of the stopped server.
async fn prepare(data_dir: &Path, tokens: usize) {
    let server = Server::start_with(data_dir, &LOG, &[]);
    furnish(&server).await;
    let mut directory = server.clients(&server.operator_secret()).directory;
    let rare = CreateUserRequest {
        library: LIBRARY.into(),
        user: RARE_USER.into(),
        assignments: vec![Assignment {
            department: String::new(),
            user_type: "reader".into(),
        }],
        ..Default::default()
    };
    directory.create_user(rare).await.expect("a user");
    let status = server.terminate();
    assert!(status.success(), "{status}");

    let store = SledStore::open(&data_dir.join("store"), Box::new(Nobody)).expect("the store");
    let owners = Owners::read(&store).await;
    let mut changes = Vec::with_capacity(BATCH);
    for n in 0..tokens {
        let id = TokenId(crate::judge::wide(n, 3));
        let value = keyspace::frame(&owners.token(n, tokens, now_ms()));
        changes.push(Change::Put(keyspace::token(id), value));
        if changes.len() == BATCH || n + 1 == tokens {
            let commit = store.commit(Vec::new(), std::mem::take(&mut changes));
            commit.await.expect("a commit");
        }
    }
    store.close().await;
}

/// The uids of the library and of its users.
struct Owners {
    library: Vec<u8>,
    user: Vec<u8>,
    rare: Vec<u8>,
}

// === impl Owners ===

impl Owners {
    async fn read(store: &SledStore) -> Owners {
        let found = store.get(vec![keyspace::library(LIBRARY)]).await;
        let record = found.expect("a read").pop().flatten().expect("the library");
        let library: LibraryRecord = keyspace::unframe(&record).expect("a sound record");
        let users = store.scan(keyspace::USERS.to_vec(), None, 1000).await;
        let users = users.expect("a read");
        let uid = |name: &str| {
            let named = |key: &[u8]| key.ends_with(name.as_bytes());
            let record = users.iter().find(|record| named(&record.key));
            // The first byte is the version of its form.
            let bytes = &record.expect("the user").value[1..];
            UserRecord::decode(bytes).expect("a sound record").uid
        };
        Owners {
            library: library.uid,
            user: uid(USER),
            rare: uid(RARE_USER),
        }
    }

    /// The `n`-th of all tokens: created within the last year, expiring within the next two.
    fn token(&self, n: usize, all: usize, now_ms: i64) -> TokenRecord {
        let one_of = |few: usize| n.is_multiple_of(few);
        let at = |days: i64| {
            i64::try_from(n).unwrap_or(0) * days * DAY_MS / i64::try_from(all).unwrap_or(1)
        };
        let create_time = now_ms - 365 * DAY_MS + at(365);
        // In another order than they were created.
        let expire_time =
            now_ms + i64::try_from(crate::judge::mixed(n as u64) % 700).unwrap_or(0) * DAY_MS + 1;
        let rare = one_of(RARE);
        TokenRecord {
            kind: if n % 10 == 3 { 2 } else { 1 },
            library: LIBRARY.into(),
            library_uid: self.library.clone(),
            user: if rare { RARE_USER } else { USER }.into(),
            user_uid: if rare { &self.rare } else { &self.user }.clone(),
            issued_by: if one_of(1000) {
                "acme/boss"
            } else {
                "system/root"
            }
            .into(),
            display_name: if one_of(10_000) {
                "Nightly export"
            } else {
                "token"
            }
            .into(),
            create_time,
            expire_time: if one_of(200) {
                create_time + 800 * DAY_MS
            } else {
                expire_time.min(create_time + 700 * DAY_MS)
            },
            suspension: one_of(100).then(|| SuspensionRecord {
                time: now_ms,
                ..Default::default()
            }),
            revocation: (n % 20 == 7).then(|| RevocationRecord {
                time: now_ms,
                ..Default::default()
            }),
            grant: Some(GrantRecord {
                access_right: 1,
                department: if n % 1000 == 1 { "d-1" } else { "" }.into(),
                user_type: if n % 1000 == 1 { "reader" } else { "" }.into(),
                allowed_cidrs: if one_of(5) {
                    vec![vec![10, 0, 0, 0, 8]]
                } else {
                    Vec::new()
                },
                ..Default::default()
            }),
            tag: vec![0; 32],
            key_version: 1,
            ..Default::default()
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tokens are made for the time of the server that lists them"
)]
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.map_or(0, |since| since.as_millis())).unwrap_or(i64::MAX)
}
