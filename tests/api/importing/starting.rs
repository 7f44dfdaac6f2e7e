//! A server that was killed, asked about strings of another system while it still loads its tokens.

use tonic::Code;

use super::*;
use crate::disk;
use crate::harness::{Clients, Server};

/// Tokens that nobody asks about; as many again at each attempt.
const FILLING: usize = 20_000;
const ATTEMPTS: usize = 3;
const OTHER: &str = "shop8.hash-of-unknown";

#[tokio::test]
async fn a_server_that_still_loads_its_tokens_judges_strings_of_another_system_as_ever() {
    let world = world_with_ann().await;
    let (filling, minted) = world.token(asking(ACME, "ann")).await;
    let request = batch(vec![plaintext(STRONG), plaintext(WEAK)]);
    let results = import(&world, request).await;
    assert!(results.iter().all(|result| result.error.is_none()));
    let data = world.killed();
    for _ in 0..ATTEMPTS {
        disk::fill(data.path(), &filling.token_id, FILLING).await;
        let server = Server::start(data.path());
        let clients = server.clients(&server.operator_secret());
        opened(&clients, &minted).await;
        // From here on nothing is put off.
        judge(&clients).await;
        let loads = server.logged("index complete").is_none();
        server.kill9();
        if loads {
            return;
        }
    }
    panic!("the index was complete before all was asked");
}

/// Waits until the store is open: until then every call is UNAVAILABLE.
async fn opened(clients: &Clients, minted: &str) {
    let mut verifier = clients.verify.clone();
    loop {
        match verifier.verify(presenting(minted)).await {
            Ok(answer) => return assert_eq!(answer.into_inner().verdict(), Verdict::Valid),
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
        }
    }
}

async fn judge(clients: &Clients) {
    for (token, library, expected) in [
        ("garbage-from-somewhere", RIVAL, Verdict::Malformed),
        (WEAK, RIVAL, Verdict::Malformed),
        (WEAK, "", Verdict::Valid),
        (STRONG, "", Verdict::Valid),
        ("shop7.winter-of-2020", ACME, Verdict::NotFound),
        ("garbage-from-somewhere", "", Verdict::NotFound),
    ] {
        let request = VerifyRequest {
            library: library.into(),
            ..presenting(token)
        };
        let told = verify(clients, request).await.verdict();
        assert_eq!(told, expected, "{token} of {library:?}");
    }
    // One that was imported at an earlier attempt is there already.
    let mut admin = clients.admin.clone();
    let request = batch(vec![plaintext(WEAK), argon2(OTHER, "shop8")]);
    let answer = admin.import_tokens(request).await.unwrap().into_inner();
    assert_eq!(
        reason_of(&error_of(&answer.results[0])),
        ErrorReason::AlreadyImported
    );
    let other = verify(clients, presenting(OTHER)).await;
    assert_eq!(other.verdict(), Verdict::Valid);
}
