//! Stored records: whatever is on the disk, it is understood whole or refused, and nothing that is refused is good.

#![no_main]

use std::sync::{LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;
use prost::Message;
use token_authority::authority::audit::AuditEvent;
use token_authority::authority::directory::{Library, User, UserType};
use token_authority::authority::import::Cuts;
use token_authority::authority::index::Lookup;
use token_authority::authority::judge::Verdict;
use token_authority::authority::keyspace::{self, Stored};
use token_authority::authority::password::KeptPassword;
use token_authority::authority::token::Token;
use token_authority::authority::watermark::Watermark;
use token_authority::proto::{store, v1};
use token_authority::store::{Change, Revision, Store as _};
use token_authority_fuzz::stage::{HOLDERS, Holder, LIBRARY, NOW, Stage};
use tonic::Code;

/// After how many commits everything is set up anew: audit events and uses pile up.
const COMMITS: u64 = 2000;

static STAGE: LazyLock<Mutex<Stage>> = LazyLock::new(|| Mutex::new(Stage::new()));

// A byte of the key's length, the key, and the value without its version.
fuzz_target!(|input: &[u8]| {
    let Some((length, rest)) = input.split_first() else {
        return;
    };
    let Some((key, bytes)) = rest.split_at_checked(usize::from(*length % 64)) else {
        return;
    };
    let understood = match key.get(..1) {
        Some(keyspace::LIBRARIES) => stored::<Library>(key, bytes),
        Some(keyspace::USER_TYPES) => stored::<UserType>(key, bytes),
        Some(keyspace::USERS) => stored::<User>(key, bytes),
        Some(keyspace::PASSWORDS) => stored::<KeptPassword>(key, bytes),
        Some(keyspace::TOKENS) => stored::<Token>(key, bytes),
        Some(keyspace::AUDIT) => stored::<AuditEvent>(key, bytes),
        Some(keyspace::IMPORTS) => stored::<Cuts>(key, bytes),
        Some(keyspace::WATERMARKS) => stored::<Watermark>(key, bytes),
        Some(keyspace::USES) => framed::<store::UsesRecord>(bytes),
        Some(keyspace::DUE) => framed::<store::DueRecord>(bytes),
        Some(keyspace::REQUESTS) => framed::<store::RequestRecord>(bytes),
        Some(keyspace::USAGE) => framed::<store::UsageRecord>(bytes),
        Some(keyspace::CLOCK) => framed::<store::ClockRecord>(bytes),
        _ => return,
    };
    if bytes.len() < 4000 {
        live(key, bytes, understood);
    }
});

/// What is understood is written as something that is understood as the same.
fn stored<T: Stored>(key: &[u8], bytes: &[u8]) -> bool {
    let Some(value) = T::from_record(key, bytes) else {
        return false;
    };
    let written = value.to_record();
    let again = T::from_record(key, &written).expect("what was written is understood");
    assert_eq!(again.to_record(), written);
    true
}

fn framed<M: Message + Default + PartialEq>(bytes: &[u8]) -> bool {
    let Ok(message) = M::decode(bytes) else {
        return false;
    };
    // Rather than the messages, of which one may hold what no two are equal by, what is written of them.
    let written = message.encode_to_vec();
    let again = M::decode(written.as_slice()).expect("what was written is understood");
    assert_eq!(again.encode_to_vec(), written);
    true
}

/// Puts it where the authority finds it, asks about everything, and takes it back.
fn live(key: &[u8], bytes: &[u8], understood: bool) {
    let mut stage = STAGE.lock().expect("one thread");
    let before = stage.runtime.block_on(stage.store.get(vec![key.to_vec()]));
    let before = before.expect("the store is sound").pop().flatten();
    let value = [&[1], bytes].concat();
    let put = stage
        .store
        .commit(Vec::new(), vec![Change::Put(key.to_vec(), value)]);
    stage
        .runtime
        .block_on(put)
        .expect("key and value are short enough");

    if !understood {
        for holder in HOLDERS
            .into_iter()
            .filter(|holder| holder.keys().iter().any(|own| own == key))
        {
            let verdict = stage.verdict(holder);
            assert_ne!(
                verdict,
                Some(Verdict::Valid),
                "{holder:?} has a record that is not understood"
            );
        }
        if let Some(id) = keyspace::token_id(key).filter(|_| key.starts_with(keyspace::TOKENS)) {
            let index = stage.index.read().expect("the index is sound");
            assert!(
                !matches!(index.token(id), Lookup::Known(_)),
                "it is not understood, and yet known"
            );
        }
    }
    ask(&stage);

    let back = match before {
        Some(before) => Change::Put(before.key, before.value),
        None => Change::Delete(key.to_vec()),
    };
    let back = stage.store.commit(Vec::new(), vec![back]);
    stage.runtime.block_on(back).expect("it was there before");
    // Where a record was there that can't be, such as another library of the same name, what belonged to the first is gone.
    let sound = HOLDERS
        .into_iter()
        .all(|holder| stage.verdict(holder) == Some(Verdict::Valid));
    if !sound || stage.head() > Revision(COMMITS) {
        *stage = Stage::new();
    }
}

/// Reads records of every kind, and carries out what is due.
fn ask(stage: &Stage) {
    let library = String::from(LIBRARY);
    for (path, message) in [
        (
            "Directory/ListLibraries",
            encoded(v1::ListLibrariesRequest::default()),
        ),
        (
            "Directory/ListUsers",
            encoded(v1::ListUsersRequest {
                library: library.clone(),
                ..Default::default()
            }),
        ),
        (
            "Directory/ListUserTypes",
            encoded(v1::ListUserTypesRequest {
                library: library.clone(),
                ..Default::default()
            }),
        ),
        (
            "TokenAdmin/ListTokens",
            encoded(v1::ListTokensRequest {
                library: library.clone(),
                show_revoked: true,
                ..Default::default()
            }),
        ),
        (
            "TokenAdmin/ListAuditEvents",
            encoded(v1::ListAuditEventsRequest {
                library: library.clone(),
                ..Default::default()
            }),
        ),
        (
            "TokenAdmin/ReviewTokens",
            encoded(v1::ReviewTokensRequest {
                library,
                ..Default::default()
            }),
        ),
    ] {
        let (code, _) = stage.call(
            &format!("/tokenauthority.v1.{path}"),
            Some(Holder::Operator),
            &message,
        );
        assert!(
            !matches!(code, Code::Internal | Code::Unknown),
            "{path} answers {code:?}"
        );
    }
    stage.runtime.block_on(async {
        // What can't be done now is tried again later.
        let _ = stage.authority.tell_due(NOW).await;
        let _ = stage.authority.tell_refused(NOW).await;
        let _ = stage.authority.keep_uses(NOW).await;
        let _ = stage.authority.sweep(NOW).await;
    });
}

fn encoded(message: impl Message) -> Vec<u8> {
    message.encode_to_vec()
}
