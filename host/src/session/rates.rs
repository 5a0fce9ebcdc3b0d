//! How fast a peer may be. Messages and bytes over their rate wait in the peer's own buffers, for nothing is read while a
//! bucket is empty; control frames over theirs end the connection.

use std::time::{Duration, Instant};

use super::Passed;
use crate::limits::Limits;

/// A bucket of messages or bytes holds this much time's worth.
const BURST: Duration = Duration::from_secs(1);
/// A bucket of control frames holds this much: a peer that slept may answer what has come meanwhile.
const CONTROL_BURST: Duration = Duration::from_secs(10);
/// An empty bucket is left alone until it holds this much again, so that a fast peer does not cost a timer per message.
const REFILL: Duration = Duration::from_millis(50);

/// The limits on a peer's speed; none: no limit.
#[derive(Debug, Clone, Copy)]
pub struct RateLimits {
    /// Messages per second.
    pub messages: Option<u64>,
    /// Bytes per second, as they come from the stream.
    pub bytes: Option<u64>,
    /// How long a peer may go on being faster than these two.
    pub time: Duration,
    /// Pings, and pongs that nobody asked for, per second.
    pub control_frames: Option<u64>,
}

impl From<&Limits> for RateLimits {
    fn from(limits: &Limits) -> Self {
        RateLimits {
            messages: limits.messages_per_second,
            bytes: limits.bytes_per_second,
            time: limits.rate_time,
            control_frames: limits.control_frames,
        }
    }
}

/// What a peer has used of its rates.
#[derive(Debug)]
pub(super) struct Rates {
    messages: Option<Rate>,
    bytes: Option<Rate>,
    control_frames: Option<Bucket>,
    time: Duration,
}

impl Rates {
    pub(super) fn new(limits: &RateLimits, now: Instant) -> Self {
        Rates {
            messages: limits.messages.map(|per_second| Rate::new(per_second, now)),
            bytes: limits.bytes.map(|per_second| Rate::new(per_second, now)),
            control_frames: limits.control_frames.map(|per_second| Bucket::new(per_second, now)),
            time: limits.time,
        }
    }

    /// A message came.
    pub(super) fn message(&mut self, now: Instant) {
        if let Some(rate) = &mut self.messages {
            rate.take(1, now);
        }
    }

    /// Bytes came.
    pub(super) fn bytes(&mut self, count: usize, now: Instant) {
        if let Some(rate) = &mut self.bytes {
            rate.take(count as u64, now);
        }
    }

    /// A ping, or a pong that nobody asked for, came; the limit when it was one too many.
    pub(super) fn control_frame(&mut self, now: Instant) -> Option<Passed> {
        let bucket = self.control_frames.as_mut()?;
        bucket.take(1, now);
        let is_passed = bucket.owed(now) > CONTROL_BURST;
        is_passed.then_some(Passed::ControlFrames { per_second: bucket.per_second })
    }

    /// Bytes that may come before the bucket is empty.
    pub(super) fn allowance(&self, now: Instant) -> usize {
        self.bytes.as_ref().map_or(usize::MAX, |rate| rate.bucket.left(now))
    }

    /// Whether a bucket is empty, so that nothing should be read.
    pub(super) fn is_paused(&self) -> bool {
        self.each().any(|rate| rate.resume.is_some())
    }

    /// When an empty bucket has to be looked at again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.each().filter_map(|rate| Some(rate.resume?.min(rate.empty_since? + self.time))).min()
    }

    /// The deadline may have passed: read on, or the limit when the peer was too fast for too long.
    pub(super) fn due(&mut self, now: Instant) -> Option<Passed> {
        let time = self.time;
        let (messages, bytes) = (self.messages.as_mut(), self.bytes.as_mut());
        if let Some(rate) = messages.filter(|rate| rate.is_too_fast(now, time)) {
            return Some(Passed::Messages { per_second: rate.bucket.per_second, rate_time: time });
        }
        if let Some(rate) = bytes.filter(|rate| rate.is_too_fast(now, time)) {
            return Some(Passed::Bytes { per_second: rate.bucket.per_second, rate_time: time });
        }
        for rate in [&mut self.messages, &mut self.bytes].into_iter().flatten() {
            rate.resume = rate.resume.filter(|resume| now < *resume);
        }
        None
    }

    fn each(&self) -> impl Iterator<Item = &Rate> {
        self.messages.iter().chain(&self.bytes)
    }
}

/// A bucket that makes the peer wait.
#[derive(Debug)]
struct Rate {
    bucket: Bucket,
    /// While the bucket is empty: when it is worth to read on.
    resume: Option<Instant>,
    /// When the bucket was first empty since it was last full.
    empty_since: Option<Instant>,
}

impl Rate {
    fn new(per_second: u64, now: Instant) -> Self {
        Rate { bucket: Bucket::new(per_second, now), resume: None, empty_since: None }
    }

    fn take(&mut self, tokens: u64, now: Instant) {
        if self.bucket.owed(now).is_zero() {
            self.empty_since = None;
        }
        self.bucket.take(tokens, now);
        if self.bucket.left(now) == 0 {
            self.empty_since = self.empty_since.or(Some(now));
            let refill = REFILL.max(self.bucket.time_of(1)).min(BURST);
            self.resume = Some(self.bucket.full_at - (BURST - refill));
        }
    }

    fn is_too_fast(&self, now: Instant, time: Duration) -> bool {
        let is_paused = self.resume.is_some() && !self.bucket.owed(now).is_zero();
        is_paused && self.empty_since.is_some_and(|since| now >= since + time)
    }
}

/// A token bucket, kept as the time at which it will be full.
#[derive(Debug)]
struct Bucket {
    per_second: u64,
    full_at: Instant,
}

impl Bucket {
    fn new(per_second: u64, now: Instant) -> Self {
        Bucket { per_second: per_second.max(1), full_at: now }
    }

    /// Take tokens, also more than there are.
    fn take(&mut self, tokens: u64, now: Instant) {
        self.full_at = self.full_at.max(now) + self.time_of(tokens);
    }

    /// The time until it is full again.
    fn owed(&self, now: Instant) -> Duration {
        self.full_at.saturating_duration_since(now)
    }

    /// Whole tokens left of one burst.
    fn left(&self, now: Instant) -> usize {
        let left = BURST.saturating_sub(self.owed(now));
        let tokens = left.as_nanos() * u128::from(self.per_second) / BURST.as_nanos();
        usize::try_from(tokens).unwrap_or(usize::MAX)
    }

    /// How long so many tokens take to come back.
    fn time_of(&self, tokens: u64) -> Duration {
        Duration::from_nanos(tokens.saturating_mul(1_000_000_000) / self.per_second)
    }
}

#[cfg(test)]
mod tests;
