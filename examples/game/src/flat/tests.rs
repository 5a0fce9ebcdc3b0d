//! The rules, step by step.

use std::sync::LazyLock;

use super::*;

/// A flat with birds in these cells, in the order of their seats, and without shells in sight.
fn flat(cells: &[Cell]) -> Flat {
    let mut flat = Flat::new("cove");
    flat.shells.shells.clear();
    for (seat, cell) in cells.iter().enumerate() {
        flat.arrive(format!("bird {seat}"), at(0)).expect("there are seats");
        flat.birds.get_mut(&seat).expect("it arrived").cell = *cell;
    }
    flat.prints = [None; SIDE * SIDE];
    flat
}

/// A time, in milliseconds.
fn at(milliseconds: u64) -> Instant {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    *BEGAN + Duration::from_millis(milliseconds)
}

fn cells(flat: &Flat) -> Vec<Cell> {
    flat.birds.values().map(|bird| bird.cell).collect()
}

fn cell(x: usize, y: usize) -> Cell {
    y * SIDE + x
}

#[test]
fn a_step_leaves_prints() {
    let mut flat = flat(&[cell(4, 4)]);
    for (way, to) in [(Way::Up, cell(4, 3)), (Way::Right, cell(5, 3)), (Way::Down, cell(5, 4)), (Way::Left, cell(4, 4))]
    {
        let step = flat.step(0, way, at(0)).expect("the way is free");
        assert_eq!((step.birds, step.prints), (vec![(0, to)], vec![(0, to)]));
        assert!(step.shells.is_none());
    }
    assert_eq!(flat.prints.iter().flatten().count(), 4);
}

#[test]
fn the_flat_ends_on_all_sides() {
    let last = SIDE - 1;
    for (x, y, way) in [(0, 3, Way::Left), (last, 3, Way::Right), (3, 0, Way::Up), (3, last, Way::Down)] {
        let mut flat = flat(&[cell(x, y)]);
        assert!(flat.step(0, way, at(0)).is_none(), "{way:?}");
        assert_eq!(cells(&flat), [cell(x, y)]);
    }
}

#[test]
fn a_bird_shoves_one_that_can_give_way() {
    let mut flat = flat(&[cell(3, 3), cell(4, 3)]);
    let step = flat.step(0, Way::Right, at(0)).expect("there is room behind it");
    assert_eq!(step.birds, [(1, cell(5, 3)), (0, cell(4, 3))]);
    assert_eq!(step.prints, step.birds);
}

#[test]
fn a_bird_with_its_back_to_the_edge_or_to_another_stays() {
    let mut at_the_edge = flat(&[cell(1, 0), cell(0, 0)]);
    assert!(at_the_edge.step(0, Way::Left, at(0)).is_none());
    let mut three = flat(&[cell(1, 0), cell(2, 0), cell(3, 0)]);
    assert!(three.step(0, Way::Right, at(0)).is_none());
    assert_eq!(cells(&three), [cell(1, 0), cell(2, 0), cell(3, 0)]);
    assert!(three.prints.iter().all(Option::is_none));
}

#[test]
fn a_shell_spreads_prints_around_and_another_comes() {
    let mut flat = flat(&[cell(0, 1)]);
    flat.shells.shells = vec![cell(0, 0)];
    let step = flat.step(0, Way::Up, at(0)).expect("the way is free");
    let around = [cell(0, 0), cell(1, 0), cell(0, 1), cell(1, 1)];
    assert_eq!(step.prints, around.map(|cell| (0, cell)));
    let shells = step.shells.expect("they changed");
    assert_eq!((shells.left, shells.shells.len()), (SHELLS_PER_TIDE - 1, SHELLS_IN_SIGHT));
    assert!(!shells.shells.contains(&cell(0, 0)), "not under the bird");
}

#[test]
fn prints_belong_to_the_last_who_came() {
    let mut flat = flat(&[cell(3, 3), cell(8, 8)]);
    flat.prints[cell(4, 3)] = Some(1);
    flat.step(0, Way::Right, at(0)).expect("the way is free");
    assert_eq!(flat.prints[cell(4, 3)], Some(0));
}

#[test]
fn the_tide_comes_with_the_last_shell_and_most_prints_win() {
    let mut flat = flat(&[cell(3, 3), cell(8, 8), cell(12, 12)]);
    flat.shells = Shells { shells: vec![cell(3, 2)], left: 1 };
    flat.prints[..9].fill(Some(1));
    assert!(flat.tide().is_none(), "there is a shell");
    flat.step(0, Way::Up, at(0)).expect("the way is free");
    let tide = flat.tide().expect("it was the last");
    assert_eq!(tide.winners, [0, 1], "nine prints each");
    assert_eq!(flat.birds.values().map(|bird| bird.tides).collect::<Vec<_>>(), [1, 1, 0]);
    assert!(flat.prints.iter().all(Option::is_none));
    assert_eq!((flat.shells.left, flat.shells.shells.len()), (SHELLS_PER_TIDE, SHELLS_IN_SIGHT));
    assert!(flat.tide().is_none());
}

#[test]
fn a_bird_makes_a_step_each_100_ms_and_may_be_five_late() {
    let mut flat = flat(&[cell(0, 0)]);
    let mut made = |steps: usize, now| {
        let ways = [Way::Right, Way::Left].into_iter().cycle();
        ways.take(steps).filter(|way| flat.step(0, *way, at(now)).is_some()).count()
    };
    assert_eq!(made(50, 1000), 5);
    assert_eq!(made(50, 1099), 0);
    assert_eq!(made(50, 1100), 1);
    assert_eq!(made(50, 1350), 2);
    assert_eq!(made(50, 9000), 5);
}

#[test]
fn seats_are_taken_once_and_again() {
    let mut flat = flat(&[]);
    let seats: Vec<_> =
        (0..MAX_BIRDS).map(|_| flat.arrive("bird".to_owned(), at(0)).expect("a seat is free").seat).collect();
    assert_eq!(seats, (0..MAX_BIRDS).collect::<Vec<_>>());
    assert!(flat.arrive("bird".to_owned(), at(0)).is_none());
    flat.leave(7);
    assert!(!flat.prints.contains(&Some(7)));
    assert!(flat.step(7, Way::Up, at(0)).is_none(), "it is gone");
    assert_eq!(flat.arrive("bird".to_owned(), at(0)).expect("a seat is free").seat, 7);
}

#[test]
fn a_room_of_the_same_name_has_the_same_world() {
    let world = |room| {
        let mut flat = Flat::new(room);
        flat.arrive("Ann".to_owned(), at(0));
        for turn in 0..2000 {
            let way = [Way::Up, Way::Right, Way::Down, Way::Left][turn * turn / 7 % 4];
            flat.step(0, way, at(turn as u64 * 100));
            flat.tide();
            let shells = &flat.shells;
            assert_eq!(shells.shells.len(), shells.left.min(SHELLS_IN_SIGHT));
            assert!(shells.shells.iter().all(|shell| flat.bird_in(*shell).is_none()));
        }
        serde_json::to_string(&flat.view()).expect("a view is JSON")
    };
    assert_eq!(world("cove"), world("cove"));
    assert_ne!(world("cove"), world("dune"));
}
