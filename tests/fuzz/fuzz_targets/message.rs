//! Messages of every method, through all layers above a connection: each gets an answer that says what is wrong with it, and
//! none tells a secret that somebody holds.

#![no_main]

use std::sync::{LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;
use token_authority::store::Revision;
use token_authority_fuzz::calls;
use token_authority_fuzz::stage::{HOLDERS, Stage};
use tonic::Code;

/// Most calls of one input.
const CALLS: usize = 6;

static STAGE: LazyLock<Mutex<(Stage, Revision)>> = LazyLock::new(|| Mutex::new(anew()));

// Of each call two bytes that say which method it is, one that says whose credential it has, two of the length of the message,
// and the message.
fuzz_target!(|input: &[u8]| {
    let mut stage = STAGE.lock().expect("one thread");
    let mut rest = input;
    for _ in 0..CALLS {
        let Some(([first, second, holder, low, high], message)) = rest.split_first_chunk() else {
            break;
        };
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(message.len());
        let (message, after) = message.split_at(length);
        rest = after;
        let path = calls::path([*first, *second]);
        let (code, answer) = stage.0.call(path, calls::holder(*holder), message);
        let at_fault = matches!(
            code,
            Code::Internal | Code::Unknown | Code::DataLoss | Code::DeadlineExceeded
        );
        assert!(!at_fault, "{path} answers {code:?}");
        for holder in HOLDERS {
            let credential = holder.credential();
            assert!(
                !answer
                    .windows(credential.len())
                    .any(|part| part == credential.as_bytes())
            );
        }
    }
    // Whatever was changed is undone, so that each input finds the same.
    if stage.0.head() != stage.1 {
        *stage = anew();
    }
});

fn anew() -> (Stage, Revision) {
    let stage = Stage::new();
    let head = stage.head();
    (stage, head)
}
