;; Looks for what others left in its memory, all of it, answers how many words are not zero, and leaves a pattern there.
;;@ items
(func $dirty (param $at i32) (param $end i32) (result i32)
  (local $words i32)
  (loop $on
    (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (local.set $words (i32.add (local.get $words) (i32.const 1)))))
    (local.set $at (i32.add (local.get $at) (i32.const 8)))
    (br_if $on (i32.lt_u (local.get $at) (local.get $end))))
  (local.get $words))
;;@ message
;; Two pages from the start and fourteen more, 1 MiB; the first two hold the message and the handshake's data.
(if (i32.lt_u (memory.size) (i32.const 16))
  (then (if (i32.eq (memory.grow (i32.const 14)) (i32.const -1)) (then unreachable))))
(local.set $number (call $dirty (i32.const 65536) (i32.const 1048576)))
(memory.fill (i32.const 65536) (i32.const 0xa5) (i32.const 983040))
(i32.store (local.get $data) (local.get $number))
(local.set $size (i32.const 4))
(local.set $kind (i32.const 1))
