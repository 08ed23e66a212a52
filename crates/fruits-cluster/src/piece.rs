//! Pieces: what tasks other than features give, and what they take; each under its key, with a receipt that is written last.

use fruits::storage::digest;
use fruits::store::{MOST_RECEIPT_BYTES, Work};
use fruits::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::exchange::{Exchange, MOST_BYTES};
use crate::keys::Key;
use crate::task::json;

/// What commits a piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Where the piece lies.
    key: Key,
    /// SHA-256 of the piece.
    sha256: String,
    pub work: Work,
    /// SHA-256 of the receipt itself, as compact JSON in which this is empty.
    seal: String,
}

impl Piece {
    fn new(key: &Key, bytes: &[u8], work: Work) -> Result<Self> {
        let bare = Self {
            key: key.clone(),
            sha256: digest::of(bytes),
            work,
            seal: String::new(),
        };
        Ok(Self {
            seal: bare.digest()?,
            ..bare
        })
    }

    /// SHA-256 of everything but the seal.
    fn digest(&self) -> Result<String> {
        let bare = Self {
            seal: String::new(),
            ..self.clone()
        };
        Ok(digest::of(json(&bare)?))
    }

    /// The receipt in these bytes, if it is whole and that of the piece under `key`.
    pub fn of(bytes: &[u8], key: &Key) -> Option<Self> {
        let piece: Self = serde_json::from_slice(bytes).ok()?;
        let is_whole = piece.key == *key && piece.digest().ok()? == piece.seal;
        is_whole.then_some(piece)
    }

    /// Writes a piece, then its receipt.
    pub fn commit(cache: Exchange, key: &Key, bytes: Vec<u8>, work: Work) -> Result<()> {
        let piece = Self::new(key, &bytes, work)?;
        cache.put(key, bytes)?;
        cache.put(&key.receipt(), json(&piece)?)
    }

    /// The receipt of a piece, if it is there and whole.
    pub fn find(cache: Exchange, key: &Key) -> Result<Option<Self>> {
        let bytes = cache.get(&key.receipt(), MOST_RECEIPT_BYTES)?;
        Ok(bytes.and_then(|bytes| Self::of(&bytes, key)))
    }

    /// Reads a piece that was committed.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is not what its receipt says, or one of the two is gone.
    pub fn read(cache: Exchange, key: &Key) -> Result<Vec<u8>> {
        let bytes = cache.get(key, MOST_BYTES)?;
        let piece = Self::find(cache, key)?;
        let whole = bytes.filter(|bytes| piece.is_some_and(|p| digest::of(bytes) == p.sha256));
        whole.ok_or_else(|| Error::Damaged {
            shards: vec![key.to_string()],
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use fruits::store::Store;

    use super::*;

    #[test]
    fn no_bit_of_a_piece_or_its_receipt_changes_unseen() {
        let store = Store::open(None).unwrap();
        let cache = Exchange::of(&store);
        let key = Key::new("cluster/pieces/run/pass-01.bin").unwrap();
        let other = Key::new("cluster/pieces/run/pass-02.bin").unwrap();
        let work = Work::since("one", Instant::now());
        Piece::commit(cache, &key, vec![1, 2, 3], work).unwrap();
        assert_eq!(Piece::read(cache, &key).unwrap(), [1, 2, 3]);
        let receipt = cache
            .get(&key.receipt(), MOST_RECEIPT_BYTES)
            .unwrap()
            .unwrap();
        assert!(Piece::of(&receipt, &key).is_some());
        for bit in 0..8 * receipt.len() {
            let mut other = receipt.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(Piece::of(&other, &key).is_none(), "bit {bit}");
        }
        for damaged in [vec![1, 2, 2], vec![1, 2], vec![]] {
            cache.put(&key, damaged).unwrap();
            let read = Piece::read(cache, &key);
            assert!(matches!(read, Err(Error::Damaged { .. })));
            // It is the driver that decides what becomes of it.
            assert!(Piece::find(cache, &key).unwrap().is_some());
        }
        cache.put(&key, vec![1, 2, 3]).unwrap();
        // Nor is one piece taken for another.
        cache.put(&other, vec![1, 2, 3]).unwrap();
        cache.put(&other.receipt(), receipt).unwrap();
        assert!(Piece::read(cache, &other).is_err());
        assert_eq!(Piece::read(cache, &key).unwrap(), [1, 2, 3]);
    }
}
