;; Exports optional interfaces whose functions are missing or of other types.
(component
  (core module $module (func (export "number") (result i32) (i32.const 0)))
  (core instance $instance (instantiate $module))
  (func $number (result u32) (canon lift (core func $instance "number")))
  (instance $numbers (export "snapshot" (func $number)) (export "scopes" (func $number)))
  (export "whimbrel:websocket/lifecycle@0.1.0" (instance $numbers))
  (export "whimbrel:websocket/fit@0.1.0" (instance $numbers)))
