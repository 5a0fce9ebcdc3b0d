;; Imports what no host offers.
(component (import "evil:host/files@1.0.0" (instance (export "read" (func (param "path" string) (result (list u8)))))))
