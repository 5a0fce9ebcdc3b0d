;; Has a memory that threads share.
(component (core module (memory 1 2 shared)))
