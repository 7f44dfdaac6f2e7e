//! More connections than there are places or descriptors.

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::net::TcpStream;

use super::*;
use crate::harness::{cpu_seconds, descriptors};

/// Descriptors that a server keeps for itself and for probes.
const KEPT: u32 = 192;

/// A server that may have so many descriptors beyond those.
async fn within(more: u32, args: &[&str]) -> Siege {
    let data = tempfile::tempdir().unwrap();
    let args = [&NO_KEEPALIVE[..], args].concat();
    let server = Server::start_within(data.path(), KEPT + more, &args);
    Siege::of(server, data).await
}

#[tokio::test]
async fn connections_beyond_the_descriptors_wait_and_those_that_nobody_uses_make_room() {
    const CAP: usize = 40;
    let siege = within(40, &["--max-connection-idle", "1h"]).await;
    let clients = siege.clients();
    verify(&clients, presenting(&siege.secret)).await;
    let mut peers = Vec::new();
    for _ in 0..CAP + CAP / 2 {
        peers.push(siege.peer().await);
    }
    assert!(descriptors(siege.pid()) < KEPT as usize + CAP);
    let before = cpu_seconds(siege.pid());
    // One who is there already is served, over and over; one who comes is, when others have been idle for a while.
    let newcomer = siege.clients();
    let (asked, answered) = (Instant::now(), async {
        verify(&newcomer, presenting(&siege.secret)).await
    });
    let served = async {
        loop {
            verify(&clients, presenting(&siege.secret)).await;
            sleep(LOOK_AGAIN * 10).await;
        }
    };
    tokio::select! {
        answer = answered => assert_eq!(answer.verdict(), Verdict::Valid),
        () = served => {}
    }
    let waited = asked.elapsed().as_secs_f64();
    let burnt = cpu_seconds(siege.pid()) - before;
    assert!(burnt < waited / 2.0 + 0.5, "{burnt} s of CPU in {waited} s");
    drop(peers);
    drop((clients, newcomer));
    siege.unharmed().await;
}

#[tokio::test]
async fn descriptors_that_run_out_all_the_same_do_not_make_it_spin() {
    let siege = Siege::begin(&["--max-connection-idle", "1h"]).await;
    let clients = siege.clients();
    verify(&clients, presenting(&siege.secret)).await;
    // As if something else had used them up.
    let pid = i32::try_from(siege.pid()).ok().and_then(Pid::from_raw);
    let held = u64::try_from(descriptors(siege.pid())).unwrap();
    let usual = prlimit(
        pid,
        Resource::Nofile,
        Rlimit {
            current: Some(held),
            maximum: getrlimit(Resource::Nofile).maximum,
        },
    );
    let usual = usual.unwrap();
    let waiting = TcpStream::connect(siege.server.address()).await.unwrap();
    let (began, before) = (Instant::now(), cpu_seconds(siege.pid()));
    while began.elapsed() < Duration::from_secs(3) {
        verify(&clients, presenting(&siege.secret)).await;
        sleep(LOOK_AGAIN).await;
    }
    let burnt = cpu_seconds(siege.pid()) - before;
    assert!(burnt < 2.0, "{burnt} s of CPU in 3 s");
    let log = siege.server.log();
    assert_eq!(
        log.matches("connections can't be accepted").count(),
        1,
        "{log}"
    );
    prlimit(pid, Resource::Nofile, usual).unwrap();
    let mut peer = Peer { socket: waiting };
    peer.say(&frames::hello(&[])).await.unwrap();
    assert!(timeout(PATIENCE, peer.answers()).await.unwrap());
    drop((peer, clients));
    siege.unharmed().await;
}

#[tokio::test]
async fn one_peer_does_not_take_the_places_of_others() {
    let siege = Siege::begin(&["--max-connections", "20", "--max-connections-per-peer", "5"]).await;
    let mut peers = Vec::new();
    for _ in 0..5 {
        let mut peer = siege.peer().await;
        assert!(peer.answers().await);
        peers.push(peer);
    }
    // One more of the same address is closed at once, however it begins.
    for _ in 0..30 {
        let socket = TcpStream::connect(siege.server.address()).await.unwrap();
        let mut peer = Peer { socket };
        drop(peer.say(&frames::hello(&[])).await);
        assert_eq!(ending(&mut peer, |_| ()).await, Ending::Closed);
    }
    // Another address is another peer.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let socket = socket.connect(siege.server.address()).await.unwrap();
    let mut other = Peer { socket };
    other.say(&frames::hello(&[])).await.unwrap();
    assert!(timeout(PATIENCE, other.answers()).await.unwrap());
    for peer in &mut peers {
        assert!(peer.answers().await);
    }
    drop((peers, other));
    siege.alone().await;
    siege.unharmed().await;
}

#[tokio::test]
async fn connections_that_come_and_go_by_the_thousand_leave_nothing_behind() {
    let siege = Siege::begin(&[]).await;
    for round in 0..2_000 {
        let socket = TcpStream::connect(siege.server.address()).await.unwrap();
        if round % 2 == 0 {
            let mut peer = Peer { socket };
            peer.say(&frames::hello(&[])).await.unwrap();
        }
    }
    siege.unharmed().await;
}
