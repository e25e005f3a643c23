//! The target `request_row`: see `vintner::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vintner::fuzzing::request_row(data));
