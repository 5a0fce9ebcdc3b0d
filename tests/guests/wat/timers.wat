;; Sets a million timers and keeps them.
;;@ imports
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))
;;@ message
(loop $on
  (drop (call $timer (i64.const 1000000000)))
  (local.set $number (i32.add (local.get $number) (i32.const 1)))
  (br_if $on (i32.lt_u (local.get $number) (i32.const 1000000))))
