//! The tags of a directory of TIFF (revision 6.0, and BigTIFF), which an EXIF block is, too.

/// Tags of one directory; their values stay in the file.
pub(super) struct Directory<'a> {
    file: File<'a>,
    entries: Vec<Entry<'a>>,
}

#[derive(Clone, Copy)]
struct File<'a> {
    bytes: &'a [u8],
    is_big_endian: bool,
    is_big: bool,
}

struct Entry<'a> {
    tag: u16,
    kind: u16,
    values: &'a [u8],
}

/// Entries that are looked at: what the number of a directory that is not BigTIFF's can say.
const MAX_ENTRIES: usize = 65_535;

/// Bytes a value takes, of the types that hold whole numbers.
fn width(kind: u16) -> Option<usize> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 13 => Some(4),
        5 | 10 | 12 => Some(8),
        11 => Some(4),
        16..=18 => Some(8),
        _ => None,
    }
}

impl<'a> Directory<'a> {
    /// The first directory of a file; `None` if there is none.
    pub fn first(bytes: &'a [u8]) -> Option<Self> {
        let (is_big_endian, is_big) = match bytes.first_chunk()? {
            b"II*\0" => (false, false),
            b"MM\0*" => (true, false),
            b"II+\0" => (false, true),
            b"MM\0+" => (true, true),
            _ => return None,
        };
        let file = File {
            bytes,
            is_big_endian,
            is_big,
        };
        let at = match is_big {
            false => file.number(4, 4)?,
            true => file.number(8, 8)?,
        };
        Self::at(file, at)
    }

    fn at(file: File<'a>, at: u64) -> Option<Self> {
        let at = usize::try_from(at).ok()?;
        let (count, entry, inline) = if file.is_big { (8, 20, 8) } else { (2, 12, 4) };
        let n = usize::try_from(file.number(at, count)?).ok()?;
        let start = at.checked_add(count)?;
        let block = file.bytes.get(start..)?;
        let entries = block
            .chunks_exact(entry)
            .take(n.min(MAX_ENTRIES))
            .enumerate()
            .filter_map(|(i, _)| {
                let at = start + i * entry;
                let kind = file.number(at + 2, 2)? as u16;
                let n_values = usize::try_from(file.number(at + 4, inline)?).ok()?;
                let n_bytes = n_values.checked_mul(width(kind)?)?;
                let field = at + 4 + inline;
                let place = match n_bytes <= inline {
                    true => field,
                    false => usize::try_from(file.number(field, inline)?).ok()?,
                };
                Some(Entry {
                    tag: file.number(at, 2)? as u16,
                    kind,
                    values: file.bytes.get(place..place.checked_add(n_bytes)?)?,
                })
            });
        Some(Self {
            file,
            entries: entries.collect(),
        })
    }

    pub fn is_big_endian(&self) -> bool {
        self.file.is_big_endian
    }

    /// The bytes of a tag as they stand.
    pub fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        self.entry(tag).map(|entry| entry.values)
    }

    /// The whole numbers of a tag; other types count as absent.
    pub fn values(&self, tag: u16) -> Option<impl ExactSizeIterator<Item = u64> + 'a> {
        let entry = self.entry(tag)?;
        if !matches!(entry.kind, 1 | 3 | 4 | 7 | 13 | 16 | 18) {
            return None;
        }
        let is_big_endian = self.file.is_big_endian;
        let values = entry.values.chunks_exact(width(entry.kind)?);
        Some(values.map(move |value| number(value, is_big_endian)))
    }

    /// The first number of a tag.
    pub fn value(&self, tag: u16) -> Option<u64> {
        self.values(tag)?.next()
    }

    /// The directories that a tag points to; at most `most`.
    pub fn directories(&self, tag: u16, most: usize) -> Vec<Self> {
        let offsets = self.values(tag).into_iter().flatten().take(most);
        offsets.filter_map(|at| Self::at(self.file, at)).collect()
    }

    fn entry(&self, tag: u16) -> Option<&Entry<'a>> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }
}

impl File<'_> {
    fn number(&self, at: usize, n_bytes: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(n_bytes)?)?;
        Some(number(bytes, self.is_big_endian))
    }
}

fn number(bytes: &[u8], is_big_endian: bool) -> u64 {
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    match is_big_endian {
        true => bytes.iter().fold(0, add),
        false => bytes.iter().rev().fold(0, add),
    }
}
