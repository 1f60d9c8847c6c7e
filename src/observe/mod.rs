//! One read of the server into a snapshot. Never writes.
