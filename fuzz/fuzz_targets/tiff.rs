#![no_main]

/// Both orders of bytes, and BigTIFF.
const SIGNATURES: [&[u8; 4]; 4] = [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let own = data
        .first_chunk::<4>()
        .filter(|start| SIGNATURES.contains(start));
    fruits_fuzz::image::decode(own.unwrap_or(SIGNATURES[0]), data);
});
