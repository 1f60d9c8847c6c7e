//! A server to a compose file.
