;; Never gives the host any memory, for the handshake neither.
;;@ realloc
(loop $on (br $on))
