//! Carries a plan out: bounded parallelism, write-ahead journal, undo, recovery. Decides nothing.
