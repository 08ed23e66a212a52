//! Thrift's compact protocol, in which Parquet writes its footer and the heads of its pages: as much as bounds need.
//! Nothing is allocated, and no length is believed that goes beyond the bytes that are there.
//!
//! `None` is damage.

/// Structs and lists inside each other at most; a footer has five.
const MAX_DEPTH: u8 = 16;

/// Kinds of values, as they are written.
pub(super) mod kind {
    pub const TRUE: u8 = 1;
    pub const FALSE: u8 = 2;
    pub const I8: u8 = 3;
    pub const I16: u8 = 4;
    pub const I32: u8 = 5;
    pub const I64: u8 = 6;
    pub const DOUBLE: u8 = 7;
    pub const BINARY: u8 = 8;
    pub const LIST: u8 = 9;
    pub const SET: u8 = 10;
    pub const MAP: u8 = 11;
    pub const STRUCT: u8 = 12;
}

/// A place in bytes, from which values are read.
pub(super) struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u8,
}

impl<'a> Compact<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            depth: 0,
        }
    }

    /// Bytes that were read until now.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Reads a struct. `take` is told of each field, its number and kind, and says whether it has read the value; else that is
    /// passed over. A number that comes twice is damage: two readers might take another one each.
    pub fn fields(
        &mut self,
        take: &mut dyn FnMut(&mut Self, i64, u8) -> Option<bool>,
    ) -> Option<()> {
        self.enter()?;
        let (mut id, mut seen) = (0_i64, 0_u64);
        loop {
            let head = self.byte()?;
            let kind = head & 15;
            if kind == 0 {
                self.depth -= 1;
                return Some(());
            }
            id = match head >> 4 {
                0 => self.whole()?,
                step => id + i64::from(step),
            };
            let mark = 1_u64.checked_shl(u32::try_from(id).ok()?)?;
            if seen & mark != 0 {
                return None;
            }
            seen |= mark;
            if !take(self, id, kind)? {
                self.pass(kind, false)?;
            }
        }
    }

    /// Reads a list of structs; `take` reads one each time.
    pub fn structs(&mut self, take: &mut dyn FnMut(&mut Self) -> Option<()>) -> Option<()> {
        let (n, kind) = self.list()?;
        if kind != kind::STRUCT && n > 0 {
            return None;
        }
        (0..n).try_for_each(|_| take(self))
    }

    /// A whole number of any width.
    pub fn whole(&mut self) -> Option<i64> {
        let value = self.varint()?;
        // Zigzag: 0, -1, 1, -2 ...
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Elements and their kind.
    fn list(&mut self) -> Option<(usize, u8)> {
        let head = self.byte()?;
        let n = match head >> 4 {
            15 => self.varint()?,
            n => u64::from(n),
        };
        // Each takes a byte at least.
        let n = usize::try_from(n).ok().filter(|n| *n <= self.left())?;
        Some((n, head & 15))
    }

    fn pass(&mut self, kind: u8, in_list: bool) -> Option<()> {
        match kind {
            kind::TRUE | kind::FALSE if in_list => self.skip(1),
            kind::TRUE | kind::FALSE => Some(()),
            kind::I8 => self.skip(1),
            kind::I16 | kind::I32 | kind::I64 => self.varint().map(drop),
            kind::DOUBLE => self.skip(8),
            kind::BINARY => {
                let n = self.varint()?;
                self.skip(usize::try_from(n).ok()?)
            }
            kind::LIST | kind::SET => {
                self.enter()?;
                let (n, kind) = self.list()?;
                (0..n).try_for_each(|_| self.pass(kind, true))?;
                self.depth -= 1;
                Some(())
            }
            kind::MAP => {
                self.enter()?;
                let n = usize::try_from(self.varint()?).ok()?;
                let kinds = match n {
                    0 => 0,
                    _ => self.byte()?,
                };
                for _ in 0..n {
                    self.pass(kinds >> 4, true)?;
                    self.pass(kinds & 15, true)?;
                }
                self.depth -= 1;
                Some(())
            }
            kind::STRUCT => self.fields(&mut |_, _, _| Some(false)),
            _ => None,
        }
    }

    fn enter(&mut self) -> Option<()> {
        self.depth += 1;
        (self.depth <= MAX_DEPTH).then_some(())
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn skip(&mut self, n: usize) -> Option<()> {
        (n <= self.left()).then(|| self.at += n)
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_length_goes_beyond_the_bytes() {
        // A list of 2^28 - 1 structs, a text of as many bytes, a map, structs without end.
        for bytes in [
            &b"\x19\xfc\xff\xff\xff\x7f\x00"[..],
            b"\x18\xff\xff\xff\x7f\x00",
            b"\x1b\xff\xff\xff\x7f\x55\x00",
            &[0x1c; 64],
            b"",
        ] {
            let read = Compact::new(bytes).fields(&mut |_, _, _| Some(false));
            assert_eq!(read, None, "{bytes:?}");
        }
    }

    #[test]
    fn fields_are_read_and_passed_over() {
        // 1: i32 -2; 2: true; 4: "ab"; 6: a list of an empty struct; and 1 a second time.
        let once = b"\x15\x03\x11\x28\x02ab\x29\x1c\x00\x00";
        let mut found = Vec::new();
        let mut compact = Compact::new(once);
        let read = compact.fields(&mut |c, id, kind| {
            if kind == kind::I32 {
                found.push((id, c.whole()?));
                return Some(true);
            }
            found.push((id, i64::from(kind)));
            Some(false)
        });
        assert_eq!(read, Some(()));
        assert_eq!(found, [(1, -2), (2, 1), (4, 8), (6, 9)]);
        assert_eq!(compact.position(), once.len());
        let twice = b"\x15\x03\x05\x02\x03\x00";
        assert_eq!(Compact::new(twice).fields(&mut |_, _, _| Some(false)), None);
    }
}
