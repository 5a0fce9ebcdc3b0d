//! The task of one open connection: it owns the socket, the rules and the instance, and has the only select.

use std::collections::VecDeque;
use std::future::{Future, Pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::Sleep;

use super::presence::Presence;
use super::socket::{Flushed, Inbound, Socket};
use super::stream::Stream;
use crate::guest::{Instance, Trap};
use crate::message::Opcode;
use crate::outbound::{Outbound, Part, Wish};
use crate::registry::{Revision, Seat};
use crate::session::{Action, Call, CloseCause, Event, Returned, Session, Settings};

/// After this time without a pause other connections get their turn (TORNADO.md item 28 counts bytes instead).
const TURN: Duration = Duration::from_millis(1);

/// A connection whose handshake has been answered with 101.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) instance: Instance,
    pub(super) outbound: Arc<Outbound>,
    pub(super) settings: Settings,
    pub(super) inbound: Inbound,
    pub(super) revision: Arc<Revision>,
    pub(super) seat: Seat,
}

/// Serve the connection to its end; `early` was read behind the request.
pub(super) async fn run(stream: Stream, early: Bytes, opened: Opened) {
    let Opened { instance, outbound, settings, inbound, revision, mut seat } = opened;
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
        events: VecDeque::new(),
        traffic: Traffic::default(),
        outbound,
        revision,
    };
    let presence = Presence::new(connection.outbound.clone(), connection.revision.clone());
    connection.begin();
    connection.serve(instance).await;
    drop(presence);
    connection.end();
    if let Some(socket) = connection.socket {
        // The seat is given back when the peer has heard the end or is given up.
        let _ = tokio::time::timeout(settings.close_timeout, socket.finish()).await;
    }
    drop(seat);
}

/// Everything of the connection but the instance, which a running call borrows.
struct Connection {
    /// None once the transport was dropped.
    socket: Option<Socket>,
    session: Session,
    timer: Pin<Box<Sleep>>,
    /// Read after each pause and each call of the guest.
    now: Instant,
    /// Since when this task has not paused; none while it does.
    turn_began: Option<Instant>,
    /// What happened but is not stepped yet.
    events: VecDeque<Event>,
    traffic: Traffic,
    outbound: Arc<Outbound>,
    revision: Arc<Revision>,
}

/// Counted here, and added to the deployment's metrics once per burst.
#[derive(Debug, Default)]
struct Traffic {
    messages_in: u64,
    bytes_in: u64,
    bytes_out: u64,
    messages_out: u64,
}

/// What the select yields.
enum Next {
    Event(Event),
    Returned(Result<Result<(), String>, Trap>),
}

impl Connection {
    fn begin(&self) {
        let (deployment, connection) = (&self.revision.deployment.name, self.outbound.id);
        tracing::debug!(deployment, %connection, revision = self.revision.number, "connection opened");
    }

    async fn serve(&mut self, instance: Instance) {
        let mut instance = Some(instance);
        loop {
            match self.session.next_action() {
                Some(Action::Call(call)) => {
                    let Some(running) = &mut instance else { return };
                    let returned = self.call(running, &call).await;
                    if returned == Returned::Trapped || matches!(call, Call::Close(_)) {
                        instance = None;
                    }
                    self.session.step(Event::Returned(returned), self.now);
                    self.settle();
                }
                Some(action) => self.act(action),
                None if self.session.is_over() => return,
                None => {
                    if let Next::Event(event) = self.next(None::<Pin<&mut Pending<_>>>).await {
                        self.session.step(event, self.now);
                    }
                }
            }
        }
    }

    /// Call the guest; the connection's other rules go on meanwhile.
    async fn call(&mut self, instance: &mut Instance, call: &Call) -> Returned {
        if let Call::Message(message) = call {
            self.outbound.count_in(1);
            self.traffic.messages_in += 1;
            self.traffic.bytes_in += message.len() as u64;
        }
        self.settle();
        let returned = {
            let mut running = pin!(instance.call(self.outbound.id, call));
            loop {
                match self.next(Some(running.as_mut())).await {
                    Next::Returned(returned) => break returned,
                    Next::Event(event) => {
                        self.session.step(event, self.now);
                        self.settle();
                    }
                }
                while let Some(action) = self.session.next_action() {
                    self.act(action);
                }
            }
        };
        self.now = Instant::now();
        match returned {
            Ok(Ok(())) => Returned::Done,
            Ok(Err(text)) => {
                self.report_error(call, &text);
                Returned::Failed
            }
            Err(trap) => {
                self.report_trap(call, &trap, instance);
                Returned::Trapped
            }
        }
    }

    /// Tell the host's memory budget what waits for the guest.
    fn settle(&self) {
        self.outbound.hold(Part::Calls, self.session.held_bytes());
    }

    /// Carry out what needs no guest.
    fn act(&mut self, action: Action) {
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
            Action::Abort => {
                self.outbound.close();
                self.socket = None;
            }
        }
    }

    /// The select: the running call of the guest, the socket's two directions with the outbound queue, and the timer.
    async fn next<F>(&mut self, mut call: Option<Pin<&mut F>>) -> Next
    where
        F: Future<Output = Result<Result<(), String>, Trap>>,
    {
        poll_fn(|cx| {
            if let Some(call) = &mut call
                && let Poll::Ready(returned) = call.as_mut().poll(cx)
            {
                return Poll::Ready(Next::Returned(returned));
            }
            self.poll_event(cx).map(Next::Event)
        })
        .await
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.turn_began.is_none() {
            self.now = Instant::now();
            self.turn_began = Some(self.now);
            self.outbound.awoken();
        }
        let is_turn_over = self.turn_began.is_some_and(|began| self.now.duration_since(began) >= TURN);
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
        if self.poll_timer(cx).is_ready() {
            return Poll::Ready(Event::Timer);
        }
        if is_turn_over {
            // tokio's own yield: woken at once, a busy worker would look after other sockets only every 61st turn.
            let _ = pin!(tokio::task::yield_now()).poll(cx);
        }
        self.turn_began = None;
        self.pause();
        Poll::Pending
    }

    fn flushed(&mut self, flushed: Flushed) {
        match flushed {
            Flushed::Wrote { bytes, waiting } => {
                self.traffic.bytes_out += bytes as u64;
                if waiting > 0 {
                    self.events.push_back(Event::Progress);
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

    /// The end of a burst: publish what was counted.
    fn pause(&mut self) {
        let messages_out = self.outbound.messages_out();
        let metrics = &self.revision.deployment.metrics;
        metrics.messages_in.increment(self.traffic.messages_in);
        metrics.bytes_in.increment(self.traffic.bytes_in);
        metrics.bytes_out.increment(self.traffic.bytes_out);
        metrics.messages_out.increment(messages_out - self.traffic.messages_out);
        self.traffic = Traffic { messages_out, ..Traffic::default() };
    }

    fn report_error(&self, call: &Call, text: &str) {
        let (deployment, connection, function) = (&self.revision.deployment.name, self.outbound.id, call.function());
        tracing::warn!(deployment, %connection, function, "the handler failed: {}", text.escape_debug());
        self.revision.deployment.metrics.failed(function);
    }

    fn report_trap(&self, call: &Call, trap: &Trap, instance: &Instance) {
        let (deployment, connection, function) = (&self.revision.deployment.name, self.outbound.id, call.function());
        tracing::error!(
            deployment, %connection, function, kind = trap.kind.name(), memory = instance.memory(),
            execution = ?instance.execution(),
            "the handler trapped: {trap}\n{}", trap.backtrace
        );
        self.revision.deployment.metrics.trapped(trap.kind.name());
    }

    fn end(&mut self) {
        self.pause();
        let metrics = &self.revision.deployment.metrics;
        let cause = self.session.end().map_or(CloseCause::Network, |end| end.cause);
        metrics.closed(cause.name());
        let hits = &self.revision.deployment.hits;
        match cause {
            // That it passed the host's memory budget is counted by the budget.
            _ if self.outbound.is_evicted() => {}
            CloseCause::SlowConsumer => hits.count("limits.outbound"),
            CloseCause::MessageTooBig => hits.count("limits.max_message_size"),
            CloseCause::RateLimited => hits.count("limits.fragments"),
            CloseCause::PingTimeout => hits.count("limits.ping_timeout"),
            _ => {}
        }
        let (deployment, connection) = (&self.revision.deployment.name, self.outbound.id);
        let code = self.session.end().and_then(|end| end.frame.as_ref()).map(|frame| frame.code);
        tracing::debug!(deployment, %connection, cause = cause.name(), code, "connection closed");
    }
}
