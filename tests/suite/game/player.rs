//! A client that knows the world of a room, and may have a bird in it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::support::{Client, TestHost};

/// Cells on one side of the flat.
pub(super) const SIDE: u64 = 18;
/// A little more than a bird needs for a step.
const STEP: Duration = Duration::from_millis(105);

/// The flat as a client knows it: a first message, and changes of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct World {
    /// Name and cell by seat.
    pub(super) birds: BTreeMap<u64, (String, u64)>,
    /// Whose prints are in a cell, by cell.
    pub(super) prints: BTreeMap<u64, u64>,
    pub(super) shells: Vec<u64>,
    pub(super) left: u64,
}

impl World {
    pub(super) fn apply(&mut self, message: &Value) {
        let pairs =
            |key: &str| list(&message[key]).map(|pair| (number(&pair[0]), number(&pair[1]))).collect::<Vec<_>>();
        match message["type"].as_str().expect("every message has a type") {
            "flat" => {
                *self = World::default();
                list(&message["birds"]).for_each(|bird| self.come(bird));
                let prints = message["prints"].as_str().expect("prints are letters");
                assert_eq!(prints.len() as u64, SIDE * SIDE);
                let letters = (0..).zip(prints.bytes()).filter(|(_, letter)| *letter != b'.');
                self.prints = letters.map(|(cell, letter)| (cell, u64::from(letter - b'a'))).collect();
            }
            "come" => {
                self.come(message);
                self.prints.insert(number(&message["cell"]), number(&message["seat"]));
            }
            "gone" => {
                let seat = number(&message["seat"]);
                self.birds.remove(&seat);
                self.prints.retain(|_, print| *print != seat);
            }
            "step" => {
                for (seat, cell) in pairs("birds") {
                    self.birds.get_mut(&seat).expect("it came").1 = cell;
                }
                self.prints.extend(pairs("prints").into_iter().map(|(seat, cell)| (cell, seat)));
            }
            "tide" => self.prints.clear(),
            "you" | "stay" | "alive" => {}
            other => panic!("{other}: {message}"),
        }
        if !message["shells"].is_null() {
            self.shells = list(&message["shells"]).map(number).collect();
            self.left = number(&message["left"]);
        }
    }

    fn come(&mut self, bird: &Value) {
        let name = bird["name"].as_str().expect("a bird has a name").to_owned();
        self.birds.insert(number(&bird["seat"]), (name, number(&bird["cell"])));
    }

    pub(super) fn cell(&self, seat: u64) -> u64 {
        self.birds[&seat].1
    }

    pub(super) fn score(&self, seat: u64) -> usize {
        self.prints.values().filter(|print| **print == seat).count()
    }
}

/// Somebody who plays.
pub(super) struct Player {
    pub(super) client: Client,
    pub(super) world: World,
    pub(super) seat: u64,
    pace: Interval,
}

impl Player {
    pub(super) async fn join(host: &TestHost, room: &str, name: &str) -> Player {
        let mut client = Client::connect(host, &format!("/game/{room}")).await;
        ask(&mut client, json!({"type": "join", "name": name})).await;
        let mut pace = interval(STEP);
        // On a loaded machine a bird rests longer, and is not in haste afterwards.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut player = Player { client, world: World::default(), seat: 0, pace };
        player.seat = number(&player.until("you").await["seat"]);
        player
    }

    /// Takes in what comes, up to the next message of a type, which is returned.
    pub(super) async fn until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.take().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// Takes in what comes, up to the arrival of this bird.
    pub(super) async fn until_comes(&mut self, name: &str) {
        while self.until("come").await["name"] != name {}
    }

    /// One step, when the bird has rested; whether it was made.
    pub(super) async fn step(&mut self, to: &str) -> bool {
        self.pace.tick().await;
        self.step_now(to).await
    }

    /// One step, though the bird may not have rested; whether it was made.
    pub(super) async fn step_now(&mut self, to: &str) -> bool {
        ask(&mut self.client, json!({"type": "step", "to": to})).await;
        loop {
            let message = self.take().await;
            match message["type"].as_str() {
                Some("stay") => return false,
                Some("step") if self.is_mover(&message) => return true,
                _ => {}
            }
        }
    }

    /// Takes in the next message.
    pub(super) async fn take(&mut self) -> Value {
        let message = next(&mut self.client).await;
        self.world.apply(&message);
        message
    }

    /// Whether a step is this bird's own; one that it shoved stands before it.
    fn is_mover(&self, step: &Value) -> bool {
        list(&step["birds"]).last().map(|pair| number(&pair[0])) == Some(self.seat)
    }

    /// Goes to the nearest shells until the tide comes; yields the world before it, and what was told.
    pub(super) async fn gather(&mut self) -> (World, Value) {
        loop {
            let from = self.world.cell(self.seat);
            let shell = self.world.shells.iter().min_by_key(|shell| distance(from, **shell));
            let to = way(from, *shell.unwrap_or(&from)).unwrap_or("up");
            self.pace.tick().await;
            ask(&mut self.client, json!({"type": "step", "to": to})).await;
            loop {
                let before = self.world.clone();
                let message = self.take().await;
                match message["type"].as_str() {
                    Some("tide") => return (before, message),
                    Some("stay") => break,
                    Some("step") if self.is_mover(&message) => break,
                    _ => {}
                }
            }
        }
    }

    /// Steps towards a cell until the bird is there, or something is in its way.
    pub(super) async fn walk(&mut self, goal: u64) {
        while let Some(to) = way(self.world.cell(self.seat), goal) {
            if !self.step(to).await {
                return;
            }
        }
    }
}

pub(super) async fn ask(client: &mut Client, value: Value) {
    client.text(&value.to_string()).await;
}

pub(super) async fn next(client: &mut Client) -> Value {
    let text = client.receive_text().await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(super) fn list(value: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The first step from one cell towards another; none when it is there.
pub(super) fn way(from: u64, to: u64) -> Option<&'static str> {
    match (from % SIDE, from / SIDE, to % SIDE, to / SIDE) {
        (x, _, goal, _) if x < goal => Some("right"),
        (x, _, goal, _) if x > goal => Some("left"),
        (_, y, _, goal) if y < goal => Some("down"),
        (_, y, _, goal) if y > goal => Some("up"),
        _ => None,
    }
}

/// Steps from one cell to another.
pub(super) fn distance(one: u64, other: u64) -> u64 {
    (one % SIDE).abs_diff(other % SIDE) + (one / SIDE).abs_diff(other / SIDE)
}

/// The same, where a step may go across a corner.
pub(super) fn distance_across(one: u64, other: u64) -> u64 {
    (one % SIDE).abs_diff(other % SIDE).max((one / SIDE).abs_diff(other / SIDE))
}
