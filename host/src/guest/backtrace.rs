//! The functions that were active when a guest trapped, in a form that a report can be made of elsewhere and later.

use std::fmt::{self, Write};

use wasmtime::{FrameInfo, WasmBacktrace};

use super::log::printable;

/// Characters of a name or a file that are shown.
const NAME: usize = 200;
/// Bytes of a name that is demangled; longer ones are shown as they are.
const MANGLED: usize = 4 * 1024;
/// Bytes of a whole backtrace that are shown.
const TEXT: usize = 16 * 1024;

/// The functions that were active, the innermost first.
#[derive(Debug, Default)]
pub struct Backtrace {
    pub(super) frames: Vec<Frame>,
}

/// One active function.
#[derive(Debug)]
pub(super) struct Frame {
    module: String,
    function: String,
    /// Where the instruction stands in the component's file.
    pub(super) offset: Option<u64>,
    /// Where it stands in the sources, the innermost inlined function first; empty where that is not known.
    pub(super) places: Vec<Place>,
}

/// A line of the guest's sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The inlined function; none for the frame's own.
    pub(super) inlined: Option<String>,
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Backtrace {
    pub(super) fn new(trace: &WasmBacktrace) -> Self {
        Backtrace { frames: trace.frames().iter().map(Frame::new).collect() }
    }

    /// Whether nothing was active.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

impl Frame {
    fn new(frame: &FrameInfo) -> Self {
        let function = match frame.func_name() {
            Some(name) => demangled(name),
            None => format!("<wasm function {}>", frame.func_index()),
        };
        Frame {
            module: shortened(frame.module().name().unwrap_or("<unknown>")),
            function,
            offset: frame.module_offset().and_then(|offset| u64::try_from(offset).ok()),
            places: Vec::new(),
        }
    }
}

/// As wasmtime writes it, a line per function and one more where the place in the sources is known.
impl fmt::Display for Backtrace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Bounded { text: String::new(), room: TEXT };
        let is_complete = self.write(&mut text).is_ok();
        formatter.write_str(&text.text)?;
        if is_complete { Ok(()) } else { formatter.write_str("\n  (cut off)") }
    }
}

impl Backtrace {
    fn write(&self, text: &mut Bounded) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        text.write_str("wasm backtrace:")?;
        for (index, frame) in self.frames.iter().enumerate() {
            write!(text, "\n  {index:>3}: ")?;
            if let Some(offset) = frame.offset {
                write!(text, "{offset:#8x} - ")?;
            }
            write!(text, "{}!{}", frame.module, frame.function)?;
            for place in &frame.places {
                if let Some(inlined) = &place.inlined {
                    write!(text, "\n           inlined: {inlined}")?;
                }
                write!(text, "\n                at {}:{}", place.file, place.line)?;
                if place.column > 0 {
                    write!(text, ":{}", place.column)?;
                }
            }
        }
        Ok(())
    }
}

/// A function's name as its author wrote it; Rust's and C++'s are mangled. Bounded, and safe in a log.
pub(super) fn demangled(name: &str) -> String {
    if name.len() > MANGLED {
        return shortened(name);
    }
    // What does not fit ends the writing, however much a hostile name would unfold to.
    let mut text = Bounded { text: String::new(), room: NAME };
    let written = if let Ok(demangled) = rustc_demangle::try_demangle(name) {
        write!(text, "{demangled:#}")
    } else if let Ok(symbol) = cpp_demangle::Symbol::new(name)
        && let Ok(demangled) = symbol.demangle()
    {
        write!(text, "{demangled}")
    } else {
        return shortened(name);
    };
    let ellipsis = if written.is_ok() { "" } else { "…" };
    format!("{}{ellipsis}", printable(text.text.as_bytes()))
}

/// A name or a file from the guest, not too long and safe in a log.
pub(super) fn shortened(text: &str) -> String {
    beginning(text, NAME)
}

/// The first characters of a text, safe in a log.
pub(super) fn beginning(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", printable(text.as_bytes().get(..end).unwrap_or_default())),
        None => printable(text.as_bytes()),
    }
}

/// Takes so many bytes, then fails.
struct Bounded {
    text: String,
    room: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() > self.room {
            // Not in the middle of a character.
            let end = (0..=self.room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
            self.text.push_str(text.get(..end).unwrap_or_default());
            self.room = 0;
            return Err(fmt::Error);
        }
        self.room -= text.len();
        self.text.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, places: Vec<Place>) -> Frame {
        Frame { module: "chat.wasm".to_owned(), function: demangled(function), offset: Some(0x1234), places }
    }

    #[test]
    fn a_backtrace_names_functions_and_lines() {
        let place = |inlined: Option<&str>, line, column| Place {
            inlined: inlined.map(str::to_owned),
            file: "src/lib.rs".to_owned(),
            line,
            column,
        };
        let frames = vec![
            frame("_ZN4chat4join17h0123456789abcdefE", vec![place(Some("chat::greet"), 7, 0), place(None, 20, 5)]),
            frame("whimbrel:websocket/handler@0.1.0#open", Vec::new()),
        ];
        let expected = "wasm backtrace:\n    0:   0x1234 - chat.wasm!chat::join\n           inlined: chat::greet\n                \
                        at src/lib.rs:7\n                at src/lib.rs:20:5\n    1:   0x1234 - \
                        chat.wasm!whimbrel:websocket/handler@0.1.0#open";
        assert_eq!(Backtrace { frames }.to_string(), expected);
        assert_eq!(Backtrace::default().to_string(), "");
    }

    #[test]
    fn names_of_a_hostile_guest_are_short_and_steer_nothing() {
        assert_eq!(demangled("a\n2026 ERROR \u{1b}[31m"), "a\\n2026 ERROR \\u{1b}[31m");
        assert_eq!(demangled(&"ü".repeat(500)), format!("{}…", "ü".repeat(200)));
        let many = (0..200).map(|_| frame(&"\u{1b}".repeat(200), Vec::new())).collect();
        let text = Backtrace { frames: many }.to_string();
        assert!(text.len() < TEXT + 100 && text.ends_with("(cut off)"), "{} bytes", text.len());
    }
}
