//! Settings from outside (TORNADO.md A4): the maximum message size and keep-alive, as the manifest, the host config and
//! the guest set them.

use crate::support::client::refusal;
use crate::support::raw::{BINARY, CONTINUATION, Frame, PING, PONG, TEXT};
use crate::support::{Client, Raw, TestHost, guests};

const MIB: u64 = 1024 * 1024;

/// A text or binary frame's head that claims a length, and nothing of its payload.
fn claim(opcode: u8, length: u64) -> Vec<u8> {
    // With the mask, which the host reads before it judges.
    [Frame::new(opcode, b"").head(length), vec![0; 4]].concat()
}

#[tokio::test]
async fn a_message_over_10_mib_is_refused_from_its_header() {
    let host = TestHost::serving(guests::PROBE).start().await;
    for opcode in [TEXT, BINARY] {
        let mut raw = Raw::open(&host, "/").await;
        raw.send(&claim(opcode, 10 * MIB + 1)).await;
        raw.closed_with(1009).await;
    }
    // 2^63 and all above are lengths that RFC 6455 forbids: no host may reserve them.
    let mut raw = Raw::open(&host, "/").await;
    raw.send(&claim(BINARY, (1 << 62) + 1)).await;
    raw.closed_with(1009).await;
    host.wait_log_count("cause=message-too-big messages=0", 3).await;
    host.stop().await;
}

#[tokio::test]
async fn a_message_of_exactly_the_maximum_is_delivered() {
    let host = TestHost::serving(guests::ECHO).limit("max_message_size", "1000B").start().await;
    let mut raw = Raw::open(&host, "/").await;
    raw.send_frame(BINARY, &[7; 1000]).await;
    assert_eq!(raw.frame().await.payload, [7; 1000]);
    // In fragments too, and a ping between them is no part of the message.
    let parts = [
        Frame::new(BINARY, &[1; 600]).unfinished().bytes(),
        Frame::new(PING, &[2; 125]).bytes(),
        Frame::new(CONTINUATION, &[3; 399]).unfinished().bytes(),
        Frame::new(CONTINUATION, &[4; 1]).bytes(),
    ];
    raw.send(&parts.concat()).await;
    let pong = raw.frame().await;
    assert_eq!((pong.opcode, pong.payload.len()), (PONG, 125));
    assert_eq!(raw.frame().await.payload, [vec![1; 600], vec![3; 399], vec![4; 1]].concat());
    raw.send_frame(BINARY, &[7; 1001]).await;
    raw.closed_with(1009).await;
    host.stop().await;
}

#[tokio::test]
async fn fragments_count_together() {
    let host = TestHost::serving(guests::PROBE).limit("max_message_size", "1000B").start().await;
    let mut raw = Raw::open(&host, "/").await;
    let fragments = [Frame::new(TEXT, &[b'x'; 600]).unfinished(), Frame::new(CONTINUATION, &[b'x'; 401]).unfinished()];
    raw.send(&fragments.map(|fragment| fragment.bytes()).concat()).await;
    raw.closed_with(1009).await;
    // One fragment alone may not be over it either, whatever came before.
    let mut raw = Raw::open(&host, "/").await;
    raw.send(&[Frame::new(TEXT, b"x").unfinished().bytes(), claim(CONTINUATION, 1001)].concat()).await;
    raw.closed_with(1009).await;
    for line in host.wait_log_count("event close", 2).await {
        assert!(
            line.contains("code=none") && line.contains("cause=message-too-big") && line.contains("messages=0"),
            "{line}"
        );
    }
    host.stop().await;
}

#[tokio::test]
async fn defaults_of_the_host_config_stand_below_the_manifest() {
    let host = TestHost::serving(guests::ECHO)
        .route("/manifest")
        .limit("max_message_size", "2000B")
        .and_serving("other", guests::ECHO)
        .route("/default")
        .host("[defaults]\nmax_message_size = \"1000B\"")
        .start()
        .await;
    for (path, size) in [("/manifest", 2000), ("/default", 1000)] {
        let mut raw = Raw::open(&host, path).await;
        raw.send_frame(BINARY, &vec![7; size]).await;
        assert_eq!(raw.frame().await.payload.len(), size, "{path}");
        raw.send(&claim(BINARY, size as u64 + 1)).await;
        raw.closed_with(1009).await;
    }
    host.stop().await;
}

#[tokio::test]
async fn the_guest_overrides_the_maximum_up_to_the_ceiling() {
    let host = TestHost::serving(guests::SETTINGS)
        .limit("max_message_size", "1000B")
        .host("[ceilings]\nmax_message_size = \"3000B\"")
        .start()
        .await;
    for size in [10, 3000] {
        let mut raw = Raw::open(&host, &format!("/?max={size}")).await;
        raw.send_frame(BINARY, &vec![7; size]).await;
        assert_eq!(raw.frame().await.payload.len(), size);
        raw.send(&claim(BINARY, size as u64 + 1)).await;
        raw.closed_with(1009).await;
    }
    assert_eq!(refusal(Client::try_connect(&host, "/?max=3001", &[]).await).status(), 500);
    let line = host.wait_log("max-message-size 3001").await;
    assert!(line.contains("at most 3000 is allowed by [ceilings] in the host config"), "{line}");
    host.stop().await;
}

#[tokio::test]
async fn manifests_over_a_ceiling_are_refused_all_at_once() {
    let ended = TestHost::serving(guests::MINIMAL)
        .name("first")
        .limit("memory", "2GiB")
        .limit("max_message_size", "2MiB")
        .limit("ping_interval", "off")
        .and_serving("second", guests::MINIMAL)
        .route("/second")
        .limit("execution", "11s")
        .host("[ceilings]\nmax_message_size = \"1MiB\"\nping_interval = \"1min\"")
        .fails()
        .await;
    assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
    for (file, key, value, ceiling) in [
        ("first", "memory", "2GiB", "1GiB"),
        ("first", "max_message_size", "2MiB", "1MiB"),
        ("first", "ping_interval", "off", "1m"),
        ("second", "execution", "11s", "10s"),
    ] {
        let problem = format!("limits.{key}: {value:?} is over the ceiling of {ceiling}; only [ceilings]");
        let line = ended.log.lines().find(|line| line.contains(&problem));
        let line = line.unwrap_or_else(|| panic!("no {problem:?} in\n{}", ended.log));
        assert!(line.contains(&format!("{file}/whimbrel.toml:")), "{line}");
    }
    assert_eq!(ended.log.matches("is over the ceiling").count(), 4, "{}", ended.log);
}

#[tokio::test]
async fn a_silent_peer_ends_with_ping_timeout_and_no_close_frame() {
    let host = TestHost::serving(guests::PROBE)
        .route("/manifest")
        .limit("ping_interval", "100ms")
        .limit("ping_timeout", "50ms")
        .and_serving("guest-set", guests::SETTINGS)
        .route("/guest")
        .start()
        .await;
    // A timeout over the interval is lowered to it, or this would take a minute.
    for path in ["/manifest", "/guest?interval=100&timeout=60000"] {
        let mut raw = Raw::open(&host, path).await;
        let ping = raw.frame().await;
        assert_eq!((ping.opcode, ping.payload.len()), (PING, 0), "{path}");
        let rest = raw.rest().await;
        assert!(rest.is_empty() || rest == [0x89, 0], "{path}: {rest:?}");
    }
    let line = host.wait_log("event close").await;
    assert!(line.contains("code=none") && line.contains("cause=ping-timeout"), "{line}");
    host.stop().await;
}

#[tokio::test]
async fn a_peer_that_answers_stays() {
    let host = TestHost::serving(guests::PROBE).limit("ping_interval", "1500ms").start().await;
    let mut raw = Raw::open(&host, "/").await;
    for _ in 0..2 {
        assert_eq!(raw.frame().await.opcode, PING);
        raw.send_frame(PONG, b"").await;
        raw.send_frame(TEXT, b"inspect").await;
        let shown = String::from_utf8(raw.frame().await.payload).unwrap();
        assert!(shown.contains("open=true") && shown.ends_with("round-trip=some"), "{shown}");
    }
    host.wait_log_count("event pong id=1 data=\"\"", 2).await;
    drop(raw);
    host.stop().await;
}

#[tokio::test]
async fn a_timeout_that_is_off_ends_no_silent_peer() {
    let host = TestHost::serving(guests::PROBE)
        .route("/manifest")
        .limit("ping_interval", "50ms")
        .limit("ping_timeout", "off")
        .and_serving("guest-set", guests::SETTINGS)
        .route("/guest")
        .limit("ping_interval", "100ms")
        .limit("ping_timeout", "50ms")
        .start()
        .await;
    for path in ["/manifest", "/guest?interval=50&timeout=0"] {
        let mut raw = Raw::open(&host, path).await;
        for _ in 0..8 {
            assert_eq!(raw.frame().await.opcode, PING, "{path}");
        }
        raw.send_close(1000, "").await;
        raw.closed_with(1000).await;
    }
    host.stop().await;
}

#[tokio::test]
async fn an_interval_that_is_off_sends_no_ping() {
    let host = TestHost::serving(guests::SETTINGS)
        .route("/guest")
        .limit("ping_interval", "50ms")
        .limit("ping_timeout", "off")
        .and_serving("off", guests::SETTINGS)
        .route("/off")
        .limit("ping_interval", "off")
        .start()
        .await;
    let mut quiet = [Raw::open(&host, "/guest?interval=0").await, Raw::open(&host, "/off").await];
    // These pings are the clock.
    let mut pinged = [Raw::open(&host, "/guest").await, Raw::open(&host, "/off?interval=50&timeout=0").await];
    for raw in &mut pinged {
        for _ in 0..8 {
            assert_eq!(raw.frame().await.opcode, PING);
        }
    }
    for raw in &mut quiet {
        raw.send_frame(TEXT, b"first").await;
        assert_eq!(raw.frame().await.payload, b"first");
    }
    drop((quiet, pinged));
    host.stop().await;
}

#[tokio::test]
async fn a_ping_timeout_over_the_interval_is_a_manifest_error() {
    let ended = TestHost::serving(guests::MINIMAL)
        .limit("ping_interval", "1s")
        .limit("ping_timeout", "2s")
        .and_serving("off", guests::MINIMAL)
        .route("/off")
        .limit("memory", "off")
        .fails()
        .await;
    assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
    for part in [
        "guest/whimbrel.toml:8: limits.ping_timeout: \"2s\" is longer than the ping interval, 1s",
        "limits.memory: cannot be off",
    ] {
        assert!(ended.log.contains(part), "no {part:?} in\n{}", ended.log);
    }
}
