//! The task of one open connection: it owns the socket, the rules and the instance, and has the only select.

use std::collections::VecDeque;
use std::future::{Future, Pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::Sleep;

use super::guest::Guest;
use super::presence::Presence;
use super::report::Traffic;
use super::socket::{Flushed, Inbound, Socket};
use super::stream::Stream;
use crate::circuit::Admitted;
use crate::guest::{Instance, Trap};
use crate::message::Opcode;
use crate::outbound::{Outbound, Part, Wish};
use crate::registry::{Revision, Seat};
use crate::session::{Action, Call, Event, Returned, Session, Settings};
use crate::share::Turns;

/// After this time without a pause other connections get their turn (TORNADO.md item 28 counts bytes instead).
const TURN: Duration = Duration::from_millis(1);
/// And after so many bytes: what they cost, in frames that lead to no call, no clock is asked for.
const TURN_BYTES: usize = 256 * 1024;

/// A connection whose handshake has been answered with 101.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) guest: Guest,
    pub(super) turns: Arc<Turns>,
    pub(super) admitted: Admitted,
    pub(super) outbound: Arc<Outbound>,
    pub(super) settings: Settings,
    pub(super) inbound: Inbound,
    pub(super) revision: Arc<Revision>,
    /// Header fields of the request.
    pub(super) headers: usize,
    pub(super) seat: Seat,
}

/// Serve the connection to its end; `early` was read behind the request.
pub(super) async fn run(stream: Stream, early: Bytes, opened: Opened) {
    let Opened { guest, turns, admitted, outbound, settings, inbound, revision, headers, mut seat } = opened;
    seat.open(&outbound);
    let socket = Socket::new(stream, &early, outbound.clone(), inbound).await;
    let now = Instant::now();
    let mut connection = Connection {
        socket: Some(socket),
        session: Session::new(settings, now),
        // Armed by the first deadline.
        timer: Box::pin(tokio::time::sleep(Duration::MAX)),
        now,
        turn_began: None,
        must_wait: false,
        admitted,
        turns,
        events: VecDeque::new(),
        traffic: Traffic::default(),
        instructions: guest.instructions(),
        headers,
        outbound,
        revision,
    };
    let presence = Presence::new(connection.outbound.clone(), connection.revision.clone());
    connection.begin();
    connection.serve(guest).await;
    drop(presence);
    connection.end();
    if let Some(socket) = connection.socket {
        // The seat is given back when the peer has heard the end or is given up.
        let _ = tokio::time::timeout(settings.close_timeout, socket.finish()).await;
    }
    drop(seat);
}

/// Everything of the connection but its guest, which a running call borrows.
pub(super) struct Connection {
    /// None once the transport was dropped.
    pub(super) socket: Option<Socket>,
    pub(super) session: Session,
    pub(super) timer: Pin<Box<Sleep>>,
    /// Read after each pause and each call of the guest.
    pub(super) now: Instant,
    /// Since when this task has not paused; none while it does.
    pub(super) turn_began: Option<Instant>,
    /// Whether the connection's own instance has to wait for its turn before it is called.
    pub(super) must_wait: bool,
    pub(super) admitted: Admitted,
    pub(super) turns: Arc<Turns>,
    /// What happened but is not stepped yet.
    pub(super) events: VecDeque<Event>,
    pub(super) traffic: Traffic,
    /// Instructions of the guest until now; none where they are not counted.
    pub(super) instructions: Option<u64>,
    /// Header fields of the request.
    pub(super) headers: usize,
    pub(super) outbound: Arc<Outbound>,
    pub(super) revision: Arc<Revision>,
}

/// What the select yields.
enum Next<T> {
    Event(Event),
    Returned(T),
}

impl Connection {
    async fn serve(&mut self, guest: Guest) {
        let mut guest = Some(guest);
        loop {
            match self.session.next_action() {
                Some(Action::Call(call)) => {
                    let is_last = matches!(call, Call::Close(_));
                    let returned = match &mut guest {
                        Some(Guest::Own(instance)) => match self.call(instance, &call).await {
                            // Boxed: few instances are ever replaced.
                            Ok(Returned::Done) if !is_last && self.is_due(instance) => {
                                Box::pin(self.recycle(&mut guest)).await
                            }
                            Ok(returned) => returned,
                            Err(trap) => {
                                self.report_trap(&call, trap, guest.take());
                                Returned::Trapped
                            }
                        },
                        // Boxed: a connection with an instance of its own has no room for these.
                        Some(Guest::Member(member)) => Box::pin(self.post(member, call)).await,
                        Some(Guest::Event(first)) => Box::pin(self.call_fresh(first, &call)).await,
                        None => return,
                    };
                    if is_last {
                        guest = None;
                        // Clearing the guest's memory takes its time too.
                        self.now = Instant::now();
                    }
                    self.session.step(Event::Returned(returned), self.now);
                    self.settle();
                }
                Some(action) => self.act(action),
                None if self.session.is_over() => return,
                None => {
                    if let Next::Event(event) = self.next(None::<Pin<&mut Pending<()>>>).await {
                        self.session.step(event, self.now);
                    }
                }
            }
        }
    }

    /// Call the connection's own instance.
    async fn call(&mut self, instance: &mut Instance, call: &Call) -> Result<Returned, Box<Trap>> {
        if matches!(call, Call::Message(_)) {
            self.outbound.count_in(1);
        }
        self.traffic.count(call);
        self.settle();
        let connection = self.outbound.id;
        let turns = std::mem::take(&mut self.must_wait).then(|| self.turns.clone());
        let returned = {
            let running = pin!(async {
                if let Some(turns) = turns {
                    // Boxed: a call that need not wait has no room for it in its future.
                    Box::pin(async move { turns.wait().await }).await;
                }
                instance.call(connection, call).await
            });
            self.drive(running).await
        };
        self.now = Instant::now();
        self.meter(call, instance);
        returned.map(|returned| self.returned(call, returned))
    }

    /// Let a call of the guest go on to its end; the connection's other rules go on meanwhile.
    pub(super) async fn drive<F: Future>(&mut self, mut running: Pin<&mut F>) -> F::Output {
        loop {
            match self.next(Some(running.as_mut())).await {
                Next::Returned(returned) => return returned,
                Next::Event(event) => {
                    self.session.step(event, self.now);
                    self.settle();
                }
            }
            while let Some(action) = self.session.next_action() {
                self.act(action);
            }
        }
    }

    /// What a call that did not trap means for the session.
    pub(super) fn returned(&mut self, call: &Call, returned: Result<(), String>) -> Returned {
        match returned {
            Ok(()) => {
                if matches!(call, Call::Message(_)) {
                    self.survived();
                }
                Returned::Done
            }
            Err(text) => {
                self.revision.failed(self.outbound.id, call.function(), &text);
                Returned::Failed
            }
        }
    }

    /// A message did not trap.
    pub(super) fn survived(&mut self) {
        if self.admitted.is_trial() {
            self.revision.breaker.survived(&mut self.admitted);
        }
    }

    /// Tell the host's memory budget what waits for the guest.
    pub(super) fn settle(&self) {
        self.outbound.hold(Part::Calls, self.session.held_bytes());
    }

    /// Carry out what needs no guest.
    pub(super) fn act(&mut self, action: Action) {
        match action {
            // The rules start no call while one runs.
            Action::Call(_) => {}
            // A peer without room for a ping is found out by its silence.
            Action::Ping => drop(self.outbound.send(Opcode::Ping, &[])),
            Action::SendClose(frame) => {
                if let Some(socket) = &mut self.socket {
                    socket.close(frame);
                }
            }
            Action::RoundTrip(time) => self.outbound.set_round_trip(time),
            Action::Report(passed) => self.report_limit(&passed),
            Action::Abort => {
                self.outbound.close();
                self.socket = None;
            }
        }
    }

    /// The select: the running call of the guest, the socket's two directions with the outbound queue, and the timer.
    async fn next<F: Future>(&mut self, mut call: Option<Pin<&mut F>>) -> Next<F::Output> {
        poll_fn(|cx| {
            let began = self.turn();
            if let Some(call) = &mut call {
                if let Poll::Ready(returned) = call.as_mut().poll(cx) {
                    return Poll::Ready(Next::Returned(returned));
                }
                // The guest's turn is over, not that of what goes on meanwhile.
                self.now = Instant::now();
                self.turns.ran(began, self.now);
                self.turn_began = Some(self.now);
            }
            self.poll_event(cx).map(Next::Event)
        })
        .await
    }

    /// When this turn began: now, if the task has paused before.
    fn turn(&mut self) -> Instant {
        if let Some(began) = self.turn_began {
            return began;
        }
        self.now = Instant::now();
        self.turn_began = Some(self.now);
        self.must_wait = self.turns.must_wait(self.now);
        self.outbound.awoken();
        if let Some(socket) = &mut self.socket {
            socket.allow(TURN_BYTES.min(self.session.allowance(self.now)));
        }
        self.now
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let began = self.turn();
        let is_turn_over = self.now.duration_since(began) >= TURN;
        let mut may_read = !is_turn_over;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(event);
            }
            let Some(socket) = &mut self.socket else { break };
            if may_read && !self.outbound.is_backlogged() && self.session.wants_read() {
                if let Poll::Ready(event) = socket.poll_read(cx) {
                    return Poll::Ready(event);
                }
                may_read = false;
            }
            match socket.poll_flush(cx) {
                Poll::Ready(Ok(flushed)) => self.flushed(flushed),
                Poll::Ready(Err(_)) => {
                    self.socket = None;
                    return Poll::Ready(Event::Disconnected);
                }
                Poll::Pending => break,
            }
        }
        if let Some(socket) = &mut self.socket {
            self.session.step(Event::Settled(socket.settled()), self.now);
        }
        if self.poll_timer(cx).is_ready() {
            return Poll::Ready(Event::Timer);
        }
        let is_spent = self.socket.as_ref().is_some_and(Socket::is_spent);
        if is_turn_over || is_spent && self.session.wants_read() && !self.outbound.is_backlogged() {
            // tokio's own yield: woken at once, a busy worker would look after other sockets only every 61st turn.
            let _ = pin!(tokio::task::yield_now()).poll(cx);
        }
        self.pause();
        Poll::Pending
    }

    fn flushed(&mut self, flushed: Flushed) {
        match flushed {
            Flushed::Wrote { bytes, waiting } => {
                self.traffic.bytes_out += bytes as u64;
                if waiting > 0 {
                    self.events.push_back(Event::Progress(bytes));
                }
            }
            Flushed::Full(is_full) => self.events.push_back(Event::Full(is_full)),
            Flushed::Wishes(wishes) => {
                for wish in wishes {
                    self.grant(wish);
                }
            }
        }
    }

    fn grant(&mut self, wish: Wish) {
        self.events.push_back(match wish {
            Wish::Close(frame) => Event::CloseRequested(frame),
            Wish::Drain(code) => Event::Drain(code),
            Wish::Overflowed => Event::Overflowed,
            Wish::Abort => {
                self.socket = None;
                Event::Disconnected
            }
            Wish::InstanceLost => Event::InstanceLost,
            Wish::TryAgainLater => Event::TryAgainLater,
            Wish::GiveUp => {
                self.socket = None;
                Event::GivenUp
            }
            Wish::NoDelay(on) => {
                if let Some(socket) = &mut self.socket {
                    socket.set_nodelay(on);
                }
                return;
            }
        });
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.session.deadline() else { return Poll::Pending };
        // A timer that is set too early only asks too early; setting it anew each time would cost more.
        if self.timer.is_elapsed() || self.timer.deadline() > deadline.into() {
            self.timer.as_mut().reset(deadline.into());
        }
        self.timer.as_mut().poll(cx).map(|()| self.now = Instant::now())
    }
}
