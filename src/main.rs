//! The program `vintner`: everything is in the library.

fn main() -> std::process::ExitCode {
    vintner::cli::main()
}
