;; Breaks a rule of WebAssembly: which, the first letter of the message says.
;;@ items
(table $functions 1 funcref)
(global $zero (mut i32) (i32.const 0))
;;@ message
(local.set $number (i32.load8_u (local.get $data)))
(if (i32.eq (local.get $number) (i32.const 0x75 (; u ;))) (then unreachable))
(if (i32.eq (local.get $number) (i32.const 0x64 (; d ;))) (then (drop (i32.div_u (i32.const 1) (global.get $zero)))))
(if (i32.eq (local.get $number) (i32.const 0x6d (; m ;))) (then (drop (i32.load (i32.const -8)))))
(if (i32.eq (local.get $number) (i32.const 0x74 (; t ;))) (then (call_indirect (i32.const 7))))
(if (i32.eq (local.get $number) (i32.const 0x6e (; n ;))) (then (call_indirect (i32.const 0))))
