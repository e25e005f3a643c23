//! The target `time`: see `vintner::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vintner::fuzzing::time(data));
