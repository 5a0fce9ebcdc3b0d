//! The traits of guests whose connections outlive the instance.

use crate::{Connection, Handler, Result};

/// A handler for connections that another instance opened: under `scope = "event"` every event comes to a new instance,
/// and with [`Lifecycle`] a new instance takes over from an old one.
///
/// What has to survive stands in [`Connection::attachment`], where [`Connection::attach`] put it.
pub trait Resume: Handler {
    /// Makes the handler for a connection that is open already; called before its first event in this instance.
    ///
    /// # Errors
    ///
    /// A failure is logged; from a message it closes the connection with 1011, and other events are left out.
    fn resume(connection: Connection) -> Result<Self>;
}

/// A handler whose instance can be replaced between two events, with all its connections: once its memory has come to
/// `limits.recycle_at`, or when it has served `limits.recycle_events`.
///
/// What is handed over is the state of the whole instance, as statics have it. For its connections, which
/// [`connections`](crate::connections) lists, [`Resume::resume`] makes new handlers.
pub trait Lifecycle: Resume {
    /// All that the successor needs beside the connections and their attachments. When the successor has taken over, this
    /// instance is not called again.
    ///
    /// # Errors
    ///
    /// A failure means: not now. It is logged, this instance goes on, and is asked again later.
    fn snapshot() -> Result<Vec<u8>>;

    /// The first call in the successor.
    ///
    /// # Errors
    ///
    /// A failure is logged, and the old instance goes on.
    fn restore(state: &[u8]) -> Result;
}
