//! What an instance leaves in its memory is gone before another has it, of the same deployment or of another.

use tokio_tungstenite::tungstenite::protocol::Message;

use super::{host, stop};
use crate::support::{Client, TestHost, guests};

/// Connections in turn, and how many of them are open at once.
const TURNS: usize = 200;
const AT_ONCE: usize = 5;

/// How many words an instance finds that are not zero; afterwards its memory is full of a pattern.
async fn stale(client: &mut Client) -> u32 {
    client.text("look").await;
    match client.receive().await {
        Message::Binary(words) => u32::from_le_bytes(words[..].try_into().expect("four bytes")),
        other => panic!("instead of a number came {other:?}"),
    }
}

async fn is_clean(host: &TestHost, path: &str) {
    let mut clients = Vec::new();
    for _ in 0..AT_ONCE {
        let mut client = Client::connect(host, path).await;
        assert_eq!(stale(&mut client).await, 0, "words of others in an instance's memory");
        // Its own it finds again, or this test could not fail.
        assert_eq!(stale(&mut client).await, 983_040 / 8);
        clients.push(client);
    }
    for client in clients {
        client.close(1000, "").await;
    }
}

#[tokio::test]
async fn g32_memory_is_clean_when_it_is_used_again() {
    let host = host(guests::STALE).limit("memory", "2MiB").and_serving("other", guests::STALE).route("/other");
    let host = host.start().await;
    for _ in 0..TURNS / 2 {
        is_clean(&host, "/").await;
        is_clean(&host, "/other").await;
    }
    stop(host).await;
}

#[tokio::test]
async fn g32_memory_is_clean_after_a_trap() {
    let host = host(guests::STALE).limit("memory", "1MiB").limit("traps", "off").start().await;
    for _ in 0..TURNS / 4 {
        is_clean(&host, "/").await;
        let mut client = Client::connect(&host, "/").await;
        assert_eq!(stale(&mut client).await, 0);
        // No memory is left for it.
        client.binary(&vec![0xa5; 2_000_000]).await;
        client.closed_with(1011).await;
    }
    stop(host).await;
}
