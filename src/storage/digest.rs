//! SHA-256 of bytes and of files, in lower-case hexadecimal.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// SHA-256 of `bytes`.
#[must_use]
pub fn of(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

/// The SHA-256 of what comes in pieces.
#[derive(Default)]
pub(crate) struct Hasher(Sha256);

impl Hasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all of them.
    pub fn hex(self) -> String {
        hex(&self.0.finalize())
    }
}

/// SHA-256 of a file, read in pieces.
///
/// # Errors
/// What the operating system said.
pub fn of_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.hex()),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_digest_of_its_bytes() {
        // FIPS 180-4, example of one block.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of("abc"), abc);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        let long = vec![7; (1 << 16) + 5];
        std::fs::write(&path, &long).unwrap();
        assert_eq!(of_file(&path).unwrap(), of(&long));
        assert!(of_file(&folder.path().join("absent")).is_err());
    }
}
