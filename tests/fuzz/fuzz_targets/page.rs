//! Page tokens: the one that was given is taken, by whom it was given to, for the same list; any other is refused.

#![no_main]

use std::sync::{LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use token_authority::proto::v1;
use token_authority_fuzz::stage::{Holder, LIBRARY, Stage};
use tonic::Code;

/// What gives the token, and what it is then presented to.
struct Lists {
    stage: Stage,
    given: Vec<String>,
}

/// The lists that have more than one page.
const LISTS: [(&str, Holder); 4] = [
    ("TokenAdmin/ListTokens", Holder::Operator),
    ("TokenAdmin/ListTokens", Holder::Administrator),
    ("Directory/ListUsers", Holder::Operator),
    ("Directory/ListLibraries", Holder::Operator),
];

static LISTS_AND_TOKENS: LazyLock<Mutex<Lists>> = LazyLock::new(|| {
    let stage = Stage::new();
    let given = LISTS
        .map(|(path, holder)| next(&stage, path, holder, "").expect("a first page"))
        .to_vec();
    assert!(
        given.iter().all(|token| !token.is_empty()),
        "there is a second page"
    );
    Mutex::new(Lists { stage, given })
});

// A byte says which token it begins with, one what it is presented to, one how much of it is kept; the rest are pairs of a
// place and of what is put there, and what is left over is appended.
fuzz_target!(|input: &[u8]| {
    let Some(([from, to, kept], edits)) = input.split_first_chunk() else {
        return;
    };
    let lists = LISTS_AND_TOKENS.lock().expect("one thread");
    let (from, to) = (
        usize::from(*from) % LISTS.len(),
        usize::from(*to) % LISTS.len(),
    );
    let mut token = lists.given[from].clone().into_bytes();
    token.truncate(usize::from(*kept));
    let mut edits = edits.iter();
    while let (Some(place), Some(byte)) = (edits.next(), edits.next()) {
        match token.get_mut(usize::from(*place)) {
            Some(there) => *there = *byte,
            None => token.push(*byte),
        }
    }
    let Ok(token) = String::from_utf8(token) else {
        return;
    };
    let (path, holder) = LISTS[to];
    let own = token.to_ascii_lowercase() == lists.given[to];
    let answer = next(&lists.stage, path, holder, &token);
    assert_eq!(
        answer.is_some(),
        own || token.is_empty(),
        "{path} was given {token}"
    );
});

/// The token of the page that follows on this one; `None` if it is refused.
fn next(stage: &Stage, path: &str, holder: Holder, token: &str) -> Option<String> {
    let (library, page_token, page_size) = (LIBRARY.to_owned(), token.to_owned(), 1);
    let message = match path {
        "TokenAdmin/ListTokens" => v1::ListTokensRequest {
            library,
            page_token,
            page_size,
            ..Default::default()
        }
        .encode_to_vec(),
        "Directory/ListUsers" => v1::ListUsersRequest {
            library,
            page_token,
            page_size,
        }
        .encode_to_vec(),
        _ => v1::ListLibrariesRequest {
            page_token,
            page_size,
        }
        .encode_to_vec(),
    };
    let (code, answer) = stage.call(
        &format!("/tokenauthority.v1.{path}"),
        Some(holder),
        &message,
    );
    if code != Code::Ok {
        assert_eq!(code, Code::InvalidArgument);
        return None;
    }
    let next = match path {
        "TokenAdmin/ListTokens" => {
            v1::ListTokensResponse::decode(&answer[..]).map(|page| page.next_page_token)
        }
        "Directory/ListUsers" => {
            v1::ListUsersResponse::decode(&answer[..]).map(|page| page.next_page_token)
        }
        _ => v1::ListLibrariesResponse::decode(&answer[..]).map(|page| page.next_page_token),
    };
    Some(next.expect("an answer is a message"))
}
