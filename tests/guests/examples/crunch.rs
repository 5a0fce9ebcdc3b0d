//! Computes and does nothing else: `fib N` is answered with that Fibonacci number, `hash N` with the start of the
//! SHA-256 of N zero bytes.

use whimbrel_sdk::{Connection, Handler, Message, Request, Result, export};

struct Crunch;

impl Handler for Crunch {
    fn open(_connection: Connection, _request: &Request) -> Result<Self> {
        Ok(Crunch)
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result {
        let (name, number) = message.as_text().and_then(|text| text.split_once(' ')).ok_or("not a command")?;
        let number: u32 = number.parse().map_err(|_| "not a number")?;
        let answer = match name {
            "fib" => fib(number).to_string(),
            "hash" => format!("{:08x}", sha256(&vec![0; number as usize])),
            _ => return Err("not a command".into()),
        };
        connection.send(answer)?;
        Ok(())
    }
}

/// Calls and little else.
fn fib(number: u32) -> u64 {
    if number < 2 { number.into() } else { fib(number - 1) + fib(number - 2) }
}

/// Loops and arithmetic; the first word of the hash (FIPS 180-4).
fn sha256(data: &[u8]) -> u32 {
    let constants = constants();
    let mut state: [u32; 8] =
        [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
    let mut padded = data.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64) + if padded.len() % 64 > 56 { 64 } else { 0 }, 0);
    let end = padded.len() - 8;
    padded[end..].copy_from_slice(&(data.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks_exact(64) {
        compress(&mut state, block, &constants);
    }
    state[0]
}

fn compress(state: &mut [u32; 8], block: &[u8], constants: &[u32; 64]) {
    let mut words = [0_u32; 64];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    for i in 16..64 {
        let (a, b) = (words[i - 15], words[i - 2]);
        let a = a.rotate_right(7) ^ a.rotate_right(18) ^ (a >> 3);
        let b = b.rotate_right(17) ^ b.rotate_right(19) ^ (b >> 10);
        words[i] = words[i - 16].wrapping_add(a).wrapping_add(words[i - 7]).wrapping_add(b);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for i in 0..64 {
        let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let choice = (e & f) ^ (!e & g);
        let t1 = h.wrapping_add(s1).wrapping_add(choice).wrapping_add(constants[i]).wrapping_add(words[i]);
        let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let t2 = s0.wrapping_add((a & b) ^ (a & c) ^ (b & c));
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(t1), c, b, a, t1.wrapping_add(t2));
    }
    for (old, new) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *old = old.wrapping_add(new);
    }
}

/// The fractional parts of the cube roots of the first 64 primes.
fn constants() -> [u32; 64] {
    let mut primes = (2_u32..).filter(|number| (2..*number).all(|divisor| number % divisor != 0));
    std::array::from_fn(|_| {
        let prime = u128::from(primes.next().unwrap_or_default());
        // The root of prime * 2^96 is that of prime with 32 binary places.
        let (wanted, mut root) = (prime << 96, 0_u128);
        for bit in (0..36).rev() {
            let tried = root | 1 << bit;
            if tried * tried * tried <= wanted {
                root = tried;
            }
        }
        root as u32
    })
}

export!(Crunch);
