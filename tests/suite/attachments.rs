//! What a guest keeps with a connection, and which connections it is told of.

use crate::support::host::Builder;
use crate::support::{Client, TestHost, guests};

fn probe() -> Builder {
    TestHost::serving(guests::PROBE).limit("log_lines", "10000")
}

#[tokio::test]
async fn s15_attachments_have_a_size() {
    let host = probe().start().await;
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask("attachment").await, r#"ok """#);
    assert_eq!(client.ask("attach a").await, "ok");
    assert_eq!(client.ask("attachment").await, r#"ok "a""#);
    assert_eq!(client.ask("attach-size 16384").await, "ok");
    assert_eq!(client.ask("attachment").await, "ok 16384 bytes");
    // What is refused changes nothing.
    assert_eq!(client.ask("attach-size 16385").await, "error TooLarge(16384)");
    assert_eq!(client.ask("attach-size 1000000").await, "error TooLarge(16384)");
    assert_eq!(client.ask("attachment").await, "ok 16384 bytes");
    assert_eq!(client.ask("attach b").await, "ok");
    assert_eq!(client.ask("attachment").await, r#"ok "b""#);
    assert_eq!(client.ask("attach-size 0").await, "ok");
    assert_eq!(client.ask("attachment").await, r#"ok """#);
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn attachments_are_there_from_open_until_on_close_returns() {
    let host = probe().start().await;
    let mut client = Client::connect(&host, "/?open=attach+here").await;
    assert_eq!(client.receive_text().await, "ok");
    assert_eq!(client.ask("attachment").await, r#"ok "here""#);
    // Also while it closes, and after the transport has ended.
    client.text("close 1000 bye\nattach there").await;
    client.closed_with(1000).await;
    let line = host.wait_log("event kept").await;
    assert!(line.contains(r#"ok "there"; Ok(()) ok "last words""#), "{line}");
    // The next connection finds nothing.
    let mut next = Client::connect(&host, "/").await;
    assert_eq!(next.ask("attachment").await, r#"ok """#);
    drop(next);
    host.wait_log_count("event close", 2).await;
    assert_eq!(host.log_text().matches("event kept").count(), 1);
    host.stop().await;
}

#[tokio::test]
async fn g20_s15_attachments_of_others_are_out_of_reach() {
    let host = probe().start().await;
    let mut first = Client::connect(&host, "/").await;
    let mut second = Client::connect(&host, "/").await;
    assert_eq!(first.ask("attach secret").await, "ok");
    let id = first.ask("id").await;
    assert_eq!(second.ask(&format!("attachment-of {id}")).await, "error UnknownConnection");
    assert_eq!(second.ask(&format!("attach-to {id} mine")).await, "error UnknownConnection");
    assert_eq!(second.ask("attachment-of 4000000000").await, "error UnknownConnection");
    assert_eq!(first.ask("attachment").await, r#"ok "secret""#);
    drop((first, second));
    host.stop().await;
}

#[tokio::test]
async fn g20_an_instance_is_told_of_its_own_connections_only() {
    let host = probe().start().await;
    let mut first = Client::connect(&host, "/?open=connections").await;
    let mut second = Client::connect(&host, "/").await;
    assert_eq!(first.receive_text().await, "[1]");
    assert_eq!((first.ask("connections").await, second.ask("connections").await), ("[1]".into(), "[2]".into()));
    drop((first, second));
    host.stop().await;
}
