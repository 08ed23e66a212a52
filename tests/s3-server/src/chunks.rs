//! The bytes of an object, read as they are sent.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;

/// A piece of a body: most photographs of the tests are one.
const CHUNK_BYTES: u64 = 64 * 1024;

/// A file in pieces. Reads block, but only for as long as a copy from the page cache takes, which is less than handing
/// the read to another thread would.
pub struct Chunks {
    file: File,
    left_bytes: u64,
}

impl Chunks {
    pub fn of(file: &Path, range: Range<u64>) -> io::Result<Self> {
        let mut file = File::open(file)?;
        file.seek(SeekFrom::Start(range.start))?;
        Ok(Self {
            file,
            left_bytes: range.end - range.start,
        })
    }
}

impl Iterator for Chunks {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let n_bytes = self.left_bytes.min(CHUNK_BYTES);
        if n_bytes == 0 {
            return None;
        }
        self.left_bytes -= n_bytes;
        let mut chunk = vec![0; usize::try_from(n_bytes).ok()?];
        Some(self.file.read_exact(&mut chunk).map(|()| chunk.into()))
    }
}
