#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sitepilot::fuzzing::ec(data));
