//! The short forms of the Specification: one text for a port, a mount, a device, an SSH key.

pub(super) mod device;
pub(super) mod port;
pub(super) mod ssh;
pub(super) mod volume;
