//! Exports no handler, nor anything else.
