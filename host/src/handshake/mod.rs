//! The opening handshake (RFC 6455 section 4): checks a client's request and answers it. Pure: no socket, no clock.
//!
//! The order is Tornado's: [`Candidate::check`] (method, Upgrade, Connection), then [`Candidate::origin`], then
//! [`Candidate::into_upgrade`] (version, framing, Host, key), then the guest's or the host's own [`Decision`].

mod decision;
mod origin;
mod refusal;
mod request;

pub use decision::{Acceptance, BadDecision, Decision, GuestAcceptance, GuestRefusal};
pub use origin::{ForeignOrigin, OriginVerdict};
pub use refusal::{Refusal, SERVER};
pub use request::{Candidate, Upgrade};
