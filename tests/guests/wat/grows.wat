;; Asks for more memory, to 4 GiB, and for a larger table; then it needs what it did not get, or echoes for an `e`.
;;@ items
(table $functions 1 100000000 funcref)
;;@ message
(if (i32.ne (memory.grow (i32.const 65534)) (i32.const -1)) (then unreachable))
(if (i32.eq (i32.load8_u (local.get $data)) (i32.const 0x6d (; m ;))) (then unreachable))
(if (i32.ne (table.grow $functions (ref.null func) (i32.const 99999999)) (i32.const -1)) (then unreachable))
(if (i32.eq (i32.load8_u (local.get $data)) (i32.const 0x74 (; t ;))) (then unreachable))
