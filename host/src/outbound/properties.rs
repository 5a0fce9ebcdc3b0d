//! Whatever is queued and however little the socket takes: the same bytes leave in the same order, and the count of those
//! that wait is exact.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const CAPACITY: usize = 40_000;
const MESSAGE: usize = 50_000;

#[derive(Clone, Copy, Debug)]
enum Step {
    Send(Opcode, usize),
    SendEncoded(usize),
    SendControl(usize),
    /// The socket takes so many bytes, or as many as there are.
    Write(usize),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let opcode = prop_oneof![Just(Opcode::Text), Just(Opcode::Binary), Just(Opcode::Ping)];
    // Around the sizes of headers and of gathering, and over the limits.
    let size = || prop_oneof![5 => 0..300_usize, 2 => GATHER_BELOW - 20..GATHER_BELOW + 20, 1 => 39_000..51_000_usize];
    prop_oneof![
        20 => (opcode, size()).prop_map(|(opcode, size)| Step::Send(opcode, size)),
        10 => size().prop_map(Step::SendEncoded),
        5 => (0..8_usize).prop_map(Step::SendControl),
        20 => prop_oneof![0..500_usize, 0..60_000_usize].prop_map(Step::Write),
        1 => Just(Step::Close),
    ]
}

/// The queue beside a plain list of bytes.
struct Both {
    outbound: Arc<Outbound>,
    /// All that was queued, and how much of it was written.
    queued: Vec<u8>,
    written: usize,
    messages: u64,
    is_closed: bool,
    /// What the socket took from the queue and has not written yet.
    gathered: BytesMut,
    buffers: VecDeque<Bytes>,
}

impl Both {
    fn new() -> Self {
        let capacity = Capacity { outbound: CAPACITY, message: MESSAGE };
        let budget = Budget::new(usize::MAX, Arc::new(crate::hits::Hits::of_the_host()));
        Both {
            outbound: Outbound::new(ConnectionId(1), None, capacity, &budget),
            queued: Vec::new(),
            written: 0,
            messages: 0,
            is_closed: false,
            gathered: BytesMut::new(),
            buffers: VecDeque::new(),
        }
    }

    fn step(&mut self, number: usize, step: Step) {
        let payload = |size: usize| vec![number as u8; size];
        match step {
            Step::Send(opcode, size) => {
                let mut frame = BytesMut::new();
                message::encode(opcode, &payload(size), &mut frame);
                let expected = match size {
                    MESSAGE.. if size > MESSAGE => Err(SendError::TooLarge(MESSAGE)),
                    _ => self.admitted(size),
                };
                let messages = u64::from(opcode != Opcode::Ping);
                let expected = expected.map(|()| self.queue(&frame, messages));
                assert_eq!(self.outbound.send(opcode, &payload(size)), expected);
            }
            Step::SendEncoded(size) => {
                let frame = Bytes::from(payload(size));
                let expected = self.admitted(size).map(|()| self.queue(&frame, 1));
                assert_eq!(self.outbound.send_encoded(&frame), expected);
            }
            Step::SendControl(size) => {
                self.queue(&payload(size), 0);
                self.outbound.send_control(&payload(size));
            }
            Step::Write(bytes) => self.write(bytes),
            Step::Close => {
                self.is_closed = true;
                self.outbound.close();
            }
        }
        assert_eq!(self.outbound.waiting(), self.waiting());
        assert_eq!(self.outbound.messages_out(), self.messages);
    }

    fn waiting(&self) -> usize {
        self.queued.len() - self.written
    }

    fn admitted(&self, size: usize) -> Result<(), SendError> {
        match self.waiting() {
            _ if self.is_closed => Err(SendError::Closed),
            waiting if waiting > 0 && waiting + size > CAPACITY => Err(SendError::Full(waiting)),
            _ => Ok(()),
        }
    }

    fn queue(&mut self, bytes: &[u8], messages: u64) -> usize {
        self.queued.extend_from_slice(bytes);
        self.messages += messages;
        self.waiting()
    }

    /// As the socket does: what was taken is written before more is taken.
    fn write(&mut self, bytes: usize) {
        if self.gathered.is_empty() && self.buffers.is_empty() {
            recycle(&mut self.gathered);
            self.outbound.take(&mut self.gathered, &mut self.buffers);
        }
        let parts = std::iter::once(&self.gathered[..]).chain(self.buffers.iter().map(|part| &part[..]));
        let taken: Vec<u8> = parts.flatten().copied().collect();
        let bytes = bytes.min(taken.len());
        assert!(taken[..bytes] == self.queued[self.written..self.written + bytes], "other bytes than were queued");
        self.written += bytes;
        // What is left lies in one buffer from now on, which makes no difference to the queue.
        (self.gathered, self.buffers) = (BytesMut::from(&taken[bytes..]), VecDeque::new());
        assert_eq!(self.outbound.written(bytes), self.waiting());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_leave_as_they_came_and_what_waits_is_exact(steps in vec(step(), 0..60)) {
        let mut both = Both::new();
        for (number, step) in steps.into_iter().enumerate() {
            both.step(number, step);
        }
        while both.waiting() > 0 {
            both.write(usize::MAX);
        }
    }
}
