//! The chat as a room: one instance that remembers who is there and what was said last.

use serde_json::{Value, json};
use tokio::net::TcpSocket;

use super::{join, next, say};
use crate::support::examples::Example;
use crate::support::host::Builder;
use crate::support::{Client, TestHost, within};

/// The room's guest and its manifest.
async fn example() -> Example {
    Example::build("chat/room.toml").await
}

/// A host with the room's guest and settings of the test's own.
async fn host() -> Builder {
    let component = example().await.component;
    TestHost::serving(&component).route("/chat/{room}").manifest("scope = { room = \"{room}\" }")
}

/// The next message, which must be one that the room remembers; the time is taken out.
async fn next_said(client: &mut Client) -> (Value, u64) {
    let mut said = next(client).await;
    let at = said.as_object_mut().and_then(|it| it.remove("at")).and_then(|at| at.as_u64());
    (said, at.expect("the room remembers when"))
}

/// Joins, and passes over as many members as the room has then.
async fn join_as(host: &TestHost, name: &str, members: usize) -> (Client, u64) {
    let (mut client, id) = join(host, "harbour", name).await;
    for _ in 0..members {
        assert_eq!(next(&mut client).await["type"], "here");
    }
    (client, id)
}

/// Connects where little is kept of what is not read.
async fn with_small_buffer(host: &TestHost, path: &str) -> Client {
    let socket = TcpSocket::new_v4().expect("there are sockets");
    socket.set_recv_buffer_size(4096).expect("the buffer can be small");
    let stream = socket.connect(host.addr()).await.expect("the host listens");
    let handshake = tokio_tungstenite::client_async(host.url(path), stream);
    Client::of(within("the handshake", handshake).await.expect("the host accepts").0)
}

#[tokio::test]
async fn members_meet_talk_and_part() {
    let host = example().await.host().start().await;
    let mut ann = Client::connect(&host, "/chat/harbour").await;
    say(&mut ann, json!({"type": "join", "name": "Ann"})).await;
    let welcome = next(&mut ann).await;
    let ann_id = welcome["id"].clone();
    assert_eq!(welcome, json!({"type": "welcome", "id": ann_id, "name": "Ann", "room": "harbour", "keeps": 50}));
    let ann_is_here = json!({"type": "here", "id": ann_id, "name": "Ann"});
    assert_eq!(next(&mut ann).await, ann_is_here);

    let (mut ben, ben_id) = join(&host, "harbour", "Ben").await;
    assert_eq!(next(&mut ann).await, json!({"type": "join", "id": ben_id, "name": "Ben"}));
    assert_eq!(next(&mut ben).await, ann_is_here);
    assert_eq!(next(&mut ben).await, json!({"type": "here", "id": ben_id, "name": "Ben"}));

    say(&mut ben, json!({"type": "say", "text": "Until four."})).await;
    let said = next_said(&mut ben).await;
    assert_eq!(said.0, json!({"type": "say", "id": ben_id, "name": "Ben", "text": "Until four."}));
    assert_eq!(next_said(&mut ann).await, said);

    ann.close(1000, "").await;
    assert_eq!(next(&mut ben).await, json!({"type": "leave", "id": ann_id, "name": "Ann"}));
    host.stop().await;
}

#[tokio::test]
async fn a_newcomer_is_told_the_last_fifty_messages_in_their_order() {
    let host = host().await.start().await;
    let (mut ann, ann_id) = join_as(&host, "Ann", 1).await;
    let mut last = 0;
    for number in 0..60 {
        say(&mut ann, json!({"type": "say", "text": number.to_string()})).await;
        let (said, at) = next_said(&mut ann).await;
        assert_eq!(said["text"], number.to_string());
        assert!(at > last, "two messages have the time {at}");
        last = at;
    }
    let (mut ben, _) = join_as(&host, "Ben", 2).await;
    for number in 10..60 {
        let (said, _) = next_said(&mut ben).await;
        assert_eq!(said, json!({"type": "say", "id": ann_id, "name": "Ann", "text": number.to_string()}));
    }
    // What comes next is new.
    say(&mut ben, json!({"type": "say", "text": "That much?"})).await;
    assert_eq!(next_said(&mut ben).await.0["text"], "That much?");
    host.stop().await;
}

#[tokio::test]
async fn those_who_left_are_in_the_history_and_not_in_the_list() {
    let host = host().await.start().await;
    let (mut ann, ann_id) = join_as(&host, "Ann", 1).await;
    let (mut ben, _) = join_as(&host, "Ben", 2).await;
    say(&mut ann, json!({"type": "say", "text": "Goodbye."})).await;
    assert_eq!(next_said(&mut ben).await.0["text"], "Goodbye.");
    ann.close(1000, "").await;
    assert_eq!(next(&mut ben).await["type"], "leave");

    let mut cleo = Client::connect(&host, "/chat/harbour").await;
    say(&mut cleo, json!({"type": "join", "name": "Cleo"})).await;
    assert_eq!(next(&mut cleo).await["type"], "welcome");
    for name in ["Ben", "Cleo"] {
        assert_eq!(next(&mut cleo).await["name"], name);
    }
    assert_eq!(next_said(&mut cleo).await.0, json!({"type": "say", "id": ann_id, "name": "Ann", "text": "Goodbye."}));
    host.stop().await;
}

#[tokio::test]
async fn another_room_hears_and_remembers_nothing() {
    let host = host().await.start().await;
    let (mut ann, ann_id) = join(&host, "harbour", "Ann").await;
    assert_eq!(next(&mut ann).await["type"], "here");
    let (mut ben, ben_id) = join(&host, "meadow", "Ben").await;
    assert_eq!(next(&mut ben).await, json!({"type": "here", "id": ben_id, "name": "Ben"}));
    say(&mut ann, json!({"type": "say", "text": "Only here."})).await;
    assert_eq!(next_said(&mut ann).await.0["text"], "Only here.");
    // To a member of another room; the answer shows that it was taken before.
    say(&mut ben, json!({"type": "here", "to": ann_id})).await;
    say(&mut ben, json!({"type": "say", "text": "Hello?"})).await;
    assert_eq!(next_said(&mut ben).await.0["text"], "Hello?");
    say(&mut ann, json!({"type": "say", "text": "Quiet."})).await;
    assert_eq!(next_said(&mut ann).await.0["text"], "Quiet.");
    let log = host.stop().await;
    assert!(!log.contains("unknown-connection") && !log.contains("no such connection"), "{log}");
}

#[tokio::test]
async fn a_member_that_never_reads_is_let_go_and_delays_nobody() {
    let host = host().await.limit("outbound", "64KiB").limit("close_timeout", "1s").start().await;
    let (mut ann, _) = join_as(&host, "Ann", 1).await;
    let mut stuck = with_small_buffer(&host, "/chat/harbour").await;
    say(&mut stuck, json!({"type": "join", "name": "Stuck"})).await;
    let joined = next(&mut ann).await;
    assert_eq!(joined["type"], "join");
    let stuck_id = joined["id"].clone();
    // Until its buffers in the kernel are full, and those of the host.
    let text = "🌊".repeat(1900);
    let talk = async {
        for number in 0.. {
            say(&mut ann, json!({"type": "say", "text": format!("{number} {text}")})).await;
            let told = next(&mut ann).await;
            if told["type"] == "leave" {
                assert_eq!(told["id"], stuck_id);
                break;
            }
            let text = told["text"].as_str().unwrap_or_default();
            assert!(text.starts_with(&format!("{number} ")), "{told}");
        }
    };
    within("the member to be let go", talk).await;
    host.wait_log(&format!("member {stuck_id} is let go")).await;
    drop(stuck);
    host.stop().await;
}

#[tokio::test]
async fn a_room_ends_some_time_after_its_last_member_and_forgets() {
    let host = host().await.limit("room_idle", "1ms").argument("--log-level=debug").start().await;
    for turn in 1..=2 {
        let (mut ann, ann_id) = join_as(&host, "Ann", 1).await;
        say(&mut ann, json!({"type": "say", "text": "Is it a new room?"})).await;
        // Her own words come first: nothing was said before.
        assert_eq!(next_said(&mut ann).await.0["id"], ann_id);
        ann.close(1000, "").await;
        host.wait_log_count("instance ended", turn).await;
    }
    host.stop().await;
}

#[tokio::test]
async fn a_room_remembers_while_nobody_is_there() {
    let host = host().await.limit("room_idle", "10m").start().await;
    let (mut ann, ann_id) = join_as(&host, "Ann", 1).await;
    say(&mut ann, json!({"type": "say", "text": "Back at four."})).await;
    next_said(&mut ann).await;
    ann.close(1000, "").await;
    let mut ben = Client::connect(&host, "/chat/harbour").await;
    say(&mut ben, json!({"type": "join", "name": "Ben"})).await;
    let mut told = Vec::new();
    while told.last().is_none_or(|it: &Value| it["type"] != "say") {
        told.push(next(&mut ben).await);
    }
    let told = told.last().expect("it was told");
    assert_eq!((&told["id"], &told["text"]), (&json!(ann_id), &json!("Back at four.")));
    host.stop().await;
}

#[tokio::test]
async fn the_chat_of_topics_works_under_every_scope_that_keeps_memory() {
    let component = Example::build("chat").await.component;
    for scope in ["\"connection\"", "{ room = \"{room}\" }", "{ room = \"all\" }", "{ shared = 2 }"] {
        let builder = TestHost::serving(&component).route("/chat/{room}").manifest(&format!("scope = {scope}"));
        let host = builder.start().await;
        let (mut ann, ann_id) = join(&host, "harbour", "Ann").await;
        let (mut other, _) = join(&host, "meadow", "Cleo").await;
        let (mut ben, ben_id) = join(&host, "harbour", "Ben").await;
        assert_eq!(next(&mut ann).await, json!({"type": "join", "id": ben_id, "name": "Ben"}), "{scope}");
        say(&mut ben, json!({"type": "say", "text": "Until four."})).await;
        for client in [&mut ann, &mut ben] {
            assert_eq!(next(client).await["text"], "Until four.", "{scope}");
        }
        ann.close(1000, "").await;
        assert_eq!(next(&mut ben).await, json!({"type": "leave", "id": ann_id, "name": "Ann"}), "{scope}");
        say(&mut other, json!({"type": "say", "text": "Hello?"})).await;
        assert_eq!(next(&mut other).await["text"], "Hello?", "{scope}");
        host.stop().await;
    }
}
