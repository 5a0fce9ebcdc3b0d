;; Has a structure that a garbage collector would look after.
(component (core module (type (struct (field i32)))))
