;; Has a table of 10,001 elements from the start.
;;@ items
(table $functions 10001 funcref)
