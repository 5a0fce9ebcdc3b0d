;; Refuses a handshake with a million header fields, all in the same place of its memory.
;;@ upgrade
(if (i32.eq (memory.grow (i32.const 300)) (i32.const -1)) (then unreachable))
(i32.store (i32.const 64) (i32.const 1))
(i32.store16 offset=4 (i32.const 64) (i32.const 403))
(i32.store offset=8 (i32.const 64) (i32.const 131072))
(i32.store offset=12 (i32.const 64) (i32.const 1000000))
(i32.const 64)
