//! WebPs as no program writes them: codes by the thousand for an image of a few pixels.

use std::fs;

use crate::run::project;

/// Bits, the low ones of a byte first.
#[derive(Default)]
struct Bits(Vec<u8>, usize);

impl Bits {
    fn put(&mut self, value: usize, n: usize) {
        for i in 0..n {
            if self.1.is_multiple_of(8) {
                self.0.push(0);
            }
            let last = self.0.len() - 1;
            self.0[last] |= ((value >> i & 1) as u8) << (self.1 % 8);
            self.1 += 1;
        }
    }

    /// A code of a single symbol.
    fn single(&mut self, symbol: usize) {
        self.put(0b101, 3);
        self.put(symbol, 8);
    }
}

/// The stream of a square image whose one block names the last of `n_groups` groups of codes. Each group has a code of 2,048
/// symbols of eleven bits: told in 66 bits, a table and a tree of 70 kB.
fn codes(n_groups: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    // No transform; a cache of 2^11 colours; blocks of 512 pixels, an image of one of them without a cache.
    for (value, n) in [(0, 1), (1, 1), (11, 4), (1, 1), (7, 3), (0, 1)] {
        bits.put(value, n);
    }
    let last = n_groups - 1;
    for symbol in [last & 0xFF, last >> 8, 0, 0, 0] {
        bits.single(symbol);
    }
    for _ in 0..n_groups {
        // 15 lengths of the code of lengths, of which only that of 11 is used, and 2 + 2046 symbols in 12 bits.
        for (value, n) in [
            (0, 1),
            (11, 4),
            (0, 42),
            (1, 3),
            (1, 1),
            (5, 3),
            (2_046, 12),
        ] {
            bits.put(value, n);
        }
        // A single symbol of one bit.
        for _ in 0..4 {
            bits.put(1, 4);
        }
    }
    bits.0.extend([0; 512]);
    bits.0
}

/// A lossless image of `side` x `side` pixels.
fn lossless(side: usize, n_groups: usize) -> Vec<u8> {
    let mut head = Bits::default();
    for (value, n) in [(0x2F, 8), (side - 1, 14), (side - 1, 14), (0, 4)] {
        head.put(value, n);
    }
    [head.0, codes(n_groups)].concat()
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u32).to_le_bytes();
    let padding = vec![0; data.len() % 2];
    [kind, &length[..], data, &padding].concat()
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = [b"WEBP".to_vec(), chunks.concat()].concat();
    chunk(b"RIFF", &body)
}

/// The head of a file of several chunks; flag 2 is for frames, 16 for alpha.
fn extended(flags: u8, side: u8) -> Vec<u8> {
    chunk(b"VP8X", &[flags, 0, 0, 0, side - 1, 0, 0, side - 1, 0, 0])
}

fn frame(side: u8, chunks: &[Vec<u8>]) -> Vec<u8> {
    let head = [0, 0, 0, 0, 0, 0, side - 1, 0, 0, side - 1, 0, 0, 0, 0, 0, 0];
    chunk(b"ANMF", &[head.to_vec(), chunks.concat()].concat())
}

/// A lossy image of 8 x 8 pixels.
fn lossy() -> Vec<u8> {
    let path = project().join("tests/fixtures/corpus/files/webp-8x8.webp");
    fs::read(path).expect("a file")[20..].to_vec()
}

/// Files whose pictures have so many groups of codes, by where these are.
pub fn of_codes(n_groups: usize) -> [(&'static str, Vec<u8>); 4] {
    let alpha = chunk(b"ALPH", &[vec![1], codes(n_groups)].concat());
    let colours = chunk(b"VP8 ", &lossy());
    let still = [extended(16, 8), alpha.clone(), colours.clone()];
    let picture = chunk(b"VP8L", &lossless(16, n_groups));
    let frames = |side, chunks: &[Vec<u8>]| {
        let animation = chunk(b"ANIM", &[0; 6]);
        riff(&[extended(18, side), animation, frame(side, chunks)])
    };
    [
        ("codes.webp", riff(std::slice::from_ref(&picture))),
        ("codes of alpha.webp", riff(&still)),
        ("codes of a frame.webp", frames(16, &[picture])),
        ("codes of its alpha.webp", frames(8, &[alpha, colours])),
    ]
}

/// A canvas of 8 x 8 pixels with a picture that says to have 16,383 x 16,383.
pub fn beyond_canvas() -> Vec<u8> {
    let mut picture = lossy();
    picture[6..10].fill(0xFF);
    riff(&[extended(0, 8), chunk(b"VP8 ", &picture)])
}
