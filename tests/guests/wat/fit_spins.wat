;; Never comes to an end about the scopes that it fits.
;;@ fit
(loop $on (br $on))
(unreachable)
