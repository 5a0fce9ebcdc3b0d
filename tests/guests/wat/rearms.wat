;; Waits for ever, for no time at a time.
;;@ imports
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))
(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
(import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop (param i32)))
;;@ message
(loop $on
  (local.set $number (call $timer (i64.const 0)))
  (call $block (local.get $number))
  (call $drop (local.get $number))
  (br $on))
