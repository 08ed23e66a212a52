//! The tags of EXIF and XMP in a JPEG that is whole: whatever they hold, the image is decoded, and turned as one of them says.
#![no_main]

use std::sync::OnceLock;

use fruits::resize::{Decoded, decode};
use libfuzzer_sys::fuzz_target;

/// Without EXIF.
const JPEG: &[u8] = include_bytes!("../../tests/fixtures/corpus/files/jpeg-optimised.jpg");
const SEGMENT_MOST: usize = 65_533;

fuzz_target!(init: fruits_fuzz::tell_panics_apart(), |data: &[u8]| {
    // The first byte says which of the two it is; an EXIF block that another one follows counts alone.
    let Some((kind, block)) = data.split_first() else { return };
    let start: &[u8] = match kind % 2 {
        0 => b"Exif\0\0",
        _ => b"http://ns.adobe.com/xap/1.0/\0",
    };
    let block = [start, block].concat();
    let block = &block[..block.len().min(SEGMENT_MOST)];
    let length = (block.len() as u16 + 2).to_be_bytes();
    let (head, rest) = JPEG.split_at(2);
    let tagged = [head, b"\xff\xe1", &length, block, rest].concat();
    let upright = upright();
    let turned = decode(&tagged).expect("tags say nothing of the pixels");
    let sides = match turned.orientation {
        1..=4 => (upright.width, upright.height),
        5..=8 => (upright.height, upright.width),
        n => panic!("no orientation is {n}"),
    };
    assert_eq!((turned.width, turned.height), sides);
    assert!(upright.rgb == sorted(turned.rgb), "a turn keeps every pixel");
});

/// The image without tags, its pixels sorted.
fn upright() -> &'static Decoded {
    static UPRIGHT: OnceLock<Decoded> = OnceLock::new();
    UPRIGHT.get_or_init(|| {
        let mut image = decode(JPEG).expect("the JPEG is whole");
        image.rgb = sorted(image.rgb);
        image
    })
}

fn sorted(mut rgb: Vec<u8>) -> Vec<u8> {
    rgb.as_chunks_mut::<3>().0.sort_unstable();
    rgb
}
