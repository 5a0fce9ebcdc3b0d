//! Answers every message with the same message: the very guest of examples/echo.

include!("../../../examples/echo/src/lib.rs");
