//! The target `csv`: see `vintner::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vintner::fuzzing::csv(data));
