//! Peers that ask for much and take little of it.

use prost::Message as _;
use token_authority::proto::v1::{VerifyBatchRequest, VerifyBatchResponse, VerifyRequest};

use super::*;
use crate::harness::frames::{
    DATA, END_STREAM, INITIAL_WINDOW, RST_STREAM, call, call_headers, message, settings,
    window_update,
};

/// Checks in a batch: its answer is many pieces.
const CHECKS: usize = 1000;
/// Calls whose answers nobody reads.
const UNREAD: u32 = 150;
/// A short question with a long answer: what is no token at all is told so in a sentence.
const NO_TOKEN: &str = "x";
const SHORT: [&str; 2] = ["--send-timeout", "1s"];

/// A call with a large answer, and the headers that it needs.
fn batch(siege: &Siege, token: &str) -> (Vec<u8>, Vec<u8>) {
    let request = VerifyRequest {
        token: token.into(),
        ..Default::default()
    };
    let batch = VerifyBatchRequest {
        requests: vec![request; CHECKS],
    };
    (siege.headers(BATCH), message(&batch))
}

/// The peer's call is ended, and its connection goes on.
async fn is_cut(peer: &mut Peer) {
    let reset = timeout(PATIENCE, peer.hear_of(RST_STREAM, 0))
        .await
        .expect("an end");
    assert_eq!(reset.unwrap().code(), CANCEL);
    assert!(peer.answers().await);
}

#[tokio::test]
async fn an_answer_that_is_not_taken_is_cut_and_its_connection_goes_on() {
    let siege = Siege::begin(&SHORT).await;
    let (headers, body) = batch(&siege, &siege.secret);
    // No window at all, the smallest, and one that is filled in the middle of a piece.
    for window in [0, 1, 100, 70_000] {
        let mut peer = Peer::connect(siege.server.address(), &[(INITIAL_WINDOW, window)]).await;
        // The window of the connection is not what stands in the way.
        peer.say(&window_update(0, 1 << 20)).await.unwrap();
        peer.say(&call(1, &headers, &body)).await.unwrap();
        let mut taken = 0;
        let reset = loop {
            let frame = timeout(PATIENCE, peer.hear()).await;
            let frame = frame.unwrap_or_else(|_| panic!("not cut: {taken} of {window} taken"));
            let frame = frame.unwrap();
            match frame.kind {
                DATA => taken += frame.payload.len(),
                RST_STREAM => break frame,
                _ => {}
            }
        };
        assert_eq!((reset.stream, reset.code()), (1, CANCEL));
        assert_eq!(taken, usize::try_from(window).unwrap());
        assert!(peer.answers().await);
    }
    siege.unharmed().await;
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_cut() {
    let siege = Siege::begin(&SHORT).await;
    let mut peer = Peer::connect(siege.server.address(), &[(INITIAL_WINDOW, 0)]).await;
    let headers = call_headers("/grpc.health.v1.Health/Watch", None);
    peer.say(&call(1, &headers, &[0, 0, 0, 0, 0]))
        .await
        .unwrap();
    is_cut(&mut peer).await;
    drop(peer);
    siege.unharmed().await;
}

#[tokio::test]
async fn many_answers_that_are_not_taken_cost_little_memory() {
    let siege = Siege::begin(&["--send-timeout", "5s"]).await;
    let (headers, body) = batch(&siege, NO_TOKEN);
    let mut peers = Vec::new();
    for _ in 0..4 {
        let mut peer = Peer::connect(siege.server.address(), &[(INITIAL_WINDOW, 1)]).await;
        for n in 0..50 {
            peer.say(&call(2 * n + 1, &headers, &body)).await.unwrap();
        }
        peers.push(peer);
    }
    siege.answers().await;
    for mut peer in peers {
        let mut ended = 0;
        while ended < 50 {
            let reset = timeout(PATIENCE, peer.hear_of(RST_STREAM, 0)).await;
            let reset = reset.unwrap_or_else(|_| panic!("{ended} were cut"));
            assert_eq!(reset.unwrap().code(), CANCEL);
            ended += 1;
        }
        let grown = resident_bytes(siege.pid()) - siege.resident;
        assert!(grown < 2.0 * MEMORY, "{grown} bytes more");
    }
    siege.unharmed().await;
}

#[tokio::test]
async fn a_socket_that_is_not_read_is_closed() {
    let siege = Siege::begin(&SHORT).await;
    let (headers, body) = batch(&siege, NO_TOKEN);
    let mut peer = Peer::connect(siege.server.address(), &[(INITIAL_WINDOW, 1 << 30)]).await;
    peer.say(&window_update(0, 1 << 30)).await.unwrap();
    // The answers are more than the buffers of both ends hold; the requests are within what the server lets come.
    for n in 0..UNREAD {
        if peer.say(&call(2 * n + 1, &headers, &body)).await.is_err() {
            break;
        }
    }
    siege.alone().await;
    // It was cut in the middle of an answer, and not told off for anything else.
    assert_eq!(ending(&mut peer, |_| ()).await, Ending::Closed);
    drop(peer);
    siege.unharmed().await;
}

#[tokio::test]
async fn an_answer_that_is_taken_in_small_parts_arrives_whole() {
    let siege = Siege::begin(&[]).await;
    let (headers, body) = batch(&siege, &siege.secret);
    let mut peer = Peer::connect(siege.server.address(), &[(INITIAL_WINDOW, 1000)]).await;
    peer.say(&call(1, &headers, &body)).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let frame = timeout(PATIENCE, peer.hear())
            .await
            .expect("an end")
            .unwrap();
        if frame.kind == DATA {
            let more = u32::try_from(frame.payload.len()).unwrap();
            answer.extend(frame.payload);
            let again = [window_update(1, more.max(1)), window_update(0, more.max(1))];
            peer.say(&again.concat()).await.unwrap();
        } else if frame.is(HEADERS, END_STREAM) {
            break;
        }
    }
    let answer = VerifyBatchResponse::decode(&answer[5..]).unwrap();
    assert_eq!(answer.results.len(), CHECKS);
    drop(peer);
    siege.unharmed().await;
}

#[tokio::test]
async fn a_window_that_is_taken_back_stops_an_answer_and_ends_it_in_time() {
    let siege = Siege::begin(&SHORT).await;
    let (headers, body) = batch(&siege, &siege.secret);
    let mut peer = siege.peer().await;
    peer.say(&call(1, &headers, &body)).await.unwrap();
    // Below nothing, if some was used already (RFC 9113, section 6.9.2).
    peer.say(&settings(&[(INITIAL_WINDOW, 0)])).await.unwrap();
    is_cut(&mut peer).await;
    drop(peer);
    siege.unharmed().await;
}
