;; Was written for no scope at all.
;;@ fit
(i32.const 16)
