//! Desired, observed and last applied to a graph of operations. Pure functions.
