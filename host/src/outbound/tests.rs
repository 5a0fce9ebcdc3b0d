//! The queue without a socket: what leaves it, what it refuses, and whom it wakes.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::task::{Poll, Wake};

use super::*;

fn outbound(capacity: usize, message: usize) -> Arc<Outbound> {
    let budget = Budget::new(usize::MAX, Arc::new(crate::hits::Hits::of_the_host()));
    Outbound::new(ConnectionId(1), None, Capacity { outbound: capacity, message }, &budget)
}

/// Everything that waits, as the socket would write it.
fn take(outbound: &Outbound) -> Vec<u8> {
    let (mut gathered, mut buffers) = (BytesMut::new(), VecDeque::new());
    outbound.take(&mut gathered, &mut buffers);
    let parts = std::iter::once(&gathered[..]).chain(buffers.iter().map(|bytes| &bytes[..]));
    parts.flatten().copied().collect()
}

fn encoded(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    message::encode(opcode, payload, &mut frame);
    frame.freeze()
}

/// Counts how often the task would be woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn bytes_leave_in_the_order_in_which_they_were_queued() {
    let outbound = outbound(1 << 20, 1 << 20);
    let (small, large) = (vec![1; 10], vec![2; GATHER_BELOW]);
    let mut expected = Vec::new();
    for payload in [&small, &large, &small, &small, &large, &large] {
        outbound.send(Opcode::Text, payload).unwrap();
        outbound.send_encoded(&encoded(Opcode::Binary, payload)).unwrap();
        outbound.send_control(&[0x8a, 0]);
        for frame in [encoded(Opcode::Text, payload), encoded(Opcode::Binary, payload)] {
            expected.extend_from_slice(&frame);
        }
        expected.extend([0x8a, 0]);
    }
    assert_eq!((outbound.waiting(), outbound.messages_out()), (expected.len(), 12));
    assert!(take(&outbound) == expected);
    assert!(take(&outbound).is_empty());
}

#[test]
fn a_large_frame_for_many_is_not_copied() {
    let outbound = outbound(1 << 20, 1 << 20);
    let frame = encoded(Opcode::Binary, &vec![0; GATHER_BELOW]);
    outbound.send(Opcode::Text, b"before").unwrap();
    outbound.send_encoded(&frame).unwrap();
    outbound.send(Opcode::Text, b"behind").unwrap();
    let mut buffers = VecDeque::new();
    outbound.take(&mut BytesMut::new(), &mut buffers);
    assert_eq!(buffers.len(), 3);
    assert_eq!(buffers[1].as_ptr(), frame.as_ptr());
}

#[test]
fn what_does_not_fit_is_refused_and_queues_nothing() {
    let outbound = outbound(100, 200);
    assert_eq!(outbound.send(Opcode::Text, &[0; 201]), Err(SendError::TooLarge(200)));
    // One message is always taken, whatever the limit.
    assert_eq!(outbound.send(Opcode::Binary, &[0; 200]), Ok(204));
    assert_eq!(outbound.send(Opcode::Text, b""), Err(SendError::Full(204)));
    assert_eq!(outbound.send(Opcode::Ping, b""), Err(SendError::Full(204)));
    assert_eq!(outbound.send_encoded(&encoded(Opcode::Text, b"")), Err(SendError::Full(204)));
    // What the protocol demands is.
    outbound.send_control(&[0x8a, 0]);
    assert_eq!((outbound.waiting(), outbound.messages_out()), (206, 1));
    assert_eq!(take(&outbound).len(), 206);
    assert_eq!(outbound.written(150), 56);
    assert_eq!(outbound.send(Opcode::Text, &[0; 44]), Ok(102));
}

#[test]
fn it_is_full_from_a_refusal_until_there_is_room() {
    let outbound = outbound(100, 100);
    let is_full = || match outbound.rest(true, Waker::noop()) {
        Rest::Asleep { is_full } => is_full,
        other => panic!("{other:?}"),
    };
    outbound.send(Opcode::Text, &[0; 100]).unwrap();
    assert!(!is_full(), "nothing was refused yet");
    outbound.send(Opcode::Text, b"x").unwrap_err();
    assert!(is_full());
    outbound.written(1);
    assert!(is_full(), "101 of 100 bytes wait");
    outbound.written(2);
    assert!(!is_full());
}

#[test]
fn pings_are_no_messages() {
    let outbound = outbound(100, 100);
    outbound.send(Opcode::Ping, b"x").unwrap();
    assert_eq!((outbound.waiting(), outbound.messages_out()), (3, 0));
    assert_eq!(take(&outbound), b"\x89\x01x");
}

#[test]
fn nothing_is_sent_after_the_end() {
    let ends: [fn(&Outbound); 3] = [
        Outbound::close,
        |outbound| outbound.wish(Wish::Close(None)).unwrap(),
        |outbound| outbound.wish(Wish::Overflowed).unwrap(),
    ];
    for end in ends {
        let outbound = outbound(100, 100);
        outbound.send(Opcode::Text, b"last").unwrap();
        end(&outbound);
        assert!(!outbound.is_open());
        assert_eq!(outbound.send(Opcode::Text, b"x"), Err(SendError::Closed));
        assert_eq!(outbound.send_encoded(&Bytes::from_static(b"x")), Err(SendError::Closed));
        for wish in [Wish::Close(None), Wish::Overflowed, Wish::NoDelay(true)] {
            assert_eq!(outbound.wish(wish), Err(SendError::Closed));
        }
        // The host may still end it, and the close frame still has to leave.
        outbound.wish(Wish::Drain(1001)).unwrap();
        outbound.wish(Wish::Abort).unwrap();
        outbound.send_control(b"\x88\x00");
        assert_eq!(take(&outbound), b"\x81\x04last\x88\x00");
    }
}

#[test]
fn wishes_are_few_whatever_is_wished() {
    let outbound = outbound(100, 100);
    for number in 0..1000 {
        outbound.wish(Wish::NoDelay(number % 2 == 0)).unwrap();
        outbound.wish(Wish::Drain(1001)).unwrap();
        outbound.wish(Wish::Abort).unwrap();
    }
    let Rest::Wishes(wishes) = outbound.rest(false, Waker::noop()) else { panic!("wishes were made") };
    assert_eq!(wishes, [Wish::Drain(1001), Wish::Abort, Wish::NoDelay(false)]);
    assert!(matches!(outbound.rest(false, Waker::noop()), Rest::Asleep { .. }), "they are granted once");
}

#[test]
fn a_task_sleeps_only_when_there_is_nothing_to_do() {
    let outbound = outbound(100, 100);
    outbound.send(Opcode::Text, b"x").unwrap();
    assert!(matches!(outbound.rest(false, Waker::noop()), Rest::Bytes));
    // A socket that takes nothing makes bytes no reason to stay awake.
    assert!(matches!(outbound.rest(true, Waker::noop()), Rest::Asleep { .. }));
    take(&outbound);
    assert!(matches!(outbound.rest(false, Waker::noop()), Rest::Asleep { .. }));
}

#[test]
fn a_sleeping_task_is_woken_once() {
    let (outbound, count) = (outbound(1000, 1000), Arc::new(Count::default()));
    let waker = Waker::from(count.clone());
    outbound.rest(false, &waker);
    for _ in 0..3 {
        outbound.send(Opcode::Text, b"x").unwrap();
    }
    assert_eq!(count.get(), 1);
    take(&outbound);
    // Blocked: only a wish wakes it.
    outbound.rest(true, &waker);
    outbound.send(Opcode::Text, b"x").unwrap();
    outbound.send_encoded(&Bytes::from_static(b"x")).unwrap();
    outbound.send_control(b"x");
    assert_eq!(count.get(), 1);
    outbound.wish(Wish::Drain(1001)).unwrap();
    assert_eq!(count.get(), 2);
    outbound.wish(Wish::Abort).unwrap();
    assert_eq!(count.get(), 2, "it is awake");
}

#[tokio::test]
async fn drained_waits_for_the_low_water_mark() {
    let outbound = outbound(1000, 1000);
    assert_eq!(outbound.drained(0).await, Ok(()));
    outbound.send(Opcode::Text, &[0; 98]).unwrap();
    assert_eq!(outbound.drained(100).await, Ok(()));
    let mut drained = pin!(outbound.drained(10));
    for (bytes, expected) in [(0, Poll::Pending), (89, Poll::Pending), (1, Poll::Ready(Ok(())))] {
        outbound.written(bytes);
        assert_eq!(poll_fn(|cx| Poll::Ready(drained.as_mut().poll(cx))).await, expected);
    }
}

#[tokio::test]
async fn drained_ends_with_the_connection() {
    let outbound = outbound(1000, 1000);
    outbound.send(Opcode::Text, b"x").unwrap();
    let mut drained = pin!(outbound.drained(0));
    assert_eq!(poll_fn(|cx| Poll::Ready(drained.as_mut().poll(cx))).await, Poll::Pending);
    outbound.close();
    assert_eq!(drained.await, Err(SendError::Closed));
    assert_eq!(outbound.drained(0).await, Err(SendError::Closed));
}

#[test]
fn a_round_trip_is_never_nothing() {
    let outbound = outbound(100, 100);
    assert_eq!(outbound.round_trip_us(), None);
    for (time, micros) in [(Duration::ZERO, 1), (Duration::from_millis(2), 2000), (Duration::MAX, u32::MAX)] {
        outbound.set_round_trip(time);
        assert_eq!(outbound.round_trip_us(), Some(micros));
    }
}

#[test]
fn only_small_buffers_are_kept() {
    let mut buffer = BytesMut::from(&[0; 100][..]);
    let capacity = buffer.capacity();
    recycle(&mut buffer);
    assert_eq!((buffer.len(), buffer.capacity()), (0, capacity));
    // Written or not, which changes what `capacity` tells.
    for written in [0, KEEP_CAPACITY, KEEP_CAPACITY + 1] {
        let mut buffer = BytesMut::zeroed(KEEP_CAPACITY + 1);
        bytes::Buf::advance(&mut buffer, written);
        recycle(&mut buffer);
        assert!(!buffer.try_reclaim(1), "{written} written");
    }
}
