//! Frame headers: in whatever pieces a stream arrives, the verdict is that of the whole.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{frames, parts};
use heads::check;

/// What the fuzz target checks.
#[allow(unreachable_pub, missing_docs, reason = "of a crate of its own elsewhere")]
#[path = "../../../tests/fuzz/src/heads.rs"]
mod heads;

/// Parts of a frame, right and wrong ones.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        10 => Just(0x00_u8), 10 => Just(0x01), 10 => Just(0x82), 5 => Just(0x89), 5 => Just(0x88), 1 => any::<u8>()
    ];
    let code = prop_oneof![Just(1000_u16), Just(3000), Just(1005), any::<u16>()];
    let length = prop_oneof![10 => 0..130_u64, 2 => 65_530..65_540_u64, 1 => any::<u64>()];
    (first, any::<bool>(), length, 0..20_u8, code, any::<[u8; 4]>()).prop_map(
        |(first, masked, length, form, code, mask)| {
            let bit = if masked { 0x80 } else { 0 };
            let mut frame = vec![first];
            match (form, length) {
                // Not the shortest form.
                (0, _) => frame.push(bit | 127),
                (1, 0..=65_535) => frame.push(bit | 126),
                (_, 0..=125) => frame.push(bit | length as u8),
                (_, 126..=65_535) => frame.push(bit | 126),
                _ => frame.push(bit | 127),
            }
            match frame[1] & 0x7f {
                126 => frame.extend((length as u16).to_be_bytes()),
                127 => frame.extend(length.to_be_bytes()),
                _ => {}
            }
            if masked {
                frame.extend(mask);
            }
            let payload = frame.len();
            frame.resize(payload + length.min(70_000) as usize, 0x55);
            let masked_code = code ^ if masked { u16::from_be_bytes([mask[0], mask[1]]) } else { 0 };
            if let Some(place) = frame.get_mut(payload..payload + 2) {
                place.copy_from_slice(&masked_code.to_be_bytes());
            }
            frame
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_give_the_verdict_of_the_whole(
        frames in vec(frame(), 0..12), free in 1..8_usize, pieces in vec(prop_oneof![1..4_usize, 1..70_000_usize], 1..8),
    ) {
        let stream = frames.concat();
        check(&stream, free, |_| usize::MAX / 2);
        check(&stream, free, |number| pieces[number % pieces.len()]);
        // Byte by byte, without the long payloads.
        check(&stream[..stream.len().min(4096)], free, |_| 1);
    }

    #[test]
    fn any_bytes_give_the_verdict_of_the_whole(stream in vec(any::<u8>(), 0..400), free in 1..4_usize, piece in 1..9_usize) {
        check(&stream, free, |_| piece);
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "a failing test's output ends with the input's name")]
fn the_corpus_of_the_fuzz_target_holds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/corpus/frames");
    let inputs: Vec<_> = std::fs::read_dir(folder).unwrap().map(|input| input.unwrap().path()).collect();
    assert!(inputs.len() > 10, "{inputs:?}");
    for path in inputs {
        println!("{}", path.display());
        heads::frames(&std::fs::read(path).unwrap());
    }
}
