//! What goes wrong in rooms, and whom it costs what.

use std::time::{Duration, Instant};

use super::rooms;
use crate::limits::connections::status_from;
use crate::support::client::{body, header, refusal};
use crate::support::metrics::Metrics;
use crate::support::raw::{Frame, TEXT};
use crate::support::{Canary, Client, Raw, TestHost, guests, within};

async fn refused(host: &TestHost, path: &str) -> (u16, String, String) {
    let response = refusal(Client::try_connect(host, path, &[]).await);
    (response.status().as_u16(), header(&response, "retry-after").to_owned(), body(&response))
}

#[tokio::test]
async fn s01_a_bad_key_gets_400() {
    let host = rooms(guests::PROBE).start().await;
    let longest = "x".repeat(256);
    assert_eq!(Client::connect(&host, &format!("/{longest}")).await.ask("id").await, "1");
    let (status, _, body) = refused(&host, &format!("/{longest}x")).await;
    assert_eq!(status, 400);
    assert_eq!(body, "The path leads to no room: the room's key has 257 bytes; at most 256 are allowed.\n");
    for key in ["a%0Ab", "%7F", "%C2%85"] {
        let (status, _, body) = refused(&host, &format!("/{key}")).await;
        assert_eq!(status, 400, "{key}");
        assert!(body.contains("has a control character; none is allowed"), "{body}");
    }
    // Counted in bytes, decoded.
    assert_eq!(refused(&host, &format!("/{}", "%C3%BC".repeat(129))).await.0, 400);
    let line = host.wait_log("refused: the room's key").await;
    assert!(line.contains("257 bytes") && line.contains("deployment=\"guest\""), "{line}");
    host.stop().await;
}

#[tokio::test]
async fn s02_s03_more_rooms_or_members_than_allowed_get_503() {
    let host = rooms(guests::PROBE).limit("rooms", "2").limit("members", "2").limit("room_idle", "1ms").start().await;
    let (mut one, two) = (Client::connect(&host, "/a").await, Client::connect(&host, "/b").await);
    let (status, retry, body) = refused(&host, "/c").await;
    assert_eq!(
        (status, retry.as_str(), body.as_str()),
        (503, "5", "This handler has all the rooms that it may have.\n")
    );
    let _three = Client::connect(&host, "/a").await;
    let (status, retry, body) = refused(&host, "/a").await;
    assert_eq!((status, retry.as_str(), body.as_str()), (503, "5", "This room is full.\n"));
    for (limit, allowed) in [("rooms", "allowed: 2"), ("members", "allowed: 2")] {
        let line = host.wait_log(&format!("limits.{limit}: one more, in ")).await;
        assert!(line.contains(allowed) && line.contains("deployment=\"guest\""), "{line}");
        let metric = format!("whimbrel_limits_hit_total{{deployment=\"guest\",limit=\"{limit}\"}}");
        host.wait_metric(&metric, 1.0).await;
    }
    assert_eq!(one.ask("count").await, "1");
    // A room that has ended makes room for another.
    two.close(1000, "").await;
    host.wait_metric("whimbrel_instances{deployment=\"guest\",scope=\"room\",state=\"active\"}", 1.0).await;
    host.wait_metric("whimbrel_instances{deployment=\"guest\",scope=\"room\",state=\"idle\"}", 0.0).await;
    Client::connect(&host, "/c").await.close(1000, "").await;
    host.stop().await;
}

#[tokio::test]
async fn s04_a_trap_in_open_of_the_tenth_member_closes_all_ten_and_is_reported_once() {
    let host = rooms(guests::PROBE).and_serving("echo", guests::ECHO).route("/canary/echo").start().await;
    let canary = Canary::start(&host, "/canary/echo", 2).await;
    let mut members = Vec::new();
    for _ in 0..9 {
        members.push(Client::connect(&host, "/a").await);
    }
    let mut other = Client::connect(&host, "/b").await;
    members.push(Client::connect(&host, "/a?open=panic+in+open").await);
    for member in members {
        assert_eq!(member.closed().await, Some((1011, "the handler trapped".to_owned())));
    }
    let line = host.wait_log("kind=\"fault\"").await;
    for part in ["scope=\"room\"", "key=\"a\"", "function=\"open\"", "connection=13"] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    assert_eq!(other.ask("count").await, "1");
    // The next one starts the room again.
    let mut next = Client::connect(&host, "/a").await;
    assert_eq!(next.ask("count").await, "1");
    canary.finish().await;
    let metrics = Metrics::read(&host).await;
    assert_eq!(metrics.value("whimbrel_traps_total{deployment=\"guest\",kind=\"fault\"}"), 1.0, "{}", metrics.text);
    assert_eq!(metrics.value("whimbrel_closes_total{deployment=\"guest\",cause=\"guest-error\"}"), 10.0);
    let log = host.stop().await;
    assert_eq!(log.matches("the handler trapped").count(), 1, "{log}");
    assert!(!log.contains("event close id=1 "), "a trapped instance was called again:\n{log}");
}

#[tokio::test]
async fn s05_a_room_that_keeps_trapping_gets_503() {
    let host = rooms(guests::PROBE).limit("traps", "3").limit("trap_pause", "10s").start().await;
    for _ in 0..3 {
        let mut client = Client::connect(&host, "/a").await;
        client.text("panic again").await;
        client.closed_with(1011).await;
    }
    let (status, retry, _) = refused(&host, "/a").await;
    assert_eq!((status, retry.as_str()), (503, "10"));
    host.stop().await;
}

#[tokio::test]
async fn s06_a_member_that_never_reads_delays_nobody() {
    let host = rooms(guests::PROBE)
        .limit("outbound", "256KiB")
        .limit("slow_consumer_time", "1s")
        .limit("execution", "2s")
        .start()
        .await;
    let mut slow = Raw::open(&host, "/a").await;
    slow.send_frame(TEXT, b"id").await;
    let id = String::from_utf8(slow.frame().await.payload).expect("a number");
    let mut other = Client::connect(&host, "/a").await;
    let began = Instant::now();
    let message = "x".repeat(60_000);
    let mut is_full = false;
    while !is_full {
        let answer = other.ask(&format!("send-to {id} {message}")).await;
        is_full = answer.starts_with("error BufferFull");
    }
    assert_eq!(other.ask("id").await, "2");
    host.wait_log("limits.slow_consumer_time: ").await;
    println!("full and closed after {:?}", began.elapsed());
    // The kernel's buffers hold what came before; then the close frame is never read either.
    host.wait_log(&format!("event close id={id} ")).await;
    assert_eq!(other.ask("id").await, "2");
    host.stop().await;
}

#[tokio::test]
async fn s07_a_member_that_floods_gets_its_turn_as_often_as_any_other() {
    let host = rooms(guests::PROBE).limit("execution", "1s").start().await;
    let mut flood = Raw::open(&host, "/a").await.into_stream();
    let mut other = Client::connect(&host, "/a").await;
    // Each costs the guest a millisecond; thousands wait.
    let frames = Frame::new(TEXT, b"work 1").bytes().repeat(5_000);
    let flooding = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        // Until the test is over.
        let _ = flood.write_all(&frames).await;
        flood
    });
    let mut worst = Duration::ZERO;
    for _ in 0..20 {
        let began = Instant::now();
        other.ask("id").await;
        worst = worst.max(began.elapsed());
    }
    println!("beside a flood an answer took {worst:?} at most");
    assert!(worst < Duration::from_secs(1), "{worst:?}: the flood went first");
    drop(flooding);
    host.stop().await;
}

#[tokio::test]
async fn s10_a_full_mailbox_makes_others_wait_and_loses_nothing() {
    let host = rooms(guests::PROBE).limit("mailbox", "1").limit("execution", "1s").start().await;
    let mut members = Vec::new();
    for _ in 0..20 {
        members.push(Client::connect(&host, "/a").await);
    }
    for member in &mut members {
        for _ in 0..5 {
            member.text("work 2\ncount").await;
        }
    }
    for member in &mut members {
        for round in 1..=5 {
            assert_eq!(member.receive_text().await, "ok");
            assert_eq!(member.receive_text().await, format!("{round}"));
        }
    }
    let line = host.wait_log("limits.mailbox: ").await;
    assert!(line.contains("events of more connections wait for \"a\"") && line.contains("allowed: 1"), "{line}");
    host.stop().await;
}

#[tokio::test]
async fn s11_one_room_never_delays_another() {
    let host = rooms(guests::PROBE).limit("execution", "10s").limit("event_time", "10s").start().await;
    let mut busy = Vec::new();
    for room in 0..5 {
        let mut client = Client::connect(&host, &format!("/busy-{room}")).await;
        client.text("work 1500").await;
        busy.push(client);
    }
    let mut quiet = Client::connect(&host, "/quiet").await;
    let mut times = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        quiet.ask("id").await;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    println!("beside five busy rooms: p50 {:?}, most {:?}", times[25], times[49]);
    assert!(times[25] < Duration::from_millis(500), "{times:?}");
    for mut client in busy {
        assert_eq!(client.receive_text().await, "ok");
    }
    host.stop().await;
}

#[tokio::test]
async fn s12_a_room_has_its_part_of_a_thread() {
    let host = rooms(guests::PROBE).limit("instance_share", "10%").limit("execution", "1s").start().await;
    let mut client = Client::connect(&host, "/a").await;
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(client.ask("work 10").await, "ok");
    }
    // 200 ms of work at a tenth of a thread, less what is granted at first.
    assert!(began.elapsed() > Duration::from_millis(1_000), "{:?}", began.elapsed());
    let line = host.wait_log("limits.instance_share: ").await;
    assert!(line.contains("allowed: 10% of a worker thread"), "{line}");
    host.stop().await;
}

#[tokio::test]
async fn s04_a_trap_in_the_first_open_ends_the_room() {
    let host = rooms(guests::OPEN_PANICS).start().await;
    Client::connect(&host, "/a").await.closed_with(1011).await;
    host.wait_log("the handler trapped").await;
    host.stop().await;
}

#[tokio::test]
async fn s05_traps_from_several_addresses_close_the_room_and_no_other() {
    let host = rooms(guests::PROBE).limit("traps", "3").limit("trap_pause", "500ms").start().await;
    for (traps, address) in [(1, "127.0.0.2:0"), (2, "127.0.0.3:0"), (3, "127.0.0.4:0")] {
        let status = status_from(address, &host, "/a?open=panic+in+open").await;
        assert!(status.starts_with("HTTP/1.1 101 "), "{address}: {status}");
        host.wait_metric("whimbrel_traps_total{deployment=\"guest\",kind=\"fault\"}", f64::from(traps)).await;
    }
    let (status, retry, _) = refused(&host, "/a").await;
    assert_eq!((status, retry.as_str()), (503, "1"));
    let mut other = Client::connect(&host, "/b").await;
    assert_eq!(other.ask("count").await, "1");
    let line = host.wait_log("limits.traps: ").await;
    assert!(line.contains("\"a\""), "{line}");
    // After the pause one is let in on trial.
    let trying = async {
        loop {
            if let Ok((client, _)) = Client::try_connect(&host, "/a", &[]).await {
                return client;
            }
        }
    };
    let mut trial = within("a trial", trying).await;
    assert_eq!(trial.ask("count").await, "1");
    let mut next = Client::connect(&host, "/a").await;
    assert_eq!(next.ask("count").await, "1");
    host.stop().await;
}

#[tokio::test]
async fn s14_without_a_free_instance_handshakes_get_503_and_events_wait() {
    let host = TestHost::serving(guests::ECHO)
        .name("events")
        .route("/events")
        .manifest("scope = \"event\"")
        .limit("event_time", "2s")
        .and_serving("guest", guests::PROBE)
        .route("/rooms/{room}")
        .manifest("scope = { room = \"{room}\" }")
        .limit("room_idle", "1ms")
        .host("metrics = \"127.0.0.1:0\"\n[host]\ninstances = 1")
        .start()
        .await;
    let (mut one, mut two) = (Client::connect(&host, "/events").await, Client::connect(&host, "/events").await);
    assert_eq!((one.ask("a").await.as_str(), two.ask("b").await.as_str()), ("a", "b"));
    let room = Client::connect(&host, "/rooms/a").await;
    let (status, retry, body) = refused(&host, "/rooms/b").await;
    assert_eq!((status, retry.as_str()), (503, "5"), "{body}");
    host.wait_log("host.instances: all are in use").await;
    // An event waits while there is hope, and is served then.
    one.text("patience").await;
    room.close(1000, "").await;
    assert_eq!(one.receive_text().await, "patience");
    // And no longer than it may take.
    let _room = Client::connect(&host, "/rooms/c").await;
    two.text("in vain").await;
    assert_eq!(two.closed().await, Some((1013, "try again later".to_owned())));
    host.stop().await;
}
