;; Asks for 1 GiB of random bytes.
;;@ imports
(import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))
;;@ message
(call $random (i64.const 0x40000000) (i32.const 64))
