;; Never ends its start function.
;;@ items
(func $start (loop $on (br $on)))
(start $start)
