#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fruits_fuzz::image::decode(b"\xff\xd8\xff", data));
