//! The target `address`: see `vintner::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vintner::fuzzing::address(data));
