//! The chat example as its page sees it: the real manifest, the guest built from source, JSON over a WebSocket.

mod room;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::client::{body, refusal};
use crate::support::examples::Example;
use crate::support::host::Builder;
use crate::support::{Client, TestHost, transcript};

/// A host that serves `examples/chat`, beside another deployment.
async fn host() -> Builder {
    Example::build("chat").await.host()
}

#[tokio::test]
async fn members_meet_talk_and_part() {
    let host = host().await.start().await;
    let (mut ann, ann_id) = join(&host, "harbour", "Ann").await;
    let (mut ben, ben_id) = join(&host, "harbour", "Ben").await;
    assert_eq!(next(&mut ann).await, json!({"type": "join", "id": ben_id, "name": "Ben"}));

    say(&mut ann, json!({"type": "here", "to": ben_id})).await;
    assert_eq!(next(&mut ben).await, json!({"type": "here", "id": ann_id, "name": "Ann"}));

    say(&mut ben, json!({"type": "say", "text": "Until four."})).await;
    let said = json!({"type": "say", "id": ben_id, "name": "Ben", "text": "Until four."});
    assert_eq!(next(&mut ben).await, said);
    assert_eq!(next(&mut ann).await, said);

    ann.close(1000, "").await;
    assert_eq!(next(&mut ben).await, json!({"type": "leave", "id": ann_id, "name": "Ann"}));
    host.stop().await;
}

#[tokio::test]
async fn a_pong_tells_the_room_that_a_member_is_there() {
    let host = host().await.start().await;
    let (mut ann, ann_id) = join(&host, "harbour", "Ann").await;
    ann.send(Message::Pong(Vec::new().into())).await;
    assert_eq!(next(&mut ann).await, json!({"type": "here", "id": ann_id, "name": "Ann"}));
    host.stop().await;
}

#[tokio::test]
async fn rooms_do_not_hear_each_other() {
    let host = host().await.start().await;
    let (mut ann, ann_id) = join(&host, "harbour", "Ann").await;
    // Rooms whose names look like topics of other rooms.
    for room in ["meadow", "Harbour", "harbour%2Fx", "x%2Fharbour"] {
        let (mut other, id) = join(&host, room, "Ben").await;
        say(&mut other, json!({"type": "here", "to": ann_id})).await;
        say(&mut other, json!({"type": "say", "text": "Hello?"})).await;
        assert_eq!(next(&mut other).await, json!({"type": "say", "id": id, "name": "Ben", "text": "Hello?"}));
    }
    say(&mut ann, json!({"type": "say", "text": "Quiet here."})).await;
    assert_eq!(next(&mut ann).await["text"], "Quiet here.");
    host.stop().await;
}

#[tokio::test]
async fn names_and_texts_are_cleaned() {
    let host = host().await.start().await;
    let (mut ann, _) = join(&host, "harbour", "  A\u{7}nn\u{85} ").await;
    for (written, read) in [(" tide\u{0} out\r\n\tsoon \n", "tide out\n\tsoon"), ("<b>", "<b>"), ("🌊", "🌊")] {
        say(&mut ann, json!({"type": "say", "text": written})).await;
        let said = next(&mut ann).await;
        assert_eq!((&said["name"], &said["text"]), (&json!("Ann"), &json!(read)));
    }
    let longest = "🌊".repeat(2000);
    say(&mut ann, json!({"type": "say", "text": longest})).await;
    assert_eq!(next(&mut ann).await["text"], longest);
    host.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_answered() {
    let host = host().await.start().await;
    let mut client = Client::connect(&host, "/chat/harbour").await;
    let long = |character: &str, count| character.repeat(count);
    let before = [
        (json!({"type": "say", "text": "a"}), "say", "join first"),
        (json!({"type": "here", "to": 1}), "here", "join first"),
        (json!({"type": "join", "name": " \u{1} "}), "join", "a name has 1 to 40 characters, not 0"),
        (json!({"type": "join", "name": long("é", 41)}), "join", "a name has 1 to 40 characters, not 41"),
    ];
    let after = [
        (json!({"type": "join", "name": "Ben"}), "join", "you joined already"),
        (json!({"type": "say", "text": "\n"}), "say", "a text has 1 to 2000 characters, not 0"),
        (json!({"type": "say", "text": long("é", 2001)}), "say", "a text has 1 to 2000 characters, not 2001"),
    ];
    for (sent, about, text) in before {
        say(&mut client, sent).await;
        assert_eq!(next(&mut client).await, json!({"type": "error", "about": about, "text": text}));
    }
    say(&mut client, json!({"type": "join", "name": "é".repeat(40)})).await;
    assert_eq!(next(&mut client).await["type"], "welcome");
    for (sent, about, text) in after {
        say(&mut client, sent).await;
        assert_eq!(next(&mut client).await, json!({"type": "error", "about": about, "text": text}));
    }
    host.stop().await;
}

#[tokio::test]
async fn what_is_not_understood_is_answered() {
    let host = host().await.start().await;
    let (mut ann, _) = join(&host, "harbour", "Ann").await;
    for sent in ["", "hello", "{}", "[]", r#"{"type":"leave"}"#, r#"{"type":"say","text":"a","name":"Ben"}"#] {
        ann.text(sent).await;
        let answer = next(&mut ann).await;
        let text = answer["text"].as_str().unwrap_or_default();
        assert!(answer["type"] == "error" && text.starts_with("not understood: "), "{sent}: {answer}");
    }
    ann.binary(b"{}").await;
    assert_eq!(next(&mut ann).await, json!({"type": "error", "text": "send text: one JSON object"}));
    host.stop().await;
}

#[tokio::test]
async fn a_room_needs_a_name_of_40_characters_at_most() {
    let host = host().await.start().await;
    // Each takes four bytes: the longest topics that there are.
    let path = |count| format!("/chat/{}", "%F0%9F%8C%8A".repeat(count));
    let response = refusal(Client::try_connect(&host, &path(41), &[]).await);
    assert_eq!(response.status(), 400);
    assert_eq!(body(&response), "a room has 1 to 40 characters, not 41");
    let (_, id) = join(&host, path(40).trim_start_matches("/chat/"), "Ann").await;
    assert_ne!(id, 0);
    host.stop().await;
}

#[tokio::test]
async fn the_readme_is_true() {
    let host = host().await.start().await;
    transcript::replay("examples/chat/README.md", &host).await;
    host.stop().await;
}

/// Joins a room and waits for the welcome; the member's id.
async fn join(host: &TestHost, room: &str, name: &str) -> (Client, u64) {
    let mut client = Client::connect(host, &format!("/chat/{room}")).await;
    say(&mut client, json!({"type": "join", "name": name})).await;
    let welcome = next(&mut client).await;
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    (client, welcome["id"].as_u64().expect("an id is a number"))
}

async fn say(client: &mut Client, value: Value) {
    client.text(&value.to_string()).await;
}

async fn next(client: &mut Client) -> Value {
    let text = client.receive_text().await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
