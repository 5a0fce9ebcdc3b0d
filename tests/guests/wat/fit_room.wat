;; Was written for rooms and shared instances, and says so in another order and more than once.
;;@ fit
(i32.store (i32.const 64) (i32.const 72))
(i32.store offset=4 (i32.const 64) (i32.const 3))
(i32.store (i32.const 72) (i32.const 0x020102))
(i32.const 64)
