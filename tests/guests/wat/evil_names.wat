;; Traps in a function whose name would forge a line of the log.
;;@ items
(func $trap (@name "\1b[31mred\0a2026-01-01T00:00:00.000000Z ERROR forged") unreachable)
;;@ message
(call $trap)
