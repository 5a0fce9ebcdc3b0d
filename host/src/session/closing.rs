//! How a connection comes to its end: by the peer, by a violation, by the transport, by the guest or the host (RFC 6455
//! section 7).

use std::time::Instant;

use super::{Action, CloseCause, CloseFrame, CloseInfo, Handler, Passed, Session, Transport, Violation};

impl Session {
    pub(super) fn peer_closed(&mut self, frame: Option<CloseFrame>) {
        let cause = match self.transport {
            Transport::Open => CloseCause::Peer,
            Transport::Closing { cause, .. } => cause,
            Transport::Closed => return,
        };
        self.ended(CloseInfo { frame, cause });
    }

    pub(super) fn violated(&mut self, violation: Violation) {
        let cause = match self.transport {
            Transport::Open => {
                if let Violation::Limit(passed) = violation {
                    self.actions.push_back(Action::Report(passed));
                }
                self.actions.push_back(Action::SendClose(Some(violation.frame())));
                violation.cause()
            }
            Transport::Closing { cause, .. } => cause,
            Transport::Closed => return,
        };
        self.ended(CloseInfo { frame: None, cause });
    }

    /// Nothing more is read or delivered, so that the memory comes back at once.
    pub(super) fn try_again_later(&mut self) {
        let cause = match self.transport {
            Transport::Open => {
                let frame = CloseFrame::new(1013, "try again later");
                self.actions.push_back(Action::SendClose(Some(frame)));
                CloseCause::RateLimited
            }
            Transport::Closing { cause, .. } => cause,
            Transport::Closed => return self.forget_pending(),
        };
        self.forget_pending();
        self.ended(CloseInfo { frame: None, cause });
    }

    pub(super) fn disconnected(&mut self, cause: CloseCause) {
        let cause = match self.transport {
            Transport::Open => cause,
            Transport::Closing { cause, .. } => cause,
            Transport::Closed => return,
        };
        self.ended(CloseInfo { frame: None, cause });
        self.actions.push_back(Action::Abort);
    }

    /// Start the closing handshake from this side.
    pub(super) fn close(&mut self, frame: Option<CloseFrame>, cause: CloseCause, now: Instant) {
        if self.transport == Transport::Open {
            self.transport = Transport::Closing { cause, deadline: now + self.settings.close_timeout };
            self.actions.push_back(Action::SendClose(frame));
        }
    }

    pub(super) fn close_slow_consumer(&mut self, passed: Passed, now: Instant) {
        if self.transport == Transport::Open {
            self.actions.push_back(Action::Report(passed));
            self.close(Some(passed.frame()), passed.cause(), now);
        }
    }

    /// The peer will not hear a close frame.
    pub(super) fn given_up(&mut self, passed: Passed) {
        self.actions.push_back(Action::Report(passed));
        self.disconnected(passed.cause());
    }

    pub(super) fn ended(&mut self, info: CloseInfo) {
        self.transport = Transport::Closed;
        self.end = Some(info);
    }

    /// A drain waits for the messages that were already received.
    pub(super) fn drain_when_idle(&mut self, now: Instant) {
        let Some(code) = self.drain else { return };
        let busy = matches!(self.handler, Handler::Opening | Handler::Busy);
        if !busy && self.pending.is_empty() {
            self.drain = None;
            let reason = if code == 1001 { "the host is going away" } else { "the handler is being replaced" };
            let frame = CloseFrame::new(code, reason);
            self.close(Some(frame), CloseCause::Drained, now);
        }
    }
}
