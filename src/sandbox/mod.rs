//! A stand-in server that keeps its world in a directory and answers as a recorded Dokku does.
