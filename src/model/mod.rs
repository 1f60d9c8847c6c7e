//! The typed project: what a loaded compose file means. Knows no YAML.
