//! Measurements, run by hand: `cargo test -p rds-iam-tunnel --test tunnel -- --ignored --nocapture measure`. The peer
//! runs in the same process.

use std::time::Instant;

use super::*;

const MIB: usize = 1 << 20;

fn report(name: &str, mib: usize, since: Instant) {
    println!("{name}: {:.0} MB/s", mib as f64 * 1.048_576 / since.elapsed().as_secs_f64());
}

async fn up(name: &str, mib: usize, behaviour: Behaviour) {
    let (peer, tunnel) = open(Behaviour { target: Target::Sink, ..behaviour }).await;
    let (mut read, mut write) = tokio::io::split(tunnel.open().await.unwrap());
    let since = Instant::now();
    let sending = async {
        let part = vec![7; MIB];
        for _ in 0..mib {
            write.write_all(&part).await.unwrap();
        }
    };
    let mut answers = vec![0; mib];
    let (_, received) = tokio::join!(sending, read.read_exact(&mut answers));
    received.unwrap();
    report(name, mib, since);
    assert_eq!(peer.started.load(Ordering::Relaxed), 1);
}

async fn down(name: &str, mib: usize, behaviour: Behaviour) {
    let (_peer, tunnel) = open(Behaviour { target: Target::Source(mib * MIB), ..behaviour }).await;
    let since = Instant::now();
    let mut stream = tunnel.open().await.unwrap();
    let (mut buffer, mut received) = (vec![0; 64 * 1024], 0);
    while let length @ 1.. = stream.read(&mut buffer).await.unwrap() {
        received += length;
    }
    assert_eq!(received, mib * MIB);
    report(name, mib, since);
}

fn faults() -> Behaviour {
    let closes = vec![20_000, 20_000, 20_000, 20_000, 20_000];
    Behaviour { lost: 2, repeated: 2, closes, ..Behaviour::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_throughput() {
    up("up", 512, Behaviour::default()).await;
    down("down", 512, Behaviour::default()).await;
    up("up, 2 % lost and repeated, five closes", 256, faults()).await;
    down("down, 2 % lost and repeated, five closes", 256, faults()).await;
}

#[tokio::test]
#[ignore = "a measurement"]
async fn measure_first_byte() {
    let peer = Peer::start(Behaviour::default()).await;
    let since = Instant::now();
    let tunnel = tunnel(&peer, Options::default()).await.unwrap();
    echo(tunnel.open().await.unwrap(), 1).await;
    println!("first byte through a new tunnel: {:?}", since.elapsed());
}
