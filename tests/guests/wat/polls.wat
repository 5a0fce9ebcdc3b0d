;; Waits for one timer that is over, a million times in one list, for ever.
;;@ imports
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))
(import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))
;;@ message
(local.set $number (call $timer (i64.const 0)))
(if (i32.eq (memory.grow (i32.const 64)) (i32.const -1)) (then unreachable))
(local.set $data (i32.const 131072))
(loop $fill
  (i32.store (local.get $data) (local.get $number))
  (local.set $data (i32.add (local.get $data) (i32.const 4)))
  (br_if $fill (i32.lt_u (local.get $data) (i32.const 4131072))))
(loop $on
  (global.set $free (i32.const 4194304))
  (call $poll (i32.const 131072) (i32.const 1000000) (i32.const 64))
  (br $on))
