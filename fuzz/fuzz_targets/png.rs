#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fruits_fuzz::image::decode(b"\x89PNG\r\n\x1a\n", data));
