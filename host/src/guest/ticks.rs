//! The thread that ticks the epochs of every engine of a host: without it no limit of a guest holds, so it is one that can
//! be watched.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use wasmtime::EngineWeak;

use crate::limits::EPOCH_TICK;

/// The engines that are ticked. The thread ends with the last clone.
#[derive(Clone)]
pub(super) struct Ticks {
    count: Arc<AtomicU64>,
    engines: Arc<Mutex<Vec<EngineWeak>>>,
}

impl Ticks {
    /// Start the thread.
    pub(super) fn start() -> io::Result<Self> {
        let ticks = Ticks { count: Arc::default(), engines: Arc::default() };
        let (count, engines) = (Arc::downgrade(&ticks.count), Arc::downgrade(&ticks.engines));
        thread::Builder::new().name("epoch-ticks".into()).spawn(move || {
            while let (Some(count), Some(engines)) = (count.upgrade(), engines.upgrade()) {
                tick(&engines);
                count.fetch_add(1, Ordering::Relaxed);
                drop((count, engines));
                thread::sleep(EPOCH_TICK);
            }
        })?;
        Ok(ticks)
    }

    /// Tick this engine too, as long as it lives.
    pub(super) fn add(&self, engine: &wasmtime::Engine) {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner).push(engine.weak());
    }

    /// The ticks until now, while there are any.
    pub(super) fn count(&self) -> Weak<AtomicU64> {
        Arc::downgrade(&self.count)
    }
}

fn tick(engines: &Mutex<Vec<EngineWeak>>) {
    engines.lock().unwrap_or_else(PoisonError::into_inner).retain(|engine| {
        let engine = engine.upgrade();
        if let Some(engine) = &engine {
            engine.increment_epoch();
        }
        engine.is_some()
    });
}
