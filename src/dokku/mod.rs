//! Dokku, as typed commands and reports; the only room that starts `dokku`. No policy.
