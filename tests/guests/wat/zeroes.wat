;; Has the host write 1 TiB of zeroes to its log.
;;@ imports
(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
(import "wasi:io/streams@0.2.0" "[method]output-stream.write-zeroes" (func $zeroes (param i32 i64 i32)))
;;@ message
(call $zeroes (call $stdout) (i64.const 0x10000000000) (i32.const 64))
