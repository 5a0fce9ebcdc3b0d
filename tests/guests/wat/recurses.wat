;; Recurses for ever on wasm's own stack, without any in its memory.
;;@ items
(func $down (param $depth i64) (result i64)
  (i64.add (call $down (i64.add (local.get $depth) (i64.const 1))) (local.get $depth)))
;;@ message
(drop (call $down (i64.const 0)))
