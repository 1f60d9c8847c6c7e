//! Running a child process: its own group, a limit on its time, masked output.
