;; A handler that echoes, in as few instructions as there can be. Every other guest in this folder is a list of places and
;; what it does there, behind `;;@ PLACE`; build.rs puts that into these places and makes a component of it.
(module
  (import "whimbrel:websocket/connection@0.1.0" "send" (func $send (param i32 i32 i32 i32 i32)))
  ;;{imports}
  (memory (export "memory") 2)
  ;; Where the next argument from the host goes.
  (global $free (mut i32) (i32.const 4096))
  ;;{items}

  (func (export "cabi_realloc")
    (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    ;;{realloc}
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.set $free (i32.add (local.get $at) (local.get $size)))
    (if (i32.gt_u (global.get $free) (i32.mul (memory.size) (i32.const 65536)))
      (then
        (if (i32.eq (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 1))) (i32.const -1))
          (then unreachable))))
    (local.get $at))

  ;; Its arguments lie in memory: the connection first.
  (func (export "whimbrel:websocket/handler@0.1.0#open") (param $arguments i32) (result i32)
    ;;{open}
    (global.set $free (i32.const 4096))
    (i32.const 16))

  ;; A result lies at 16, where nothing is ever written: zeros are `ok`.
  (func (export "whimbrel:websocket/handler@0.1.0#on-message")
    (param $connection i32) (param $kind i32) (param $data i32) (param $size i32) (result i32)
    (local $number i32)
    ;;{message}
    (call $send (local.get $connection) (local.get $kind) (local.get $data) (local.get $size) (i32.const 32))
    (global.set $free (i32.const 4096))
    (i32.const 16))

  (func (export "whimbrel:websocket/handler@0.1.0#on-close") (param $connection i32) (param i32 i32 i32 i32 i32 i32)
    (local $number i32)
    ;;{close}
    (global.set $free (i32.const 4096)))

  (func (export "whimbrel:websocket/handler@0.1.0#on-ping") (param $connection i32) (param i32 i32)
    ;;{ping}
    (global.set $free (i32.const 4096)))

  (func (export "whimbrel:websocket/handler@0.1.0#on-pong") (param $connection i32) (param i32 i32)
    ;;{pong}
    (global.set $free (i32.const 4096)))
)
