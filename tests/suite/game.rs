//! The game example as its page sees it: a world that all members of a room share, moved by their messages.

mod player;

use std::time::Instant;

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use self::player::{Player, SIDE, World, ask, distance, distance_across, list, next, way};
use crate::support::examples::Example;
use crate::support::host::Builder;
use crate::support::{Client, TestHost, transcript};

/// A host that serves `examples/game`, beside another deployment.
async fn host() -> Builder {
    Example::build("game").await.host()
}

#[tokio::test]
async fn members_see_the_same_world() {
    let host = host().await.start().await;
    let mut ann = Player::join(&host, "cove", "Ann").await;
    let mut ben = Player::join(&host, "cove", "Ben").await;
    for to in ["up", "left", "down", "right", "down"] {
        ann.step(to).await;
        ben.step(to).await;
    }
    // Who comes later is told the same: as a whole, and without having to join.
    let mut eve = Player::join(&host, "cove", "Eve").await;
    for player in [&mut ann, &mut ben] {
        player.until_comes("Eve").await;
    }
    assert_eq!(ann.world, ben.world);
    assert_eq!(ann.world, eve.world);
    let mut watcher = Client::connect(&host, "/game/cove").await;
    let mut seen = World::default();
    seen.apply(&next(&mut watcher).await);
    assert_eq!(ann.world, seen);
    eve.step("up").await;
    host.stop().await;
}

#[tokio::test]
async fn a_shell_is_worth_its_surroundings() {
    let host = host().await.start().await;
    let mut ann = Player::join(&host, "cove", "Ann").await;
    let mut ben = Player::join(&host, "cove", "Ben").await;
    let (from, left) = (ann.world.cell(ann.seat), ann.world.left);
    let shell = *ann.world.shells.iter().min_by_key(|shell| distance(from, **shell)).expect("there are shells");
    ann.walk(shell).await;
    assert_eq!(ann.world.cell(ann.seat), shell);
    // Others may have lain on the way.
    assert!(ann.world.left < left && !ann.world.shells.contains(&shell), "{:?}", ann.world);
    assert_eq!(ann.world.shells.len(), 5);
    let around = (0..SIDE * SIDE).filter(|cell| distance_across(*cell, shell) <= 1);
    assert!(around.into_iter().all(|cell| ann.world.prints.get(&cell) == Some(&ann.seat)));
    let score = ann.world.score(ann.seat);
    Player::join(&host, "cove", "Eve").await;
    ben.until_comes("Eve").await;
    assert_eq!(ben.world.score(ann.seat), score);
    host.stop().await;
}

#[tokio::test]
async fn with_the_last_shell_comes_the_tide_and_most_prints_win() {
    let host = host().await.start().await;
    let mut players = Vec::new();
    for name in ["Ann", "Ben", "Cleo"] {
        players.push(Player::join(&host, "cove", name).await);
    }
    let gather = |mut player: Player| async move {
        let told = player.gather().await;
        (player, told)
    };
    let gatherers: Vec<_> = players.into_iter().map(|player| tokio::spawn(gather(player))).collect();
    let (mut players, mut told) = (Vec::new(), Vec::new());
    for gatherer in gatherers {
        let (player, last) = gatherer.await.expect("the gatherer finds shells");
        players.push(player);
        told.push(last);
    }
    // All were told the same, of the same world.
    let (before, tide) = told.remove(0);
    assert!(told.iter().all(|other| *other == (before.clone(), tide.clone())));
    let most = before.birds.keys().map(|seat| before.score(*seat)).max();
    let winners = before.birds.keys().filter(|seat| Some(before.score(**seat)) == most);
    assert_eq!(tide["winners"], json!(winners.collect::<Vec<_>>()));
    assert_eq!((before.left, &tide["left"]), (0, &json!(20)));

    let mut watcher = Client::connect(&host, "/game/cove").await;
    let flat = next(&mut watcher).await;
    let tides: u64 = list(&flat["birds"]).filter_map(|bird| bird["tides"].as_u64()).sum();
    assert_eq!(tides, list(&tide["winners"]).count() as u64, "{flat}");
    host.stop().await;
}

#[tokio::test]
async fn the_guest_decides_who_gives_way() {
    let host = host().await.start().await;
    let mut ann = Player::join(&host, "cove", "Ann").await;
    let mut ben = Player::join(&host, "cove", "Ben").await;
    ben.walk(SIDE * SIDE / 2 + SIDE / 2).await;
    while ann.world.birds.get(&ben.seat) != ben.world.birds.get(&ben.seat) {
        ann.take().await;
    }
    let mut pushed = None;
    // Ben stands still, so Ann reaches him, and at last he has the edge at his back.
    while let Some(to) = way(ann.world.cell(ann.seat), ann.world.cell(ben.seat)) {
        let before = ann.world.cell(ben.seat);
        if !ann.step(to).await {
            break;
        }
        if ann.world.cell(ben.seat) != before {
            assert_eq!(ann.world.cell(ann.seat), before, "Ann stands where Ben stood");
            pushed = Some(ann.world.cell(ben.seat));
        }
    }
    let pushed = pushed.expect("Ann met Ben away from the edge");
    assert_eq!(distance(ann.world.cell(ann.seat), pushed), 1);
    // Ben was told of it, and goes on from there.
    ben.step("up").await;
    assert!(distance(ben.world.cell(ben.seat), pushed) <= 1);
    host.stop().await;
}

#[tokio::test]
async fn who_leaves_takes_the_prints_along() {
    let host = host().await.start().await;
    let mut ann = Player::join(&host, "cove", "Ann").await;
    let mut ben = Player::join(&host, "cove", "Ben").await;
    for to in ["up", "down", "left", "right"] {
        ben.step(to).await;
    }
    let seat = ben.seat;
    ben.client.close(1000, "").await;
    assert_eq!(ann.until("gone").await["seat"], seat);
    assert_eq!((ann.world.birds.len(), ann.world.score(seat)), (1, 0));
    // The seat is free.
    assert_eq!(Player::join(&host, "cove", "Cleo").await.seat, seat);
    host.stop().await;
}

#[tokio::test]
async fn rooms_are_apart_and_a_new_one_begins_as_all_of_its_name() {
    let host = host().await.start().await;
    let mut ann = Player::join(&host, "cove", "Ann").await;
    let ben = Player::join(&host, "dune", "Ben").await;
    assert_eq!((ann.seat, ben.seat), (0, 0));
    assert_ne!(ann.world.shells, ben.world.shells);
    ann.step("up").await;
    assert_eq!(ann.world.birds.len(), 1);
    host.stop().await;
    let again = self::host().await.start().await;
    assert_eq!(Player::join(&again, "dune", "Ben").await.world, ben.world);
    again.stop().await;
}

#[tokio::test]
async fn what_is_no_part_of_the_game_is_answered_and_ends_at_the_tenth() {
    let host = host().await.start().await;
    let mut ann = Player::join(&host, "cove", "Ann").await;
    let mut eve = Client::connect(&host, "/game/cove").await;
    assert_eq!(next(&mut eve).await["type"], "flat");
    for (sent, text) in [
        (r#"{"type":"step","to":"up"}"#, "join first"),
        (r#"{"type":"join","name":" \u0007 "}"#, "a name has 1 to 16 characters, not 0"),
        (r#"{"type":"join","name":"12345678901234567"}"#, "a name has 1 to 16 characters, not 17"),
        (r#"{"type":"step","to":"up","seat":0}"#, "not understood: "),
        (r#"{"type":"step","to":"away"}"#, "not understood: "),
        (r#"{"type":"tide","winners":[1]}"#, "not understood: "),
        ("", "not understood: "),
        ("[[[[[[[[[[", "not understood: "),
    ] {
        eve.text(sent).await;
        let answer = next(&mut eve).await;
        assert_eq!(answer["type"], "error", "{sent}: {answer}");
        assert!(answer["text"].as_str().unwrap_or_default().starts_with(text), "{sent}: {answer}");
    }
    eve.binary(b"{}").await;
    assert_eq!(next(&mut eve).await, json!({"type": "error", "text": "send text: one JSON object"}));
    // Both come in one burst: the second is one too many, and no longer answered.
    eve.text("{}").await;
    eve.text(r#"{"type":"join","name":"Eve"}"#).await;
    assert_eq!(next(&mut eve).await["type"], "error");
    eve.closed_with(1008).await;
    // She was never a bird, and nobody noticed.
    let before = ann.world.clone();
    assert!(ann.step("up").await || ann.step("down").await);
    assert_eq!(ann.world.birds.len(), before.birds.len());
    host.stop().await;
}

#[tokio::test]
async fn a_message_that_no_step_needs_is_not_read() {
    let host = host().await.start().await;
    let mut ann = Player::join(&host, "cove", "Ann").await;
    let mut eve = Client::connect(&host, "/game/cove").await;
    eve.text(&" ".repeat(1025)).await;
    eve.closed_with(1009).await;
    ann.step("up").await;
    host.stop().await;
}

#[tokio::test]
async fn a_flood_of_steps_moves_nobody_faster_and_starves_nobody() {
    // Without the manifest's limit on messages: the guest's own rule is enough.
    let component = Example::build("game").await.component;
    let host = TestHost::serving(&component).route("/game/{room}").manifest("scope = { room = \"{room}\" }");
    let host = host.start().await;
    let mut ann = Player::join(&host, "cove", "Ann").await;
    let mut eve = Player::join(&host, "cove", "Eve").await;
    let began = Instant::now();
    let flood = tokio::spawn(async move {
        let mut made = 0;
        for turn in 0..3000 {
            made += u128::from(eve.step_now(["left", "right"][turn % 2]).await);
        }
        made
    });
    let mut own = 0;
    for turn in 0..20 {
        own += usize::from(ann.step(["up", "down"][turn % 2]).await);
    }
    assert!(own >= 10, "Ann made {own} of 20 steps");
    let made = flood.await.expect("the flood is answered");
    let most = began.elapsed().as_millis() / 100 + 5;
    assert!(made <= most, "Eve made {made} steps in a time for {most}");
    host.stop().await;
}

#[tokio::test]
async fn twelve_play_and_the_others_watch() {
    let host = host().await.start().await;
    let mut players = Vec::new();
    for number in 0..12 {
        players.push(Player::join(&host, "cove", &format!("Bird {number}")).await);
    }
    let mut watcher = Client::connect(&host, "/game/cove").await;
    assert_eq!(list(&next(&mut watcher).await["birds"]).count(), 12);
    ask(&mut watcher, json!({"type": "join", "name": "Late"})).await;
    let text = "12 birds are on the flat, and it holds no more";
    assert_eq!(next(&mut watcher).await, json!({"type": "error", "text": text}));
    players[3].step("up").await;
    players.remove(0).client.close(1000, "").await;
    while next(&mut watcher).await["type"] != "gone" {}
    ask(&mut watcher, json!({"type": "join", "name": "Late"})).await;
    assert_eq!(next(&mut watcher).await["seat"], 0);
    host.stop().await;
}

#[tokio::test]
async fn a_pong_tells_a_page_that_its_connection_lives() {
    let host = host().await.start().await;
    let mut ann = Player::join(&host, "cove", "Ann").await;
    ann.client.send(Message::Pong(Vec::new().into())).await;
    ann.until("alive").await;
    host.stop().await;
}

#[tokio::test]
async fn the_readme_is_true() {
    let host = host().await.start().await;
    transcript::replay("examples/game/README.md", &host).await;
    host.stop().await;
}
