//! What the codes of a lossless WebP take in memory, told before anything is decoded (RFC 9649, section 3).
//!
//! The decoder makes tables of every code that is listed, used or not. A group of five codes may take 10 bytes of a file and 70 kB
//! of memory, and the size of the image does not bound how many there are: up to 65,536. So the codes are read twice, here without
//! tables, and no pixel of the image is.

use crate::steps::resize::stored::MAX_DECODED_BYTES;

/// Symbols of the codes of a group: green with lengths of copies, red, blue, alpha, distances.
const ALPHABETS: [usize; 5] = [N_GREENS + N_LENGTHS, 256, 256, 256, 40];
const N_GREENS: usize = 256;
const N_LENGTHS: usize = 24;
/// The order in which the lengths of the code of lengths are written.
const ORDER: [usize; 19] = [
    17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
];
const MAX_LENGTH: usize = 15;

/// What `image-webp` takes for a group whatever its codes are: five times 56 bytes in a list that doubles, so at most three
/// times that at once, and the heads of ten allocations.
const GROUP_BYTES: u64 = 1024;
/// Its tables have an entry of 4 bytes for each value of the longest code, at most of 10 bits ...
const MAX_TABLE_BITS: usize = 10;
const ENTRY_BYTES: u64 = 4;
/// ... and two nodes of 16 bytes for each longer one.
const LONGER_BYTES: u64 = 32;

/// Bytes that the codes of a `VP8L` chunk take, of an image of this size; none where the decoder would find it damaged. What is
/// more than may be decoded is not counted further.
pub(super) fn of_image(chunk: &[u8], size: (usize, usize)) -> Option<u64> {
    let mut stream = Stream {
        bytes: chunk,
        at: 0,
    };
    let is_signed = stream.bits(8)? == 0x2F;
    let said = (stream.bits(14)? + 1, stream.bits(14)? + 1);
    let _has_alpha = stream.bits(1)?;
    let version = stream.bits(3)?;
    match is_signed && said == size && version == 0 {
        true => stream.image(size),
        false => None,
    }
}

/// The same of an `ALPH` chunk.
pub(super) fn of_alpha(chunk: &[u8], size: (usize, usize)) -> Option<u64> {
    let (head, bytes) = chunk.split_first()?;
    match head & 3 {
        1 => Stream { bytes, at: 0 }.image(size),
        _ => Some(0),
    }
}

/// Bits, the low ones of a byte first.
struct Stream<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Stream<'_> {
    /// At most 18 of them, as a number.
    fn bits(&mut self, n: usize) -> Option<usize> {
        let (first, shift) = (self.at / 8, self.at % 8);
        self.at += n;
        if self.at > self.bytes.len() * 8 {
            return None;
        }
        let bytes = self.bytes[first..].iter().take(4).enumerate();
        let word = bytes.fold(0, |word, (i, byte)| word | usize::from(*byte) << (8 * i));
        Some(word >> shift & ((1 << n) - 1))
    }

    /// All but the pixels of the image itself.
    fn image(&mut self, (mut width, height): (usize, usize)) -> Option<u64> {
        let mut seen = [false; 4];
        while self.bits(1)? == 1 {
            let transform = self.bits(2)?;
            if std::mem::replace(&mut seen[transform], true) {
                return None;
            }
            match transform {
                // Predictors and colours of blocks.
                0 | 1 => {
                    self.blocks(width, height)?;
                }
                // Green is subtracted.
                2 => {}
                // A palette: small ones put several pixels into one.
                _ => {
                    let n_colours = self.bits(8)? + 1;
                    self.small(n_colours, 1)?;
                    width = match n_colours {
                        ..=2 => width.div_ceil(8),
                        3..=4 => width.div_ceil(4),
                        5..=16 => width.div_ceil(2),
                        _ => width,
                    };
                }
            }
        }
        let n_cached = self.cache()?;
        let n_groups = match self.bits(1)? {
            0 => 1,
            _ => self.blocks(width, height)? + 1,
        };
        let mut taken = 0;
        for _ in 0..n_groups {
            taken += GROUP_BYTES;
            for code in self.group(n_cached)? {
                taken += code.table_bytes();
            }
            if taken > MAX_DECODED_BYTES {
                break;
            }
        }
        Some(taken)
    }

    /// A small image with a pixel for each block.
    fn blocks(&mut self, width: usize, height: usize) -> Option<usize> {
        let side = 1 << (self.bits(3)? + 2);
        self.small(width.div_ceil(side), height.div_ceil(side))
    }

    /// An image inside, which has one group of codes; gives the largest number in the red and green of a pixel, which names a
    /// group. Copies bring no number that was not there before.
    fn small(&mut self, width: usize, height: usize) -> Option<usize> {
        let n_cached = self.cache()?;
        let [greens, reds, blues, alphas, distances] = self.group(n_cached)?;
        let (mut largest, mut n_left) = (0, width * height);
        while n_left > 0 {
            let n = match greens.read(self)? {
                green if green < N_GREENS => {
                    largest = largest.max(reds.read(self)? << 8 | green);
                    blues.read(self)?;
                    alphas.read(self)?;
                    1
                }
                copied if copied < N_GREENS + N_LENGTHS => {
                    let n = self.number(copied - N_GREENS)?;
                    let distance = distances.read(self)?;
                    self.number(distance)?;
                    n
                }
                _cached => 1,
            };
            n_left = n_left.checked_sub(n)?;
        }
        Some(largest)
    }

    /// Colours of the cache.
    fn cache(&mut self) -> Option<usize> {
        if self.bits(1)? == 0 {
            return Some(0);
        }
        let bits = self.bits(4)?;
        (1..=11).contains(&bits).then_some(1 << bits)
    }

    /// A length or distance behind its symbol.
    fn number(&mut self, symbol: usize) -> Option<usize> {
        if symbol < 4 {
            return Some(symbol + 1);
        }
        let n_bits = (symbol - 2) >> 1;
        Some(((2 + (symbol & 1)) << n_bits) + self.bits(n_bits)? + 1)
    }

    fn group(&mut self, n_cached: usize) -> Option<[Code; 5]> {
        let [greens, reds, blues, alphas, distances] = ALPHABETS;
        Some([
            self.code(greens + n_cached)?,
            self.code(reds)?,
            self.code(blues)?,
            self.code(alphas)?,
            self.code(distances)?,
        ])
    }

    fn code(&mut self, n_symbols: usize) -> Option<Code> {
        if self.bits(1)? == 1 {
            let n = self.bits(1)? + 1;
            let n_bits = if self.bits(1)? == 1 { 8 } else { 1 };
            let mut symbols = vec![self.bits(n_bits)?];
            if n == 2 {
                symbols.push(self.bits(8)?);
            }
            let are_known = symbols.iter().all(|symbol| *symbol < n_symbols);
            return are_known.then(|| Code::of_one_bit(symbols));
        }
        let mut lengths = [0; ORDER.len()];
        let n = self.bits(4)? + 4;
        for at in &ORDER[..n] {
            lengths[*at] = self.bits(3)?;
        }
        let of_lengths = Code::new(&lengths)?;
        let mut n_left = n_symbols;
        if self.bits(1)? == 1 {
            let n_bits = 2 + 2 * self.bits(3)?;
            n_left = self.bits(n_bits)? + 2;
            if n_left > n_symbols {
                return None;
            }
        }
        let mut lengths = vec![0; n_symbols];
        let (mut at, mut previous) = (0, 8);
        while at < n_symbols && n_left > 0 {
            n_left -= 1;
            let (length, n) = match of_lengths.read(self)? {
                0 => (0, 1),
                16 => (previous, self.bits(2)? + 3),
                17 => (0, self.bits(3)? + 3),
                18 => (0, self.bits(7)? + 11),
                length => {
                    previous = length;
                    (length, 1)
                }
            };
            lengths.get_mut(at..at + n)?.fill(length);
            at += n;
        }
        Code::new(&lengths)
    }
}

/// A code: how many symbols have one bit, two bits ..., and the symbols in that order.
struct Code {
    counts: [usize; MAX_LENGTH + 1],
    symbols: Vec<usize>,
}

impl Code {
    fn of_one_bit(symbols: Vec<usize>) -> Self {
        let mut counts = [0; MAX_LENGTH + 1];
        counts[1] = symbols.len();
        Self { counts, symbols }
    }

    /// Of the length of each symbol, 0 for none. But for a single one, the lengths must fill a tree.
    fn new(lengths: &[usize]) -> Option<Self> {
        let mut counts = [0; MAX_LENGTH + 1];
        for length in lengths {
            counts[*length] += usize::from(*length > 0);
        }
        let leaves = |(length, n): (usize, &usize)| n << (MAX_LENGTH - length);
        let n_leaves: usize = counts.iter().enumerate().map(leaves).sum();
        let n_symbols: usize = counts.iter().sum();
        if n_symbols != 1 && n_leaves != 1 << MAX_LENGTH {
            return None;
        }
        let mut starts = [0; MAX_LENGTH + 1];
        for length in 1..=MAX_LENGTH {
            starts[length] = starts[length - 1] + counts[length - 1];
        }
        let mut symbols = vec![0; n_symbols];
        for (symbol, length) in lengths.iter().enumerate().filter(|(_, n)| **n > 0) {
            symbols[starts[*length]] = symbol;
            starts[*length] += 1;
        }
        Some(Self { counts, symbols })
    }

    /// The next symbol; a single one has no bits.
    fn read(&self, stream: &mut Stream) -> Option<usize> {
        if let [only] = self.symbols[..] {
            return Some(only);
        }
        let (mut code, mut first, mut at) = (0, 0, 0);
        for n in &self.counts[1..] {
            code = code << 1 | stream.bits(1)?;
            first <<= 1;
            if code < first + n {
                return self.symbols.get(at + code - first).copied();
            }
            first += n;
            at += n;
        }
        None
    }

    fn table_bytes(&self) -> u64 {
        if self.symbols.len() < 2 {
            return 0;
        }
        let longest = self.counts.iter().rposition(|n| *n > 0).unwrap_or(0);
        let n_longer: usize = self.counts[MAX_TABLE_BITS + 1..].iter().sum();
        (ENTRY_BYTES << longest.min(MAX_TABLE_BITS)) + LONGER_BYTES * n_longer as u64
    }
}

#[cfg(test)]
mod tests {
    use image::codecs::webp::WebPEncoder;
    use image::{ExtendedColorType, ImageDecoder};

    use super::*;

    #[test]
    fn what_the_decoder_reads_is_read_here_too() {
        let folder = "tests/fixtures/corpus/files";
        let files = std::fs::read_dir(folder).expect("the corpus");
        let mut chunks = Vec::new();
        for file in files {
            let path = file.expect("an entry").path();
            let bytes = std::fs::read(&path).expect("a file");
            let is_whole = !path.to_string_lossy().contains("damaged");
            if is_whole && bytes.starts_with(b"RIFF") && bytes.get(12..16) == Some(b"VP8L") {
                chunks.push(bytes[20..].to_vec());
            }
        }
        // Nothing to gain for an encoder: pixels without any order.
        let mut state = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(300 * 200 * 4)
        .collect();
        let mut bytes = Vec::new();
        WebPEncoder::new_lossless(&mut bytes)
            .encode(&noise, 300, 200, ExtendedColorType::Rgba8)
            .expect("an image");
        chunks.push(bytes[20..].to_vec());
        assert_eq!(chunks.len(), 5);
        let (mut n_read, mut n_damaged) = (0, 0);
        for chunk in &chunks {
            let word = u32::from_le_bytes([chunk[1], chunk[2], chunk[3], chunk[4]]);
            let size = [word, word >> 14].map(|side| (side & 0x3FFF) as usize + 1);
            let bytes = of_image(chunk, (size[0], size[1])).expect("it is whole");
            assert!((GROUP_BYTES..4 << 20).contains(&bytes), "{bytes}");
            // Whatever is damaged: what the decoder takes is taken here.
            for at in 5..chunk.len().min(60) {
                for bit in 0..8 {
                    let mut damaged = chunk.clone();
                    damaged[at] ^= 1 << bit;
                    let is_read = is_decoded(&damaged);
                    n_read += usize::from(is_read);
                    n_damaged += usize::from(!is_read);
                    let found = of_image(&damaged, (size[0], size[1]));
                    assert!(found.is_some() || !is_read, "byte {at}, bit {bit}");
                }
            }
        }
        assert!(n_read > 100 && n_damaged > 100, "{n_read} {n_damaged}");
    }

    fn is_decoded(chunk: &[u8]) -> bool {
        let size = |n: usize| (n as u32).to_le_bytes();
        let head = [
            b"RIFF",
            &size(chunk.len() + 12)[..],
            b"WEBPVP8L",
            &size(chunk.len()),
        ];
        let bytes = [&head.concat()[..], chunk].concat();
        crate::storage::guard::guarded(|| {
            let decoder =
                image::codecs::webp::WebPDecoder::new(std::io::Cursor::new(&bytes)).ok()?;
            let mut out = vec![0; decoder.total_bytes() as usize];
            decoder.read_image(&mut out).ok()
        })
        .flatten()
        .is_some()
    }
}
