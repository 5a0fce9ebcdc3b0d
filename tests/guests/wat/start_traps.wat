;; Traps in its start function.
;;@ items
(func $start unreachable)
(start $start)
