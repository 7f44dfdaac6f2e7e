//! Peers that take their time, so as to hold what others could use.

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::*;
use crate::harness::frames::{CONTINUATION, END_STREAM, PREFACE, frame, hello};

#[tokio::test]
async fn connections_that_say_nothing_or_half_a_greeting_are_closed() {
    let siege = Siege::begin(&["--handshake-timeout", "500ms"]).await;
    for said in [
        &b""[..],
        &PREFACE[..10],
        b"PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\0",
    ] {
        let mut sockets = Vec::new();
        for _ in 0..50 {
            let mut socket = TcpStream::connect(siege.server.address()).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut socket, said)
                .await
                .unwrap();
            sockets.push(socket);
        }
        siege.answers().await;
        for mut socket in sockets {
            let mut heard = Vec::new();
            let read = timeout(PATIENCE, socket.read_to_end(&mut heard))
                .await
                .expect("an end");
            assert!(read.is_err() || heard.is_empty(), "{heard:?}");
        }
    }
    siege.unharmed().await;
}

#[tokio::test]
async fn headers_that_come_byte_by_byte_do_not_hold_a_connection() {
    let siege = Siege::begin(&[
        "--handshake-timeout",
        "500ms",
        "--max-connection-idle",
        "1h",
    ])
    .await;
    let block = siege.headers(VERIFY);
    // Within one frame, and in a frame for each byte.
    for whole in [true, false] {
        let mut peer = siege.peer().await;
        let opening = if whole {
            frame(HEADERS, END_STREAM | END_HEADERS, 1, &block)[..20].to_vec()
        } else {
            frame(HEADERS, END_STREAM, 1, &block[..1])
        };
        peer.say(&opening).await.unwrap();
        let (mut reader, mut writer) = peer.socket.into_split();
        let dribble = tokio::spawn({
            let block = block.clone();
            async move {
                for byte in block.chunks(1).cycle().skip(1).take(3000) {
                    let said = if whole {
                        byte.to_vec()
                    } else {
                        frame(CONTINUATION, 0, 1, byte)
                    };
                    sleep(LOOK_AGAIN).await;
                    if tokio::io::AsyncWriteExt::write_all(&mut writer, &said)
                        .await
                        .is_err()
                    {
                        return true;
                    }
                }
                false
            }
        });
        let mut goaway = None;
        while let Some(frame) = timeout(PATIENCE, frames::hear(&mut reader))
            .await
            .expect("an end")
        {
            if frame.kind == GOAWAY {
                goaway = Some(frame.code());
            }
        }
        assert_eq!(goaway, Some(CALM_DOWN), "in one frame: {whole}");
        assert!(timeout(PATIENCE, dribble).await.unwrap().unwrap());
    }
    siege.unharmed().await;
}

#[tokio::test]
async fn thousands_of_calls_whose_requests_never_come_end_at_their_deadline() {
    const CONNECTIONS: u32 = 12;
    const STREAMS: u32 = 250;
    let siege = Siege::begin(&["--request-deadline", "3s"]).await;
    let headers = siege.headers(VERIFY);
    let mut peers = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut peer = siege.peer().await;
        let opened: Vec<u8> = (0..STREAMS)
            .flat_map(|n| frame(HEADERS, END_HEADERS, 2 * n + 1, &headers))
            .collect();
        peer.say(&opened).await.unwrap();
        peers.push(peer);
    }
    // Nobody else waits for them.
    siege.answers().await;
    let grown = resident_bytes(siege.pid()) - siege.resident;
    assert!(grown < MEMORY, "{grown} bytes more");
    for mut peer in peers {
        for _ in 0..STREAMS {
            let ended = timeout(PATIENCE, peer.hear_of(HEADERS, END_STREAM)).await;
            assert!(ended.unwrap().is_some());
        }
        assert!(peer.answers().await, "the connection itself goes on");
    }
    siege.unharmed().await;
}

#[tokio::test]
async fn streams_that_are_open_to_all_are_few_on_each_connection() {
    let siege = Siege::begin(&["--max-concurrent-streams", "200"]).await;
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let headers = frames::call_headers(path, None);
    let mut peer = siege.peer().await;
    for n in 0..100 {
        peer.say(&frame(HEADERS, END_HEADERS, 2 * n + 1, &headers))
            .await
            .unwrap();
    }
    let mut refused = 0;
    let mut open = 0;
    while refused + open < 100 {
        let frame = timeout(PATIENCE, peer.hear_of(HEADERS, 0))
            .await
            .unwrap()
            .unwrap();
        if frame.is(HEADERS, END_STREAM) {
            refused += 1;
        } else {
            open += 1;
        }
    }
    assert_eq!((open, refused), (64, 36));
    drop(peer);
    siege.unharmed().await;
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_asked_to_go_and_one_in_use_is_not() {
    let siege = Siege::begin(&["--max-connection-idle", "1s"]).await;
    let mut idle = siege.peer().await;
    let mut used = siege.peer().await;
    // A watch is a call, however quiet.
    let watch = frames::call_headers("/grpc.health.v1.Health/Watch", None);
    let body = [0, 0, 0, 0, 0];
    used.say(&frames::call(1, &watch, &body)).await.unwrap();
    // Nothing is asked, but keepalive is answered and pings are sent.
    let goaway = timeout(PATIENCE, async {
        loop {
            assert!(used.answers().await, "a connection in use was closed");
            idle.say(&frames::ping()).await.unwrap();
            let frame = idle.hear_of(GOAWAY, 0);
            if let Ok(Some(frame)) = timeout(LOOK_AGAIN * 10, frame).await {
                return frame;
            }
        }
    });
    assert_eq!(goaway.await.expect("an end").code(), 0);
    assert!(used.answers().await);
    drop((idle, used));
    siege.unharmed().await;
}

#[tokio::test]
async fn a_connection_as_old_as_one_may_be_is_asked_to_go_and_then_cut() {
    let args = [
        "--max-connection-age",
        "500ms",
        "--max-connection-age-grace",
        "500ms",
    ];
    let siege = Siege::begin(&args).await;
    let mut peer = siege.peer().await;
    let watch = frames::call_headers("/grpc.health.v1.Health/Watch", None);
    peer.say(&frames::call(1, &watch, &[0, 0, 0, 0, 0]))
        .await
        .unwrap();
    assert_eq!(ending(&mut peer, |_| ()).await, Ending::GoAway(0));
    siege.unharmed().await;
}

#[tokio::test]
async fn a_peer_that_does_not_answer_a_keepalive_is_closed() {
    let data = tempfile::tempdir().unwrap();
    let args = [
        "--keepalive-interval",
        "300ms",
        "--keepalive-timeout",
        "300ms",
    ];
    let server = Server::start_with(data.path(), &args, &[]);
    let siege = Siege::of(server, data).await;
    let mut peer = siege.peer().await;
    let mut pings = 0;
    ending(&mut peer, |frame| pings += u32::from(frame.is(PING, 0))).await;
    assert!(pings > 0);
    siege.unharmed().await;
}

#[tokio::test]
async fn a_greeting_that_is_split_anywhere_is_understood() {
    let siege = Siege::begin(&[]).await;
    let hello = hello(&[]);
    for at in 1..hello.len() {
        let mut socket = TcpStream::connect(siege.server.address()).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let (first, second) = hello.split_at(at);
        let mut peer = Peer {
            socket: {
                tokio::io::AsyncWriteExt::write_all(&mut socket, first)
                    .await
                    .unwrap();
                socket
            },
        };
        tokio::task::yield_now().await;
        peer.say(second).await.unwrap();
        assert!(timeout(PATIENCE, peer.answers()).await.unwrap(), "{at}");
    }
    siege.unharmed().await;
}
