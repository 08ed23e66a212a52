//! TIFFs as no program writes them.

use fruits::rejection::Reason;
use fruits::resize::decode;

/// Grey, packed by deflate, with further tags; strips at the offsets and with the lengths that are given.
pub fn tiff(
    width: u32,
    height: u32,
    data: &[u8],
    strips: &[(u32, u32)],
    tags: &[(u16, u32)],
) -> Vec<u8> {
    let mut out = b"II*\0".to_vec();
    let lists = 8 + data.len() as u32 + data.len() as u32 % 2;
    let n = strips.len() as u32;
    out.extend((lists + 8 * n).to_le_bytes());
    out.extend(data);
    out.resize(lists as usize, 0);
    for (at, _) in strips {
        out.extend((8 + at).to_le_bytes());
    }
    for (_, length) in strips {
        out.extend(length.to_le_bytes());
    }
    let (offsets, lengths) = match n {
        1 => (8 + strips[0].0, strips[0].1),
        _ => (lists, lists + 4 * n),
    };
    let is_tiled = tags.iter().any(|(tag, _)| *tag == 322);
    let (at, long) = if is_tiled { (324, 325) } else { (273, 279) };
    let mut entries = vec![
        (256, 1, width),
        (257, 1, height),
        (258, 1, 8),
        (259, 1, 8),
        (262, 1, 1),
        (at, n, offsets),
        (long, n, lengths),
    ];
    entries.extend(tags.iter().map(|(tag, value)| (*tag, 1, *value)));
    entries.sort_unstable();
    out.extend((entries.len() as u16).to_le_bytes());
    for (tag, n, value) in entries {
        out.extend(tag.to_le_bytes());
        out.extend(4_u16.to_le_bytes());
        out.extend(n.to_le_bytes());
        out.extend(value.to_le_bytes());
    }
    out.extend([0; 4]);
    out
}

/// Tiles of one bit, as wide as 64 bits can say: the tag points to its value.
pub fn widest(width: u32, height: u32) -> Vec<u8> {
    let strips = vec![(0, 1); height as usize];
    let mut out = tiff(
        width,
        height,
        &[0],
        &strips,
        &[(258, 1), (322, 1), (323, 1)],
    );
    let entry: Vec<_> = [322_u16, 4, 1, 0].map(u16::to_le_bytes).concat();
    let at = out.windows(8).position(|bytes| bytes == entry);
    let at = at.expect("the width of a tile");
    let value = (out.len() as u32).to_le_bytes();
    out[at + 2] = 16;
    out[at + 8..at + 12].copy_from_slice(&value);
    [out, (1_u64 << 60).to_le_bytes().to_vec()].concat()
}

/// Rows of CCITT group 3, as bits in words, 8 pixels wide and eight of them in all.
fn fax(rows: &[&str]) -> Vec<u8> {
    let end = "000000000001";
    let words: Vec<_> = rows.iter().map(|row| format!("{end}{row}")).collect();
    let bits = format!("{}{end}", words.concat());
    let byte = |bits: &[u8]| {
        (0..8).fold(0, |byte, i| {
            byte << 1 | u8::from(bits.get(i) == Some(&b'1'))
        })
    };
    let data: Vec<_> = bits.as_bytes().chunks(8).map(byte).collect();
    let strip = (0, data.len() as u32);
    tiff(8, 8, &data, &[strip], &[(258, 1), (259, 3), (262, 0)])
}

#[test]
fn each_row_of_a_fax_has_all_its_pixels() {
    // A run of 8 white pixels; of none and 8 black ones.
    let (white, black) = ("10011", "00110101000101");
    let mut rows = [white, black, white, black, white, black, white, black];
    let whole = decode(&fax(&rows)).expect("whole");
    let grey: Vec<_> = whole.rgb.iter().step_by(8 * 3).copied().collect();
    assert_eq!(grey, [255, 0, 255, 0, 255, 0, 255, 0]);
    // A row without a run, with 7 white pixels, with 8 and 2.
    for row in ["", "1111", "1001111"] {
        rows[4] = row;
        let fault = decode(&fax(&rows)).expect_err("damaged");
        assert_eq!(
            fault.reason,
            Reason::DecodeError,
            "{row}: {}",
            fault.message
        );
    }
}
