#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(size) = data.get(4..8) else { return };
    let signature = [b"RIFF", size, b"WEBP"].concat();
    fruits_fuzz::image::decode(&signature, data);
});
