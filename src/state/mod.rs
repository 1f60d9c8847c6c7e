//! What is remembered: versions, mappings, checksum, lock, events. Knows no Dokku.
