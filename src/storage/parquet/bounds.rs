//! What a Parquet file will take in memory, found before anything of it is decoded. A reader of Parquet believes the numbers
//! in a file: a footer of a few bytes can make it allocate any amount, and end the process where that fails.
//!
//! Only what `report` writes passes: flat columns of numbers or texts, in Zstandard or uncompressed, plain or by a
//! dictionary.

use super::head::{Chunk, Footer, Page, WIDTHS, footer};

/// Bytes that a file of any size may take in memory.
const LEAST_BYTES: u64 = 64 << 20;
/// And beside them for each byte of its pages: scores take 1.1 for a byte, lists of images 3 to 5.
const FOLD: u64 = 16;
/// No file may take more than this.
const MOST_BYTES: u64 = 4 << 30;
/// Rows that a file of any size may have, and how many bytes of pages it takes for each further one: what is computed of rows
/// takes memory, too. A million images take about 20 bytes each with two components and t-SNE, and 64 for their digests.
const LEAST_ROWS: u64 = 100_000;
const BYTES_PER_ROW: u64 = 12;
/// What the decoder keeps of a column, of its part in a group of rows, and of a page, beside values: structs of 100 to 400
/// bytes, some of them twice.
const COLUMN_BYTES: u64 = 1 << 10;
const PAGE_BYTES: u64 = 1 << 8;

/// Uncompressed, or in Zstandard.
const CODECS: [i32; 2] = [0, ZSTD];
const ZSTD: i32 = 6;

/// What is known of a file that can be decoded.
pub(super) struct Bounds {
    /// The most that it may take in memory, in bytes.
    pub most_bytes: u64,
    /// Where the keys of its Arrow schemas stand.
    pub schemas: Vec<usize>,
}

/// Whether `bytes` can be decoded within the bounds of its size; or why not.
pub(super) fn check(bytes: &[u8]) -> Result<Bounds, String> {
    let footer = footer(bytes).ok_or("its footer is damaged, or not as `report` writes it")?;
    let n_rows = u64::try_from(footer.n_rows).ok();
    let sum = footer.groups.iter().try_fold(0, |n, group| {
        u64::try_from(group.n_rows).ok()?.checked_add(n)
    });
    let n_rows = n_rows
        .filter(|n| Some(*n) == sum)
        .ok_or("the rows of its parts are not those of the whole")?;
    rows_fit(n_rows, bytes.len() as u64)?;
    let found = pages(bytes, &footer)
        .ok_or("a part of a column is damaged, or not as `report` writes it")?;
    let most_bytes = most_bytes(found.held);
    if found.taken > most_bytes {
        return Err(format!(
            "it would take {} bytes of memory or more, and at most {most_bytes} are given to a file of {} bytes",
            found.taken,
            bytes.len()
        ));
    }
    // What lies between pages counts for nothing.
    rows_fit(n_rows, found.held)?;
    Ok(Bounds {
        most_bytes,
        schemas: footer.schemas,
    })
}

/// The most that so many bytes of pages may take in memory, in bytes.
fn most_bytes(held: u64) -> u64 {
    LEAST_BYTES
        .saturating_add(FOLD.saturating_mul(held))
        .min(MOST_BYTES)
}

fn rows_fit(n_rows: u64, bytes: u64) -> Result<(), String> {
    match n_rows > LEAST_ROWS + bytes / BYTES_PER_ROW {
        true => Err(format!(
            "it says that it holds {n_rows} rows, more than fit into {bytes} bytes"
        )),
        false => Ok(()),
    }
}

/// What the pages of a file come to, in bytes.
#[derive(Default)]
struct Found {
    /// In memory.
    taken: u64,
    /// In the file.
    held: u64,
}

/// Adds up the pages of all columns, until they take too much; none if a part is damaged, or bytes belong to two of them.
fn pages(bytes: &[u8], footer: &Footer) -> Option<Found> {
    let file_bytes = bytes.len() as u64;
    let most = most_bytes(file_bytes);
    let mut found = Found {
        taken: COLUMN_BYTES * footer.kinds.len() as u64,
        held: 0,
    };
    for group in &footer.groups {
        for (chunk, kind) in group.chunks.iter().zip(&footer.kinds) {
            found.taken += COLUMN_BYTES;
            found.add(bytes, chunk, *kind, group.n_rows, most)?;
            if found.held > file_bytes {
                return None;
            }
            if found.taken > most {
                return Some(found);
            }
        }
    }
    Some(found)
}

impl Found {
    /// Adds a column in a group of rows, by the heads of its pages.
    fn add(
        &mut self,
        bytes: &[u8],
        chunk: &Chunk,
        kind: i32,
        n_rows: i64,
        most: u64,
    ) -> Option<()> {
        let (_, width) = WIDTHS.iter().find(|(of, _)| *of == kind)?;
        let is_sound = chunk.kind == kind
            && chunk.n_values == n_rows
            && CODECS.contains(&chunk.codec)
            && chunk.data_at >= 0;
        is_sound.then_some(())?;
        let start = usize::try_from(chunk.dictionary_at.unwrap_or(chunk.data_at)).ok()?;
        let length = usize::try_from(chunk.size_bytes).ok()?;
        let mut rest = bytes.get(start..start.checked_add(length)?)?;
        let n_values = u64::try_from(n_rows).ok()?;
        self.take(n_values.checked_mul(*width)?)?;
        let (mut n_seen, mut is_first) = (0_u64, true);
        // The decoder looks at a page wherever there are bytes, so there is nothing else.
        while !rest.is_empty() && self.taken <= most {
            let page = Page::read(rest)?;
            let is_sound = match page.is_dictionary {
                // A value of a dictionary takes four bytes; of a bool none of these files has one.
                true => is_first && page.n_values <= page.full_bytes / 4,
                false => page.n_values <= n_values - n_seen,
            };
            (is_sound && (chunk.codec == ZSTD || page.full_bytes == page.size_bytes))
                .then_some(())?;
            is_first = false;
            match page.is_dictionary {
                true => self.take(page.n_values.checked_mul(*width)?)?,
                false => n_seen += page.n_values,
            }
            self.take(page.full_bytes.checked_add(PAGE_BYTES)?)?;
            let end = page.head_bytes.checked_add(page.size_bytes)?;
            self.held += end;
            rest = rest.get(usize::try_from(end).ok()?..)?;
        }
        (n_seen == n_values || self.taken > most).then_some(())
    }

    fn take(&mut self, bytes: u64) -> Option<()> {
        self.taken = self.taken.checked_add(bytes)?;
        Some(())
    }
}
