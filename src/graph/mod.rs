//! The dependency graph of a project: levels, cycles with their path, DOT.
