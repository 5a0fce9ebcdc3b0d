//! Bytes as peers send them, whole and byte by byte.

use super::*;

const MAX: usize = 1 << 20;
const FRAGMENTS: usize = 1024;

fn frames() -> Frames {
    Frames::new(MAX, FRAGMENTS)
}

/// The verdict, and the good bytes before it; large frames are passed over.
fn follow(bytes: &[u8]) -> Result<(), (usize, Violation)> {
    let whole = walk(bytes, bytes.len().max(1));
    assert_eq!(walk(bytes, 1), whole);
    whole
}

/// The same with so many bytes at a time, as a reader does: what is not followed is shown again.
fn walk(bytes: &[u8], step: usize) -> Result<(), (usize, Violation)> {
    let (mut frames, mut at, mut end) = (frames(), 0, 0);
    while end < bytes.len() {
        end = bytes.len().min(end + step);
        let followed = frames.follow(&bytes[at..end]);
        at += followed.good;
        match followed.stop {
            Stop::End => {}
            Stop::Large(head, _) => {
                at += head;
                let payload = bytes.len().min(at + frames.payload as usize);
                frames.passed(payload - at);
                (at, end) = (payload, payload);
            }
            Stop::Breach(violation) => return Err((at, violation)),
        }
    }
    Ok(())
}

fn breach(good: usize, violation: Violation) -> Result<(), (usize, Violation)> {
    Err((good, violation))
}

#[test]
fn proper_frames_pass() {
    let mut bytes = vec![0x81, 0x82, 1, 2, 3, 4, 5, 6, 0x89, 0x80, 1, 2, 3, 4];
    bytes.extend([0x82, 0xfe, 0, 126, 0, 0, 0, 0]);
    bytes.extend([0; 126]);
    bytes.extend([0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    bytes.extend(vec![0; 0x10000]);
    bytes.extend([0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xe8 ^ 2]);
    assert_eq!(follow(&bytes), Ok(()));
}

#[test]
fn lengths_are_minimal() {
    let good = [0x81, 0x80, 1, 2, 3, 4];
    for bad in [
        &[0x82, 0xfe, 0, 125, 0, 0, 0, 0][..],
        &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0],
        &[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        assert_eq!(follow(&[&good, bad].concat()), breach(6, Violation::Protocol), "{bad:02x?}");
    }
}

#[test]
fn close_codes_are_those_that_may_be_sent() {
    for (code, is_allowed) in
        [(999_u16, false), (1000, true), (1005, false), (1015, false), (3000, true), (5000, false)]
    {
        let [high, low] = code.to_be_bytes();
        let verdict = follow(&[0x88, 0x82, 9, 8, 7, 6, high ^ 9, low ^ 8]);
        assert_eq!(verdict.is_ok(), is_allowed, "{code}");
    }
    let echo = [0x88, 0x82, 9, 8, 7, 6, 0x03 ^ 9, 0xf6 ^ 8];
    assert_eq!(follow(&echo), breach(0, Violation::Protocol));
    let mut frames = frames();
    frames.expect_answer();
    assert!(matches!(frames.follow(&echo).stop, Stop::End), "1014 as the answer");
    assert_eq!(follow(&[0x88, 0x80, 1, 2, 3, 4]), Ok(()), "no code");
    assert_eq!(follow(&[0x88, 0x81, 1, 2, 3, 4, 5]), Ok(()), "left to tungstenite");
}

#[test]
fn endless_empty_fragments_are_too_many() {
    let first = [0x01, 0x80, 1, 2, 3, 4];
    let empty = [0x00, 0x80, 1, 2, 3, 4];
    let enough = [&first[..], &empty.repeat(FRAGMENTS - 1)].concat();
    assert_eq!(follow(&enough), Ok(()));
    let too_many = [&enough[..], &empty].concat();
    let passed = Passed::Fragments { count: 1025, allowed: 1024 };
    assert_eq!(follow(&too_many), breach(enough.len(), Violation::Limit(passed)));
}

#[test]
fn a_message_is_judged_by_its_headers() {
    let head = |first: u8, length: u64| [&[first, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
    let too_big = |bytes: usize| Violation::Limit(Passed::MessageSize { bytes, allowed: MAX });
    assert_eq!(follow(&head(0x82, MAX as u64)), Ok(()));
    assert_eq!(follow(&head(0x82, MAX as u64 + 1)), breach(0, too_big(MAX + 1)));
    // Fragments count together.
    let first = [0x01, 0x81, 0, 0, 0, 0, b'x'];
    assert_eq!(follow(&[&first[..], &head(0x80, MAX as u64 - 1)].concat()), Ok(()));
    let verdict = follow(&[&first[..], &head(0x80, MAX as u64)].concat());
    assert_eq!(verdict, breach(first.len(), too_big(MAX + 1)));
}

#[test]
fn nobody_waits_for_a_large_frame_that_is_none() {
    let head = |first: u8, second: u8| [&[first, second][..], &100_000_u64.to_be_bytes(), &[0; 4]].concat();
    for (what, first, second) in [("a ping", 0x89, 0xff), ("a reserved opcode", 0x83, 0xff), ("no mask", 0x82, 0x7f)] {
        assert_eq!(follow(&head(first, second)), breach(0, Violation::Protocol), "{what}");
    }
}

#[test]
fn what_has_begun_is_incomplete_to_its_last_byte() {
    let mut frames = frames();
    let first = [0x01, 0x81, 0, 0, 0, 0, b'a'];
    let ping = [0x89, 0x81, 0, 0, 0, 0, b'p'];
    let last = [0x80, 0x82, 0, 0, 0, 0, b'b', b'c'];
    let (mut seen, mut held) = (Vec::new(), Vec::new());
    for byte in [&ping[..], &first, &ping, &last, &ping, &[0x82, 0x80, 0, 0, 0, 0]].concat() {
        held.push(byte);
        let good = frames.follow(&held).good;
        held.drain(..good);
        seen.push(if held.is_empty() { frames.incomplete() } else { Some(frames.next()) });
    }
    let of = |number: Option<u64>, bytes: usize| vec![number; bytes];
    // A ping between messages is something of its own; one within a message belongs to it.
    let expected = [
        of(Some(0), 6),
        of(None, 1),
        of(Some(1), 7 + 7 + 7),
        of(None, 1),
        of(Some(2), 6),
        of(None, 1),
        of(Some(3), 5),
        of(None, 1),
    ];
    assert_eq!(seen, expected.concat());
}
