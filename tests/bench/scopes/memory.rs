//! Memory: what an idle connection adds under each scope, and what a room adds with its members and without.

use super::{Bed, CONNECTION, EVENT, ROOM, SHARED_1, Scope};
use crate::idle::{self, Memory};
use crate::load::Rooms;
use crate::table;

/// Connections of each reading, and half as many rooms of two.
const CONNECTIONS: usize = 5_000;
const ROOMS: usize = CONNECTIONS / 2;

/// One row, still without what follows from others.
struct Reading {
    title: &'static str,
    scope: Scope,
    members: usize,
    leave: bool,
    limits: &'static str,
    /// What the growth is divided by.
    things: usize,
}

impl Reading {
    const fn of(title: &'static str, scope: Scope) -> Self {
        Self { title, scope, members: 1, leave: false, limits: "", things: CONNECTIONS }
    }
}

const READINGS: [Reading; 5] = [
    Reading::of("idle connection, connection", CONNECTION),
    Reading::of("idle connection, shared = 1", SHARED_1),
    Reading::of("idle connection, event", EVENT),
    Reading { members: 2, things: ROOMS, ..Reading::of("room of two with its two connections", ROOM) },
    Reading {
        members: 2,
        things: ROOMS,
        leave: true,
        limits: "room_idle = \"3600s\"",
        ..Reading::of("room that all have left", ROOM)
    },
];
/// Where in `READINGS` the parts of a room are.
const PER_EVENT: usize = 2;
const PER_ROOM: usize = 3;

/// The table, a fresh server for each reading.
pub(super) fn measure(bed: &Bed<'_>) -> anyhow::Result<String> {
    let mut all: Vec<Vec<Memory>> = READINGS.iter().map(|_| Vec::new()).collect();
    for round in 1..=bed.rounds.min(3) {
        for (reading, values) in READINGS.iter().zip(&mut all) {
            let memory = read(bed, reading)?;
            eprintln!("{}, round {round}: {:.1} KiB", reading.title, memory.resident);
            values.push(memory);
        }
    }
    let mut text = format!(
        "\n## Memory, bytes\n\n{CONNECTIONS} connections that have exchanged one message, or {ROOMS} rooms of two such; medians.\n\n\
         | of | resident (least to most) | proportional |\n| --- | ---: | ---: |\n"
    );
    let mut row = |title: &str, values: &[Memory]| {
        let of = |part: fn(&Memory) -> f64| values.iter().map(|memory| 1024.0 * part(memory)).collect::<Vec<f64>>();
        let (resident, proportional) = (of(|memory| memory.resident), of(|memory| memory.proportional));
        let (median, least, most) = table::spread(&resident, &resident, |value, _| value);
        let [median, least, most] = [median, least, most].map(table::number);
        let proportional = table::number(table::median(&proportional));
        text.push_str(&format!("| {title} | {median} ({least} to {most}) | {proportional} |\n"));
    };
    for (reading, values) in READINGS.iter().zip(&all) {
        row(reading.title, values);
    }
    let connections: Vec<Memory> = all[PER_EVENT].iter().map(|one| combine(one, one, |a, b| a + b)).collect();
    let rooms: Vec<Memory> =
        all[PER_ROOM].iter().zip(&connections).map(|(room, two)| combine(room, two, |a, b| a - b)).collect();
    row("of a room of two: its two connections, as under event", &connections);
    row("of a room of two: the room itself", &rooms);
    Ok(text)
}

fn combine(one: &Memory, other: &Memory, with: fn(f64, f64) -> f64) -> Memory {
    let resident = with(one.resident, other.resident);
    Memory { resident, proportional: with(one.proportional, other.proportional) }
}

fn read(bed: &Bed<'_>, reading: &Reading) -> anyhow::Result<Memory> {
    let server =
        bed.spec(reading.scope.name, reading.scope, &bed.echo, reading.limits)?.start(&bed.pinning, bed.folder)?;
    let memory = idle::measure(&idle::Options {
        url: server.target().clone(),
        connections: CONNECTIONS,
        size: 32,
        rooms: Rooms::of(reading.members),
        leave: reading.leave,
        server_pid: server.pid(),
    })
    .map_err(|error| error.context(format!("{} failed{}", reading.title, server.log_end())))?;
    let each = |kib: f64| kib * CONNECTIONS as f64 / reading.things as f64;
    Ok(Memory { resident: each(memory.resident), proportional: each(memory.proportional) })
}
