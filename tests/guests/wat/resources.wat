;; Makes a million resources of its own and keeps them.
;;@ imports
(import "[export]test:guests/things" "[resource-new]thing" (func $new (param i32) (result i32)))
;;@ message
(loop $on
  (drop (call $new (local.get $number)))
  (local.set $number (i32.add (local.get $number) (i32.const 1)))
  (br_if $on (i32.lt_u (local.get $number) (i32.const 1000000))))
