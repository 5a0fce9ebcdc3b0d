//! Clients in large numbers: slow ones, short ones, ones that leave at once, more than there are files (FAULTS.md H14, R12
//! to R15).

use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::{Resource, Rlimit, prlimit};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::host::Builder;
use crate::support::raw::TEXT;
use crate::support::{Client, Raw, TestHost, guests, within};

/// What a good client may wait for while others misbehave: far more than it takes, far less than they get.
const PATIENCE: Duration = Duration::from_secs(3);

fn measured(guest: &str) -> Builder {
    TestHost::serving(guest).host("metrics = \"127.0.0.1:0\"")
}

async fn good_client(host: &TestHost) {
    let began = Instant::now();
    let mut client = Client::connect(host, "/").await;
    assert_eq!(client.ask("good").await, "good");
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    client.close(1000, "").await;
}

/// Every connection has given back what it held.
async fn assert_all_is_given_back(host: &TestHost, files: usize) {
    host.wait_metric("whimbrel_connections{deployment=\"guest\"}", 0.0).await;
    host.wait_metric("whimbrel_instances{deployment=\"guest\",scope=\"connection\",state=\"active\"}", 0.0).await;
    host.wait_metric("whimbrel_buffered_bytes", 0.0).await;
    // One of them may be that of the metrics.
    let given_back = |host: &TestHost| match host.files() {
        now if now <= files + 1 => Ok(()),
        now => Err(format!("{now} files, {files} before")),
    };
    host.wait_until("the files to be closed", given_back).await;
}

#[tokio::test]
async fn h14_thousands_of_slow_heads_delay_nobody() {
    let host = measured(guests::MINIMAL).start().await;
    good_client(&host).await;
    let files = host.files();
    let mut slow = Vec::new();
    for _ in 0..20 {
        slow.extend(join_all((0..100).map(|_| Raw::connect(host.addr()))).await);
    }
    for raw in &mut slow {
        raw.send(b"GET / HTTP/1.1\r\nHost: ").await;
    }
    for byte in b"slow" {
        for raw in &mut slow {
            raw.send(&[*byte]).await;
        }
        good_client(&host).await;
    }
    drop(slow);
    assert_all_is_given_back(&host, files).await;
    host.stop().await;
}

#[tokio::test]
async fn r12_a_storm_of_connections_that_leave_at_once() {
    let host = measured(guests::MINIMAL).start().await;
    good_client(&host).await;
    let files = host.files();
    for round in 0..20 {
        let connecting = join_all((0..100).map(|_| TcpStream::connect(host.addr())));
        for stream in within("the connections", connecting).await {
            let stream = stream.expect("the host listens");
            if round % 2 == 0 {
                // Without a word: a reset instead of an end.
                stream.set_zero_linger().expect("a TCP socket");
            }
        }
        good_client(&host).await;
    }
    assert_all_is_given_back(&host, files).await;
    let log = host.stop().await;
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn r13_out_of_files_the_host_waits_and_recovers() {
    let host = measured(guests::MINIMAL).host("[handshake]\ntime = \"2s\"").start().await;
    let mut open = Client::connect(&host, "/").await;
    assert_eq!(open.ask("before").await, "before");
    let files = Rlimit { current: Some(256), maximum: Some(256) };
    prlimit(Some(host.pid()), Resource::Nofile, files).expect("the limit of a child can be lowered");
    let silent = join_all((0..400).map(|_| TcpStream::connect(host.addr())));
    let silent = within("the backlog to take them", silent).await;
    host.wait_log("cannot accept connections; trying again").await;
    let cpu = host.processor_time();
    assert_eq!(open.ask("meanwhile").await, "meanwhile");
    // The silent ones are told to go after two seconds, and those behind them in the backlog have their turn.
    let mut last = within("a file for one more", Raw::open(&host, "/")).await;
    last.send_frame(TEXT, b"after").await;
    assert_eq!(last.frame().await.payload, b"after");
    let spent = host.processor_time() - cpu;
    assert!(spent < Duration::from_millis(1500), "{spent:?} of processor time while there were no files");
    drop((silent, last, open));
    let log = host.stop().await;
    assert_eq!(log.matches("cannot accept connections").count(), 1, "{log}");
}

#[tokio::test]
async fn r14_many_short_connections_leave_nothing() {
    let host = measured(guests::MINIMAL).start().await;
    good_client(&host).await;
    let (files, mut resident) = (host.files(), 0);
    for round in 0..20 {
        let short = |number: usize| {
            let host = &host;
            async move {
                let mut client = Client::connect(host, "/").await;
                assert_eq!(client.ask("short").await, "short");
                // Half of them leave without a closing handshake.
                if number.is_multiple_of(2) {
                    client.close(1000, "").await;
                }
            }
        };
        join_all((0..50).map(short)).await;
        if round == 4 {
            resident = host.resident_kib();
        }
    }
    assert_all_is_given_back(&host, files).await;
    assert_eq!(host.metric("whimbrel_connections_total{deployment=\"guest\"}").await, 1001.0);
    let grown = host.resident_kib().saturating_sub(resident);
    assert!(grown < 8 * 1024, "{grown} KiB more after 750 connections");
    host.stop().await;
}

#[tokio::test]
async fn r15_idle_connections_are_small_also_after_much_traffic() {
    const PEERS: usize = 40;
    let host = measured(guests::ECHO).start().await;
    let mut peers = Vec::new();
    for _ in 0..PEERS {
        let mut peer = Raw::open(&host, "/").await;
        peer.send_frame(TEXT, &[b'x'; 100_000]).await;
        assert_eq!(peer.frame().await.payload.len(), 100_000);
        peers.push(peer);
    }
    let before = host.resident_kib();
    // The guests have their memory by now; what grows is the host's.
    for _ in 0..3 {
        for peer in &mut peers {
            peer.send_frame(TEXT, &[b'x'; 100_000]).await;
            assert_eq!(peer.frame().await.payload.len(), 100_000);
        }
    }
    host.wait_metric("whimbrel_buffered_bytes", 0.0).await;
    let small = |host: &TestHost| match host.resident_kib().saturating_sub(before) / PEERS as u64 {
        ..32 => Ok(()),
        each => Err(format!("{each} KiB more per connection")),
    };
    host.wait_until("the buffers to be given back", small).await;
    let cpu = host.processor_time();
    let began = Instant::now();
    // Two looks of the watch, and the epochs' ticks: the time is what is asked for here.
    while began.elapsed() < Duration::from_millis(500) {
        host.metric("whimbrel_buffered_bytes").await;
    }
    let spent = host.processor_time() - cpu;
    assert!(spent < Duration::from_millis(500), "{spent:?} of processor time for idle connections");
    drop(peers);
    host.stop().await;
}
