;; Fills its log for ever, with lines of one letter, as many per call as the host takes.
;;@ imports
(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
(import "wasi:io/streams@0.2.0" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
;;@ message
(local.set $number (call $stdout))
(if (i32.eq (memory.grow (i32.const 2)) (i32.const -1)) (then unreachable))
(loop $fill
  (i32.store16 (i32.add (i32.const 131072) (local.get $size)) (i32.const 0x0a78 (; x, line feed ;)))
  (local.set $size (i32.add (local.get $size) (i32.const 2)))
  (br_if $fill (i32.lt_u (local.get $size) (i32.const 65534))))
(loop $on
  (call $write (local.get $number) (i32.const 131072) (i32.const 65534) (i32.const 64))
  (br $on))
