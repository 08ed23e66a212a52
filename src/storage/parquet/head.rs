//! The footer of a Parquet file and the heads of its pages: the fields that `report` writes, each by its number and kind, and no
//! other.
//!
//! # References
//! <https://github.com/apache/parquet-format>, `parquet.thrift`, whose field numbers these are.

use super::compact::Compact;
use super::compact::kind::{BINARY, FALSE, I8, I16, I32, I64, LIST, STRUCT, TRUE};

/// Bytes of a footer at most: the columns of the largest PCA take 5 MB.
const MOST_FOOTER_BYTES: usize = 16 << 20;
/// Columns at most, more than VGG16 has features, and parts of columns in all groups of rows: a group has 262,144 rows.
const MOST_COLUMNS: usize = 1 << 16;
const MOST_CHUNKS: usize = 1 << 17;
/// Texts beside the columns at most; `report` writes one or two.
const MOST_PAIRS: usize = 64;

const MAGIC: &[u8] = b"PAR1";
/// The magic number, and at the end the length of the footer before it.
const HEAD: usize = 4;
const TAIL: usize = 8;

/// Under this key a file says again, and in a language of its own, what kinds its columns are.
const ARROW_SCHEMA: &[u8] = b"ARROW:schema";

/// Kinds of values: bool, int32, int64, float, double, bytes; and what a value takes in memory. A text takes its bytes and
/// this.
pub(super) const WIDTHS: [(i32, u64); 6] = [(0, 1), (1, 4), (2, 8), (4, 4), (5, 8), (6, 16)];
/// `UTF8`, and `UINT_8` to `INT_64`.
const CONVERTED: [i32; 9] = [0, 11, 12, 13, 14, 15, 16, 17, 18];
/// Plain, by dictionary (the older name), run lengths, by dictionary.
const ENCODINGS: [i32; 4] = [0, 2, RUN_LENGTHS, 8];
const RUN_LENGTHS: i32 = 3;

/// What a column holds in a group of rows.
pub(super) struct Chunk {
    pub kind: i32,
    pub codec: i32,
    pub n_values: i64,
    pub size_bytes: i64,
    pub data_at: i64,
    pub dictionary_at: Option<i64>,
}

pub(super) struct Group {
    pub n_rows: i64,
    pub chunks: Vec<Chunk>,
}

pub(super) struct Footer {
    pub n_rows: i64,
    /// Of the values of each column.
    pub kinds: Vec<i32>,
    pub groups: Vec<Group>,
    /// Where the keys of Arrow schemas stand in the file.
    pub schemas: Vec<usize>,
}

pub(super) fn footer(bytes: &[u8]) -> Option<Footer> {
    let end = bytes.len().checked_sub(TAIL).filter(|end| *end >= HEAD)?;
    if !bytes.starts_with(MAGIC) || !bytes.ends_with(MAGIC) {
        return None;
    }
    let length = u32::from_le_bytes(bytes[end..end + 4].try_into().ok()?) as usize;
    let start = end.checked_sub(length).filter(|start| *start >= HEAD)?;
    (length <= MOST_FOOTER_BYTES).then_some(())?;
    let (mut n_rows, mut kinds, mut groups) = (None, Vec::new(), None);
    let mut schemas = Vec::new();
    let mut compact = Compact::new(&bytes[start..end]);
    compact.fields(&mut |c, id, kind| match (id, kind) {
        // The version.
        (1, I32) => c.i32().map(drop),
        (2, LIST) => {
            kinds = columns(c)?;
            Some(())
        }
        (3, I64) => {
            n_rows = Some(c.i64()?);
            Some(())
        }
        (4, LIST) => {
            groups = Some(read_groups(c, kinds.len())?);
            Some(())
        }
        (5, LIST) => {
            schemas = pairs(c)?;
            Some(())
        }
        // Who wrote it.
        (6, BINARY) => c.binary().map(drop),
        // How the columns are sorted.
        (7, LIST) => c.structs(&mut |c| one_of(c, &[1, 2], &mut |c, _| nothing(c))),
        _ => None,
    })?;
    // Columns come first, since numbers of fields rise; what follows the last field belongs to nothing.
    (compact.position() == length && !kinds.is_empty()).then_some(Footer {
        n_rows: n_rows?,
        kinds,
        groups: groups?,
        schemas: schemas.into_iter().map(|at| start + at).collect(),
    })
}

/// The kinds of the columns of a flat schema: a root, and what lies in it.
fn columns(c: &mut Compact) -> Option<Vec<i32>> {
    let n = c.list(STRUCT)?.checked_sub(1)?;
    (n <= MOST_COLUMNS).then_some(())?;
    let mut n_children = None;
    c.fields(&mut |c, id, kind| match (id, kind) {
        (4, BINARY) => c.binary().map(drop),
        (5, I32) => {
            n_children = Some(c.i32()?);
            Some(())
        }
        _ => None,
    })?;
    (usize::try_from(n_children?) == Ok(n)).then_some(())?;
    (0..n).map(|_| column(c)).collect()
}

fn column(c: &mut Compact) -> Option<i32> {
    let mut kind_of_values = None;
    c.fields(&mut |c, id, kind| match (id, kind) {
        (1, I32) => {
            let found = c.i32()?;
            kind_of_values = Some(found);
            WIDTHS.iter().any(|(of, _)| *of == found).then_some(())
        }
        // Required or optional.
        (3, I32) => (0..=1).contains(&c.i32()?).then_some(()),
        (4, BINARY) => c.binary().map(drop),
        (6, I32) => CONVERTED.contains(&c.i32()?).then_some(()),
        // Text, or a whole number with its width and whether it has a sign.
        (10, STRUCT) => one_of(c, &[1, 10], &mut |c, id| match id {
            1 => nothing(c),
            _ => c.fields(&mut |c, id, kind| match (id, kind) {
                (1, I8) => c.i8().map(drop),
                (2, TRUE | FALSE) => Some(()),
                _ => None,
            }),
        }),
        _ => None,
    })?;
    kind_of_values
}

/// A union: one struct, of one of these numbers.
fn one_of(
    c: &mut Compact,
    ids: &[u8],
    take: &mut dyn FnMut(&mut Compact, u8) -> Option<()>,
) -> Option<()> {
    let mut n = 0;
    c.fields(&mut |c, id, kind| {
        n += 1;
        (kind == STRUCT && ids.contains(&id)).then_some(())?;
        take(c, id)
    })?;
    (n == 1).then_some(())
}

/// A struct without fields.
fn nothing(c: &mut Compact) -> Option<()> {
    c.fields(&mut |_, _, _| None)
}

fn read_groups(c: &mut Compact, n_columns: usize) -> Option<Vec<Group>> {
    let n = c.list(STRUCT)?;
    (n.checked_mul(n_columns.max(1))? <= MOST_CHUNKS).then_some(())?;
    (0..n).map(|_| group(c, n_columns)).collect()
}

fn group(c: &mut Compact, n_columns: usize) -> Option<Group> {
    let (mut n_rows, mut chunks) = (None, Vec::new());
    c.fields(&mut |c, id, kind| match (id, kind) {
        (1, LIST) => {
            (c.list(STRUCT)? == n_columns).then_some(())?;
            chunks = (0..n_columns).map(|_| chunk(c)).collect::<Option<_>>()?;
            Some(())
        }
        (3, I64) => {
            n_rows = Some(c.i64()?);
            Some(())
        }
        // Sizes, and where it begins.
        (2 | 5 | 6, I64) => c.i64().map(drop),
        // Which one it is.
        (7, I16) => c.i16().map(drop),
        _ => None,
    })?;
    (chunks.len() == n_columns).then_some(Group {
        n_rows: n_rows?,
        chunks,
    })
}

fn chunk(c: &mut Compact) -> Option<Chunk> {
    let mut found = None;
    c.fields(&mut |c, id, kind| match (id, kind) {
        (3, STRUCT) => {
            found = Some(metadata(c)?);
            Some(())
        }
        // Where its indices lie, which nobody reads.
        (2 | 4 | 6, I64) => c.i64().map(drop),
        (5 | 7, I32) => c.i32().map(drop),
        _ => None,
    })?;
    found
}

fn metadata(c: &mut Compact) -> Option<Chunk> {
    let (mut kind_of_values, mut codec) = (None, None);
    let (mut n_values, mut size_bytes) = (None, None);
    let (mut data_at, mut dictionary_at) = (None, None);
    c.fields(&mut |c, id, kind| {
        match (id, kind) {
            (1, I32) => kind_of_values = Some(c.i32()?),
            (2, LIST) => {
                let n = c.list(I32)?;
                (0..n).try_for_each(|_| c.i32().map(drop))?;
            }
            // The way to it, which is its name.
            (3, LIST) => {
                (c.list(BINARY)? == 1).then_some(())?;
                c.binary()?;
            }
            (4, I32) => codec = Some(c.i32()?),
            (5, I64) => n_values = Some(c.i64()?),
            // Its size when decompressed; the pages say theirs.
            (6, I64) => drop(c.i64()?),
            (7, I64) => size_bytes = Some(c.i64()?),
            (9, I64) => data_at = Some(c.i64()?),
            (11, I64) => dictionary_at = Some(c.i64()?),
            (12, STRUCT) => statistics(c)?,
            _ => return None,
        }
        Some(())
    })?;
    Some(Chunk {
        kind: kind_of_values?,
        codec: codec?,
        n_values: n_values?,
        size_bytes: size_bytes?,
        data_at: data_at?,
        dictionary_at,
    })
}

fn statistics(c: &mut Compact) -> Option<()> {
    c.fields(&mut |c, id, kind| match (id, kind) {
        (1 | 2 | 5 | 6, BINARY) => c.binary().map(drop),
        (3 | 4, I64) => c.i64().map(drop),
        (7 | 8, TRUE | FALSE) => Some(()),
        _ => None,
    })
}

/// Texts beside the columns; where the keys of Arrow schemas stand among them.
fn pairs(c: &mut Compact) -> Option<Vec<usize>> {
    let n = c.list(STRUCT)?;
    (n <= MOST_PAIRS).then_some(())?;
    let mut schemas = Vec::new();
    for _ in 0..n {
        c.fields(&mut |c, id, kind| match (id, kind) {
            (1, BINARY) => {
                if c.binary()? == ARROW_SCHEMA {
                    schemas.push(c.position() - ARROW_SCHEMA.len());
                }
                Some(())
            }
            (2, BINARY) => c.binary().map(drop),
            _ => None,
        })?;
    }
    Some(schemas)
}

/// The head of a page.
pub(super) struct Page {
    pub head_bytes: u64,
    pub is_dictionary: bool,
    /// Compressed.
    pub size_bytes: u64,
    /// Decompressed.
    pub full_bytes: u64,
    pub n_values: u64,
}

impl Page {
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (mut kind_of_page, mut full, mut size) = (None, None, None);
        let (mut of_values, mut of_dictionary) = (None, None);
        let mut compact = Compact::new(bytes);
        compact.fields(&mut |c, id, kind| {
            match (id, kind) {
                (1, I32) => kind_of_page = Some(c.i32()?),
                (2, I32) => full = Some(c.i32()?),
                (3, I32) => size = Some(c.i32()?),
                (5, STRUCT) => of_values = Some(values(c)?),
                (7, STRUCT) => of_dictionary = Some(dictionary(c)?),
                _ => return None,
            }
            Some(())
        })?;
        let (is_dictionary, n_values) = match (kind_of_page?, of_values, of_dictionary) {
            (0, Some(n), None) => (false, n),
            (2, None, Some(n)) => (true, n),
            _ => return None,
        };
        Some(Self {
            head_bytes: compact.position() as u64,
            is_dictionary,
            size_bytes: u64::try_from(size?).ok()?,
            full_bytes: u64::try_from(full?).ok()?,
            n_values: u64::try_from(n_values).ok()?,
        })
    }
}

/// The number of values of a page; none if they are not in an encoding that `report` writes.
fn values(c: &mut Compact) -> Option<i32> {
    let mut n_values = None;
    c.fields(&mut |c, id, kind| match (id, kind) {
        (1, I32) => {
            n_values = Some(c.i32()?);
            Some(())
        }
        (2, I32) => ENCODINGS.contains(&c.i32()?).then_some(()),
        // Which values there are.
        (3 | 4, I32) => (c.i32()? == RUN_LENGTHS).then_some(()),
        (5, STRUCT) => statistics(c),
        _ => None,
    })?;
    n_values
}

fn dictionary(c: &mut Compact) -> Option<i32> {
    let mut n_values = None;
    c.fields(&mut |c, id, kind| match (id, kind) {
        (1, I32) => {
            n_values = Some(c.i32()?);
            Some(())
        }
        (2, I32) => matches!(c.i32()?, 0 | 2).then_some(()),
        (3, TRUE | FALSE) => Some(()),
        _ => None,
    })?;
    n_values
}
