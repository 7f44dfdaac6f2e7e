//! More of something than any client has a use for.

use token_authority::proto::v1::VerifyRequest;

use super::*;
use crate::harness::frames::{
    CONTINUATION, DATA, END_STREAM, PRIORITY, RST_STREAM, SETTINGS, UNKNOWN, call, frame, literal,
    message, ping, reset, settings, window_update,
};

/// Frames beside calls that a connection may send before it earns more.
const FREE: usize = 1000;
/// Frames more in a second.
const PER_SECOND: usize = 100;

#[tokio::test]
async fn a_flood_of_pings_is_answered_so_often_and_then_ended() {
    let siege = Siege::begin(&[]).await;
    let began = Instant::now();
    let (ending, _, heard) = flood(siege.peer().await, &ping()).await;
    assert_eq!(ending, Ending::GoAway(CALM_DOWN));
    let answered = heard.iter().filter(|frame| frame.is(PING, ACK)).count();
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    assert!(answered <= FREE + seconds * PER_SECOND, "{answered}");
    siege.unharmed().await;
}

#[tokio::test]
async fn floods_of_frames_beside_calls_are_ended() {
    let fragment = [0, 0, 0, 0, 16];
    for once in [
        settings(&[(3, 100)]),
        settings(&[]),
        frame(SETTINGS, ACK, 0, &[]),
        window_update(0, 1),
        frame(PRIORITY, 0, 1, &fragment),
        frame(UNKNOWN, 0, 0, b"x"),
        frame(UNKNOWN, 255, 7, &[0; 1000]),
    ] {
        let siege = Siege::begin(&[]).await;
        // Many at once, as a flood comes.
        let (ending, said, _) = flood(siege.peer().await, &once.repeat(20)).await;
        assert!(
            matches!(ending, Ending::GoAway(_)),
            "{once:?}: {ending:?} after {said}"
        );
        siege.unharmed().await;
    }
}

#[tokio::test]
async fn window_updates_beyond_all_bounds_are_an_error() {
    let siege = Siege::begin(&[]).await;
    let mut peer = siege.peer().await;
    let beyond = window_update(0, (1 << 31) - 1);
    peer.say(&beyond.repeat(2)).await.unwrap();
    assert_eq!(ending(&mut peer, |_| ()).await, Ending::GoAway(3));
    // A window that grows by nothing.
    let mut peer = siege.peer().await;
    peer.say(&window_update(0, 0)).await.unwrap();
    assert_eq!(
        ending(&mut peer, |_| ()).await,
        Ending::GoAway(PROTOCOL_ERROR)
    );
    siege.unharmed().await;
}

#[tokio::test]
async fn calls_that_are_reset_as_soon_as_they_are_made_end_the_connection() {
    let siege = Siege::begin(&[]).await;
    let headers = siege.headers(VERIFY);
    let mut said = Vec::new();
    for n in 0..5_000 {
        said.extend(frame(HEADERS, END_HEADERS, 2 * n + 1, &headers));
        said.extend(reset(2 * n + 1));
    }
    let (mut reader, mut writer) = siege.peer().await.socket.into_split();
    let writing = tokio::spawn(async move {
        drop(tokio::io::AsyncWriteExt::write_all(&mut writer, &said).await);
        writer
    });
    let mut ended = Ending::Closed;
    while let Some(frame) = timeout(PATIENCE, frames::hear(&mut reader)).await.unwrap() {
        if frame.kind == GOAWAY {
            ended = Ending::GoAway(frame.code());
        }
    }
    assert_eq!(ended, Ending::GoAway(CALM_DOWN));
    drop(writing.await);
    siege.unharmed().await;
}

#[tokio::test]
async fn calls_that_are_reset_while_they_are_handled_end_the_connection_too() {
    let siege = Siege::begin(&[]).await;
    let headers = siege.headers(VERIFY);
    let mut peer = siege.peer().await;
    let mut ended = None;
    for n in 0..(10 * u32::try_from(FREE).unwrap()) {
        let opened = frame(HEADERS, END_HEADERS, 2 * n + 1, &headers);
        // By the time of the PING's answer the call has been looked at.
        let said = [opened, ping()].concat();
        if peer.say(&said).await.is_err() || peer.hear_of(PING, ACK).await.is_none() {
            ended = Some(n);
            break;
        }
        if peer.say(&reset(2 * n + 1)).await.is_err() {
            ended = Some(n);
            break;
        }
    }
    assert!(ended.is_some(), "it went on for ever");
    siege.unharmed().await;
}

#[tokio::test]
async fn headers_that_never_end_are_ended() {
    let mut block = Vec::new();
    literal(&mut block, "x-more", &[b'x'; 100]);
    for piece in [&b""[..], &block] {
        let siege = Siege::begin(&[]).await;
        let mut peer = siege.peer().await;
        peer.say(&frame(HEADERS, END_STREAM, 1, &siege.headers(VERIFY)))
            .await
            .unwrap();
        let (ending, said, _) = flood(peer, &frame(CONTINUATION, 0, 1, piece)).await;
        assert_eq!(ending, Ending::GoAway(CALM_DOWN), "after {said}");
        siege.unharmed().await;
    }
}

#[tokio::test]
async fn data_in_pieces_of_a_byte_or_of_none_is_ended() {
    for piece in [&b""[..], b"x"] {
        let siege = Siege::begin(&[]).await;
        let mut peer = siege.peer().await;
        // A stream to which data may come for ever.
        let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        let headers = frames::call_headers(path, None);
        peer.say(&frame(HEADERS, END_HEADERS, 1, &headers))
            .await
            .unwrap();
        // A message that is announced, and then comes so.
        peer.say(&frame(DATA, 0, 1, &[0, 0, 0, 255, 255]))
            .await
            .unwrap();
        let (ending, said, _) = flood(peer, &frame(DATA, 0, 1, piece).repeat(10)).await;
        assert_eq!(ending, Ending::GoAway(CALM_DOWN), "after {said}");
        siege.unharmed().await;
    }
}

#[tokio::test]
async fn more_calls_at_once_than_a_connection_may_have_are_refused_one_by_one() {
    let siege = Siege::begin(&["--max-concurrent-streams", "10"]).await;
    let mut peer = siege.peer().await;
    let headers = siege.headers(VERIFY);
    for n in 0..20 {
        let open = frame(HEADERS, END_HEADERS, 2 * n + 1, &headers);
        peer.say(&open).await.unwrap();
    }
    peer.say(&ping()).await.unwrap();
    let mut refused = Vec::new();
    loop {
        let frame = peer.hear().await.unwrap();
        if frame.kind == RST_STREAM {
            assert_eq!(frame.code(), 7, "REFUSED_STREAM");
            refused.push(frame.stream);
        }
        if refused.len() == 10 {
            break;
        }
    }
    assert!(refused.iter().all(|stream| *stream > 20), "{refused:?}");
    drop(peer);
    siege.unharmed().await;
}

#[tokio::test]
async fn a_flood_of_calls_beyond_those_is_ended() {
    let siege = Siege::begin(&["--max-concurrent-streams", "1"]).await;
    let headers = frames::call_headers(VERIFY, None);
    let mut peer = siege.peer().await;
    let first = frame(HEADERS, END_HEADERS, 1, &siege.headers(VERIFY));
    peer.say(&first).await.unwrap();
    let (mut reader, mut writer) = peer.socket.into_split();
    tokio::spawn(async move {
        for n in 1..100_000 {
            let next = frame(HEADERS, END_HEADERS, 2 * n + 1, &headers);
            if tokio::io::AsyncWriteExt::write_all(&mut writer, &next)
                .await
                .is_err()
            {
                return;
            }
        }
        panic!("it went on for ever");
    });
    let mut ended = Ending::Closed;
    while let Some(frame) = timeout(PATIENCE, frames::hear(&mut reader)).await.unwrap() {
        if frame.kind == GOAWAY {
            ended = Ending::GoAway(frame.code());
        }
    }
    assert_eq!(ended, Ending::GoAway(CALM_DOWN));
    siege.unharmed().await;
}

#[tokio::test]
async fn a_client_that_works_may_say_as_much_beside_as_clients_do() {
    let siege = Siege::begin(&[]).await;
    let mut peer = siege.peer().await;
    let headers = siege.headers(VERIFY);
    let request = VerifyRequest {
        token: siege.secret.clone(),
        ..Default::default()
    };
    let body = message(&request);
    let calls = u32::try_from(FREE).unwrap();
    for n in 0..calls {
        let stream = 2 * n + 1;
        let beside = [
            ping(),
            window_update(0, 10_000),
            frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 1]),
        ];
        let said = [call(stream, &headers, &body), beside.concat()].concat();
        peer.say(&said).await.unwrap();
        let answered = timeout(PATIENCE, peer.hear_of(HEADERS, END_STREAM)).await;
        assert!(answered.unwrap().is_some(), "ended after {n} calls");
    }
    assert!(peer.answers().await);
}
