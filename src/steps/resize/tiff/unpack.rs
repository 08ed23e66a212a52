//! What unpacks a strip or tile to a number of bytes that is known.

use std::io::Read;

use flate2::read::ZlibDecoder;
use weezl::{BitOrder, LzwStatus};

use crate::steps::resize::fault::{self, Fault};

pub(super) fn deflate(packed: &[u8], n_bytes: usize) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(n_bytes);
    match ZlibDecoder::new(packed)
        .take(n_bytes as u64)
        .read_to_end(&mut out)
    {
        Ok(n) if n == n_bytes => Ok(out),
        Ok(_) => Err(Fault::truncated("TIFF")),
        Err(e) if fault::ends_early(&e) => Err(Fault::truncated("TIFF")),
        Err(e) => Err(Fault::damaged("TIFF", e)),
    }
}

pub(super) fn lzw(packed: &[u8], n_bytes: usize) -> Result<Vec<u8>, Fault> {
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8);
    let mut out = vec![0; n_bytes];
    let (mut read, mut written) = (0, 0);
    while written < n_bytes {
        let result = decoder.decode_bytes(&packed[read..], &mut out[written..]);
        read += result.consumed_in;
        written += result.consumed_out;
        match result.status {
            Ok(LzwStatus::Ok) if result.consumed_in + result.consumed_out > 0 => {}
            Ok(_) if written < n_bytes => return Err(Fault::truncated("TIFF")),
            Ok(_) => {}
            Err(e) => return Err(Fault::damaged("TIFF", e)),
        }
    }
    Ok(out)
}

pub(super) fn pack_bits(packed: &[u8], n_bytes: usize) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(n_bytes);
    let mut rest = packed;
    while out.len() < n_bytes {
        let (&head, after) = rest.split_first().ok_or_else(|| Fault::truncated("TIFF"))?;
        let n = usize::from(head);
        rest = match head {
            0..128 => {
                let run = after.get(..=n).ok_or_else(|| Fault::truncated("TIFF"))?;
                out.extend_from_slice(run);
                &after[n + 1..]
            }
            128 => after,
            _ => {
                let (&value, after) = after
                    .split_first()
                    .ok_or_else(|| Fault::truncated("TIFF"))?;
                out.resize(out.len() + 257 - n, value);
                after
            }
        };
    }
    out.truncate(n_bytes);
    Ok(out)
}
