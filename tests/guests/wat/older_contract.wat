;; Was built against an older version of the contract.
(component (instance $handler) (export "whimbrel:websocket/handler@0.0.9" (instance $handler)))
