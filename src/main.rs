//! The program: parses the command line, runs one command, ends with its exit code.

fn main() {}
