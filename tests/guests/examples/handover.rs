//! Hands its state over: a count of events and a log of texts for the whole instance, and a count for each connection, in
//! its attachment. Each text is answered with what all of them come to; some texts are commands.

use std::cell::{Cell, RefCell};

use whimbrel_sdk::{CloseInfo, Connection, Handler, Lifecycle, Message, Request, Result, Resume, connections, export};

thread_local! {
    /// Messages that this instance and its predecessors have had.
    static TOTAL: Cell<u32> = const { Cell::new(0) };
    /// Instances before this one.
    static GENERATION: Cell<u32> = const { Cell::new(0) };
    /// What to do instead of handing over; a successor knows of it as the state says so.
    static MISBEHAVIOUR: RefCell<String> = const { RefCell::new(String::new()) };
    static HOARD: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

struct Member {
    messages: u32,
}

impl Handler for Member {
    fn open(connection: Connection, _request: &Request) -> Result<Self> {
        connection.attach(b"0")?;
        Ok(Member { messages: 0 })
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result {
        self.messages += 1;
        TOTAL.set(TOTAL.get() + 1);
        connection.attach(self.messages.to_string().as_bytes())?;
        let text = message.as_text().unwrap_or_default();
        match text.split_once(' ') {
            Some(("grow", mebibytes)) => {
                let size = mebibytes.parse::<usize>()? << 20;
                HOARD.with_borrow_mut(|hoard| hoard.push(vec![1; size]));
            }
            Some(("misbehave", how)) => MISBEHAVIOUR.set(how.to_owned()),
            _ => {}
        }
        let (total, generation) = (TOTAL.get(), GENERATION.get());
        connection.send(format!("{text} messages={} total={total} generation={generation}", self.messages))?;
        Ok(())
    }

    fn on_close(self, connection: Connection, _info: CloseInfo) {
        println!(
            "closed {connection} messages={} total={} generation={}",
            self.messages,
            TOTAL.get(),
            GENERATION.get()
        );
    }
}

impl Resume for Member {
    fn resume(connection: Connection) -> Result<Self> {
        let kept = String::from_utf8(connection.attachment()?)?;
        Ok(Member { messages: kept.parse()? })
    }
}

impl Lifecycle for Member {
    fn snapshot() -> Result<Vec<u8>> {
        let how = MISBEHAVIOUR.take();
        match how.as_str() {
            "decline" => return Err("not\nnow".into()),
            "snapshot panics" => panic!("snapshot panicked on purpose"),
            "snapshot spins" => loop {
                std::hint::spin_loop();
            },
            _ => {}
        }
        Ok(format!("{} {} {how}", TOTAL.get(), GENERATION.get()).into_bytes())
    }

    fn restore(state: &[u8]) -> Result {
        let state = std::str::from_utf8(state)?;
        let mut parts = state.splitn(3, ' ');
        TOTAL.set(parts.next().unwrap_or_default().parse()?);
        GENERATION.set(parts.next().unwrap_or_default().parse::<u32>()? + 1);
        match parts.next().unwrap_or_default() {
            "restore fails" => return Err("that is no state".into()),
            "restore panics" => panic!("restore panicked on purpose"),
            _ => {}
        }
        println!("restored {} connections", connections().len());
        Ok(())
    }
}

export!(Member: Lifecycle);
