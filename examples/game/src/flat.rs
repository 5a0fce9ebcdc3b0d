//! The rules: birds on a tidal flat leave prints, gather shells and shove each other.
//!
//! Pure: the time comes with each call and chance from the room's name, so that the same steps make the same world.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Cells on one side of the flat. They are numbered by rows, from the top left.
pub(crate) const SIDE: usize = 18;
/// As many colours as can be told apart.
pub(crate) const MAX_BIRDS: usize = 12;
const SHELLS_PER_TIDE: usize = 20;
const SHELLS_IN_SIGHT: usize = 5;
/// A bird makes one step in this time.
const STEP: Duration = Duration::from_millis(100);
/// So many steps may come at once, where the network held them up.
const LATE_STEPS: u32 = 5;

/// A bird's place among the birds, and its colour.
pub(crate) type Seat = usize;
type Cell = usize;

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Way {
    Up,
    Right,
    Down,
    Left,
}

#[derive(Clone, Serialize)]
pub(crate) struct Bird {
    pub(crate) seat: Seat,
    name: String,
    cell: Cell,
    /// Tides that it has won.
    tides: u32,
    /// When it has rested from all its steps.
    #[serde(skip)]
    rested_at: Instant,
}

#[derive(Clone, Default, Serialize)]
pub(crate) struct Shells {
    /// Where some of them lie.
    shells: Vec<Cell>,
    /// How many there are until the tide comes, those included.
    left: usize,
}

/// What a step has changed.
#[derive(Default, Serialize)]
pub(crate) struct Step {
    /// Where birds are now: the one that stepped, and before it the one that it shoved.
    birds: Vec<(Seat, Cell)>,
    /// Whose prints are in a cell now.
    prints: Vec<(Seat, Cell)>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    shells: Option<Shells>,
}

/// The last shell was taken: all prints are gone, and there are new shells.
#[derive(Serialize)]
pub(crate) struct Tide {
    /// The birds that had the most prints.
    winners: Vec<Seat>,
    #[serde(flatten)]
    shells: Shells,
}

/// All there is to see.
#[derive(Serialize)]
pub(crate) struct View<'a> {
    side: usize,
    birds: Vec<&'a Bird>,
    /// A letter per cell: `a` for the bird in seat 0, `.` for nobody.
    prints: String,
    #[serde(flatten)]
    shells: &'a Shells,
}

pub(crate) struct Flat {
    birds: BTreeMap<Seat, Bird>,
    prints: [Option<Seat>; SIDE * SIDE],
    shells: Shells,
    chance: Chance,
}

impl Flat {
    pub(crate) fn new(room: &str) -> Self {
        let (birds, prints, shells) = (BTreeMap::new(), [None; SIDE * SIDE], Shells::default());
        let mut flat = Flat { birds, prints, shells, chance: Chance::of(room) };
        flat.wash();
        flat
    }

    pub(crate) fn view(&self) -> View<'_> {
        let letter = |seat: Seat| char::from(b'a' + u8::try_from(seat).unwrap_or_default());
        let prints = self.prints.iter().map(|print| print.map_or('.', letter)).collect();
        View { side: SIDE, birds: self.birds.values().collect(), prints, shells: &self.shells }
    }

    /// A new bird, somewhere; none when all seats are taken.
    pub(crate) fn arrive(&mut self, name: String, now: Instant) -> Option<Bird> {
        let seat = (0..MAX_BIRDS).find(|seat| !self.birds.contains_key(seat))?;
        let cell = self.free_cell();
        self.prints[cell] = Some(seat);
        let bird = Bird { seat, name, cell, tides: 0, rested_at: now };
        self.birds.insert(seat, bird.clone());
        Some(bird)
    }

    /// A bird flies off; its prints go with it.
    pub(crate) fn leave(&mut self, seat: Seat) {
        self.birds.remove(&seat);
        self.prints.iter_mut().filter(|print| **print == Some(seat)).for_each(|print| *print = None);
    }

    /// A bird's step. None when it stays where it is: it is still resting, the flat ends there, or a bird that cannot
    /// give way is there.
    pub(crate) fn step(&mut self, seat: Seat, way: Way, now: Instant) -> Option<Step> {
        let bird = self.birds.get_mut(&seat)?;
        bird.rested_at = Some(bird.rested_at.max(now) + STEP).filter(|at| *at <= now + LATE_STEPS * STEP)?;
        let cell = next(bird.cell, way)?;
        let mut step = Step::default();
        if let Some(other) = self.bird_in(cell) {
            let behind = next(cell, way).filter(|cell| self.bird_in(*cell).is_none())?;
            self.land(other, behind, &mut step);
        }
        self.land(seat, cell, &mut step);
        Some(step)
    }

    /// The tide, when the last shell is gone.
    pub(crate) fn tide(&mut self) -> Option<Tide> {
        if self.shells.left > 0 {
            return None;
        }
        let count = |bird: &Bird| self.prints.iter().filter(|print| **print == Some(bird.seat)).count();
        let most = self.birds.values().map(count).max();
        let mut winners = Vec::new();
        for bird in self.birds.values_mut().filter(|bird| Some(count(bird)) == most) {
            bird.tides += 1;
            winners.push(bird.seat);
        }
        self.wash();
        Some(Tide { winners, shells: self.shells.clone() })
    }

    /// No prints, and new shells.
    fn wash(&mut self) {
        self.prints = [None; SIDE * SIDE];
        self.shells.left = SHELLS_PER_TIDE;
        self.lay_shells();
    }

    /// A bird comes into a cell. A shell there spreads its prints to all cells around.
    fn land(&mut self, seat: Seat, cell: Cell, step: &mut Step) {
        self.birds.entry(seat).and_modify(|bird| bird.cell = cell);
        step.birds.push((seat, cell));
        let has_shell = self.shells.shells.contains(&cell);
        for cell in (0..SIDE * SIDE).filter(|other| *other == cell || (has_shell && touch(*other, cell))) {
            self.prints[cell] = Some(seat);
            step.prints.push((seat, cell));
        }
        if has_shell {
            self.shells.shells.retain(|shell| *shell != cell);
            self.shells.left -= 1;
            self.lay_shells();
            step.shells = Some(self.shells.clone());
        }
    }

    fn lay_shells(&mut self) {
        while self.shells.shells.len() < self.shells.left.min(SHELLS_IN_SIGHT) {
            let cell = self.free_cell();
            self.shells.shells.push(cell);
        }
    }

    fn bird_in(&self, cell: Cell) -> Option<Seat> {
        self.birds.values().find(|bird| bird.cell == cell).map(|bird| bird.seat)
    }

    /// A cell without bird and shell; there are far more cells than these.
    fn free_cell(&mut self) -> Cell {
        let mut cell = self.chance.below(SIDE * SIDE);
        while self.bird_in(cell).is_some() || self.shells.shells.contains(&cell) {
            cell = self.chance.below(SIDE * SIDE);
        }
        cell
    }
}

/// The cell beside; none where the flat ends.
fn next(cell: Cell, way: Way) -> Option<Cell> {
    match way {
        Way::Up => cell.checked_sub(SIDE),
        Way::Down => Some(cell + SIDE).filter(|cell| *cell < SIDE * SIDE),
        Way::Left => cell.checked_sub(1).filter(|next| next / SIDE == cell / SIDE),
        Way::Right => Some(cell + 1).filter(|next| next / SIDE == cell / SIDE),
    }
}

/// Whether two cells share a side or a corner.
fn touch(one: Cell, other: Cell) -> bool {
    (one % SIDE).abs_diff(other % SIDE) <= 1 && (one / SIDE).abs_diff(other / SIDE) <= 1
}

/// Numbers that look random and are not: Knuth's linear congruence, begun with the FNV-1a hash of the room's name.
struct Chance(u64);

impl Chance {
    fn of(room: &str) -> Self {
        let hash = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Chance(room.bytes().fold(0xcbf2_9ce4_8422_2325, hash))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The lower bits repeat soon.
        (self.0 >> 33) as usize % bound
    }
}

#[cfg(test)]
mod tests;
