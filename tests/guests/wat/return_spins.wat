;; Never ends the function that is called after a message was handled, to free what it returned.
;;@ items
(func (export "cabi_post_whimbrel:websocket/handler@0.1.0#on-message") (param i32) (loop $on (br $on)))
