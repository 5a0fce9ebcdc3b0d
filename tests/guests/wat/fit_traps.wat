;; Traps when it is asked which scopes it fits.
;;@ fit
(unreachable)
