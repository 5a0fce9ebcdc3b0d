//! What a guest keeps with a connection: in the host, so that it outlives the instance.

use std::sync::Arc;

use super::{Outbound, Part, SendError};

/// The most that is kept with one connection, in bytes.
pub(super) const ATTACHMENT: usize = 16 * 1024;

impl Outbound {
    /// Keep these bytes to the connection's end, in place of those before; also while it closes.
    pub fn attach(&self, data: &[u8]) -> Result<(), SendError> {
        if data.len() > ATTACHMENT {
            return Err(SendError::TooLarge(ATTACHMENT));
        }
        // Copied outside of the lock.
        let mut kept = Some(Arc::from(data)).filter(|_| !data.is_empty());
        {
            let mut queue = self.lock();
            std::mem::swap(&mut queue.attachment, &mut kept);
        }
        self.hold(Part::Attachment, data.len());
        Ok(())
    }

    /// What was kept last; none when that was nothing.
    pub fn attachment(&self) -> Option<Arc<[u8]>> {
        self.lock().attachment.clone()
    }
}
