//! What a Parquet file will take in memory, found before anything of it is decoded. A reader of Parquet believes the numbers
//! in a file: a footer of a few bytes can make it allocate any amount, and end the process where that fails.
//!
//! Only what `report` writes passes: flat columns of numbers or texts, in Zstandard or uncompressed, plain or by a
//! dictionary.
//!
//! # References
//! <https://github.com/apache/parquet-format>, `parquet.thrift`, whose field numbers these are.

use super::compact::{Compact, kind};

/// Bytes that a file of any size may take in memory.
const LEAST_BYTES: u64 = 64 << 20;
/// And beside them for each byte of the file: scores take 1.1 for a byte, lists of images 3 to 5.
const FOLD: u64 = 16;
/// No file may take more than this.
const MOST_BYTES: u64 = 4 << 30;
/// Rows that a file of any size may have, and beside them one for each of its bytes: what is computed of rows takes memory,
/// too, and a row of a run has a digest or scores, which no compression makes small.
const LEAST_ROWS: u64 = 100_000;

const MAGIC: &[u8] = b"PAR1";
/// The magic number, and at the end the length of the footer before it.
const HEAD: usize = 4;
const TAIL: usize = 8;

/// Kinds of values: bool, int32, int64, float, double, bytes; and what a value takes in memory. A text takes its bytes and
/// this.
const WIDTHS: [(i64, u64); 6] = [(0, 1), (1, 4), (2, 8), (4, 4), (5, 8), (6, 16)];
const CODECS: [i64; 2] = [0, 6];
/// Plain, by dictionary (the older name), run lengths, by dictionary.
const ENCODINGS: [i64; 4] = [0, 2, 3, 8];

/// What a column holds in a group of rows.
#[derive(Default)]
struct Chunk {
    kind: Option<i64>,
    codec: Option<i64>,
    n_values: Option<i64>,
    size_bytes: Option<i64>,
    data_at: Option<i64>,
    dictionary_at: Option<i64>,
}

#[derive(Default)]
struct Footer {
    n_columns: Option<usize>,
    n_rows: Option<i64>,
    /// Rows and columns of each group.
    groups: Vec<(i64, Vec<Chunk>)>,
}

/// The most that a file of that size may take in memory, in bytes.
pub(super) fn most_bytes(file_bytes: usize) -> u64 {
    (LEAST_BYTES + FOLD * file_bytes as u64).min(MOST_BYTES)
}

/// Whether `bytes` can be decoded within [`most_bytes`]; or why not.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let damaged = "its footer is damaged, or not as `report` writes it";
    let footer = footer(bytes).ok_or(damaged)?;
    let n_rows = footer.n_rows.ok_or(damaged)?;
    let most_rows = LEAST_ROWS + bytes.len() as u64;
    let sum: i64 = footer.groups.iter().fold(0, |n, g| n.saturating_add(g.0));
    if sum != n_rows || footer.groups.iter().any(|g| g.0 < 0) {
        return Err("the rows of its parts are not those of the whole".to_owned());
    }
    if n_rows as u64 > most_rows {
        return Err(format!(
            "it says that it holds {n_rows} rows, more than fit into {} bytes",
            bytes.len()
        ));
    }
    let most = most_bytes(bytes.len());
    let mut total = 0_u64;
    for (n_rows, chunks) in &footer.groups {
        for chunk in chunks {
            let taken = size(bytes, chunk, *n_rows)
                .ok_or("a part of a column is damaged, or not as `report` writes it")?;
            total = total.saturating_add(taken);
        }
    }
    match total > most {
        true => Err(format!(
            "it would take {total} bytes of memory, and at most {most} are given to a file of {} bytes",
            bytes.len()
        )),
        false => Ok(()),
    }
}

fn footer(bytes: &[u8]) -> Option<Footer> {
    let end = bytes.len().checked_sub(TAIL).filter(|end| *end >= HEAD)?;
    if !bytes.starts_with(MAGIC) || !bytes.ends_with(MAGIC) {
        return None;
    }
    let length = u32::from_le_bytes(bytes[end..end + 4].try_into().ok()?) as usize;
    let start = end.checked_sub(length).filter(|start| *start >= HEAD)?;
    let mut footer = Footer::default();
    Compact::new(&bytes[start..end]).fields(&mut |c, id, kind| {
        match (id, kind) {
            (2, kind::LIST) => footer.n_columns = Some(columns(c)?),
            (3, kind::I64) => footer.n_rows = Some(c.whole()?),
            (4, kind::LIST) => c.structs(&mut |c| {
                footer.groups.push(group(c)?);
                Some(())
            })?,
            // An older reader might look for these elsewhere.
            (2..=4, _) => return None,
            _ => return Some(false),
        }
        Some(true)
    })?;
    let n_columns = footer.n_columns?;
    let is_whole = |group: &(i64, Vec<Chunk>)| group.1.len() == n_columns;
    footer.groups.iter().all(is_whole).then_some(footer)
}

/// The columns of a flat schema: a root, and what lies in it.
fn columns(c: &mut Compact) -> Option<usize> {
    let (mut n, mut n_children) = (0_usize, 0);
    c.structs(&mut |c| {
        let (mut children, mut is_repeated) = (None, false);
        c.fields(&mut |c, id, kind| match (id, kind) {
            (3, kind::I32) => {
                // Required, optional, repeated.
                is_repeated = c.whole()? > 1;
                Some(true)
            }
            (5, kind::I32) => {
                children = Some(c.whole()?);
                Some(true)
            }
            (3 | 5, _) => None,
            _ => Some(false),
        })?;
        let is_flat = match n {
            0 => children.is_some(),
            _ => children.is_none_or(|n| n == 0) && !is_repeated,
        };
        if n == 0 {
            n_children = children.unwrap_or_default();
        }
        n += 1;
        is_flat.then_some(())
    })?;
    let n = n.checked_sub(1)?;
    (i64::try_from(n) == Ok(n_children)).then_some(n)
}

fn group(c: &mut Compact) -> Option<(i64, Vec<Chunk>)> {
    let (mut n_rows, mut chunks) = (None, Vec::new());
    c.fields(&mut |c, id, kind| match (id, kind) {
        (1, kind::LIST) => {
            c.structs(&mut |c| {
                let mut found = None;
                c.fields(&mut |c, id, kind| match (id, kind) {
                    (3, kind::STRUCT) => {
                        found = Some(chunk(c)?);
                        Some(true)
                    }
                    // A column in another file.
                    (1 | 3, _) => None,
                    _ => Some(false),
                })?;
                chunks.push(found?);
                Some(())
            })?;
            Some(true)
        }
        (3, kind::I64) => {
            n_rows = Some(c.whole()?);
            Some(true)
        }
        (1 | 3, _) => None,
        _ => Some(false),
    })?;
    Some((n_rows?, chunks))
}

fn chunk(c: &mut Compact) -> Option<Chunk> {
    let mut chunk = Chunk::default();
    c.fields(&mut |c, id, kind| {
        let field = match (id, kind) {
            (1, kind::I32) => &mut chunk.kind,
            (4, kind::I32) => &mut chunk.codec,
            (5, kind::I64) => &mut chunk.n_values,
            (7, kind::I64) => &mut chunk.size_bytes,
            (9, kind::I64) => &mut chunk.data_at,
            (11, kind::I64) => &mut chunk.dictionary_at,
            (1 | 4 | 5 | 7 | 9..=11, _) => return None,
            _ => return Some(false),
        };
        *field = Some(c.whole()?);
        Some(true)
    })?;
    Some(chunk)
}

/// What a column takes in memory, by the heads of its pages; none if it is damaged.
fn size(bytes: &[u8], chunk: &Chunk, n_rows: i64) -> Option<u64> {
    let n_values = chunk.n_values.filter(|n| *n == n_rows)?;
    let (_, width) = WIDTHS.iter().find(|(kind, _)| Some(*kind) == chunk.kind)?;
    CODECS.contains(&chunk.codec?).then_some(())?;
    let start = usize::try_from(chunk.dictionary_at.or(chunk.data_at)?).ok()?;
    let length = usize::try_from(chunk.size_bytes?).ok()?;
    let mut rest = bytes.get(start..start.checked_add(length)?)?;
    let mut taken = (n_values as u64).checked_mul(*width)?;
    let (mut n_seen, mut is_first) = (0, true);
    while n_seen < n_values {
        let page = Page::read(rest)?;
        if page.is_dictionary && !is_first {
            return None;
        }
        is_first = false;
        // A value of a dictionary takes four bytes, of a bool none of these files has one.
        let is_sound = page.n_values >= 0
            && (page.is_dictionary || page.n_values <= n_values - n_seen)
            && (!page.is_dictionary || page.n_values <= page.full_bytes / 4)
            && (chunk.codec == Some(6) || page.full_bytes == page.size_bytes);
        is_sound.then_some(())?;
        if !page.is_dictionary {
            n_seen += page.n_values;
        }
        taken = taken.checked_add(u64::try_from(page.full_bytes).ok()?)?;
        let end = page
            .head_bytes
            .checked_add(usize::try_from(page.size_bytes).ok()?)?;
        rest = rest.get(end..)?;
    }
    Some(taken)
}

/// The head of a page.
struct Page {
    head_bytes: usize,
    is_dictionary: bool,
    /// Compressed.
    size_bytes: i64,
    /// Decompressed.
    full_bytes: i64,
    n_values: i64,
}

impl Page {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (mut kind_of_page, mut full, mut size) = (None, None, None);
        // Of a page of values, a dictionary, and a page of values in the second layout.
        let mut heads = [None; 3];
        let mut compact = Compact::new(bytes);
        compact.fields(&mut |c, id, kind| {
            match (id, kind) {
                (1, kind::I32) => kind_of_page = Some(c.whole()?),
                (2, kind::I32) => full = Some(c.whole()?),
                (3, kind::I32) => size = Some(c.whole()?),
                (5, kind::STRUCT) => heads[0] = Some(values(c, 2)?),
                (7, kind::STRUCT) => heads[1] = Some(values(c, 2)?),
                (8, kind::STRUCT) => heads[2] = Some(values(c, 4)?),
                (1..=3 | 5 | 7 | 8, _) => return None,
                _ => return Some(false),
            }
            Some(true)
        })?;
        let (is_dictionary, n_values) = match kind_of_page? {
            0 => (false, heads[0]?),
            2 => (true, heads[1]?),
            3 => (false, heads[2]?),
            _ => return None,
        };
        Some(Self {
            head_bytes: compact.position(),
            is_dictionary,
            size_bytes: size.filter(|n| *n >= 0)?,
            full_bytes: full.filter(|n| *n >= 0)?,
            n_values,
        })
    }
}

/// The number of values of a page; none if their encoding, in the field of that number, is not one that `report` writes.
fn values(c: &mut Compact, encoding_in: i64) -> Option<i64> {
    let (mut n_values, mut encoding) = (None, None);
    c.fields(&mut |c, id, kind| {
        let field = match (id, kind) {
            (1, kind::I32) => &mut n_values,
            (id, kind::I32) if id == encoding_in => &mut encoding,
            (1, _) => return None,
            (id, _) if id == encoding_in => return None,
            _ => return Some(false),
        };
        *field = Some(c.whole()?);
        Some(true)
    })?;
    ENCODINGS.contains(&encoding?).then_some(())?;
    n_values
}
