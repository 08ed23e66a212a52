//! Thrift's compact protocol, in which Parquet writes its footer and the heads of its pages, as strictly as `report` writes it.
//!
//! What is found here is believed of what the decoder will find, and that goes by the number of a field whatever its kind is,
//! lets a later field of a number win, and has two readers that cut numbers off at other places. So nothing is passed over
//! here: each field is known by its number and its kind, or it is damage; numbers of fields rise; and no number is longer than
//! its kind.
//!
//! Nothing is allocated, and no length is believed that goes beyond the bytes that are there. `None` is damage.

/// Kinds of values, as they are written.
pub(super) mod kind {
    pub const TRUE: u8 = 1;
    pub const FALSE: u8 = 2;
    pub const I8: u8 = 3;
    pub const I16: u8 = 4;
    pub const I32: u8 = 5;
    pub const I64: u8 = 6;
    pub const BINARY: u8 = 8;
    pub const LIST: u8 = 9;
    pub const STRUCT: u8 = 12;
}

/// A place in bytes, from which values are read.
pub(super) struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Compact<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes that were read until now.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Reads a struct. `take` is told of each field, its number and kind, and reads the value.
    pub fn fields(&mut self, take: &mut dyn FnMut(&mut Self, u8, u8) -> Option<()>) -> Option<()> {
        let mut id = 0_u8;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            // A step of nothing would write the number out; below 16 nobody does.
            let step = Some(head >> 4).filter(|step| *step > 0)?;
            id = id.checked_add(step)?;
            take(self, id, head & 15)?;
        }
    }

    /// Reads a list of structs; `take` reads one each time.
    pub fn structs(&mut self, take: &mut dyn FnMut(&mut Self) -> Option<()>) -> Option<()> {
        let n = self.list(kind::STRUCT)?;
        (0..n).try_for_each(|_| take(self))
    }

    /// Elements of a list of values of that kind, which follow.
    pub fn list(&mut self, kind: u8) -> Option<usize> {
        let head = self.byte()?;
        let n = match head >> 4 {
            15 => self.length()?,
            n => usize::from(n),
        };
        // Each takes a byte at least.
        (head & 15 == kind && n <= self.left()).then_some(n)
    }

    pub fn i8(&mut self) -> Option<u8> {
        self.byte()
    }

    pub fn i16(&mut self) -> Option<i16> {
        i16::try_from(self.signed(3)?).ok()
    }

    pub fn i32(&mut self) -> Option<i32> {
        i32::try_from(self.signed(5)?).ok()
    }

    pub fn i64(&mut self) -> Option<i64> {
        self.signed(10)
    }

    pub fn binary(&mut self) -> Option<&'a [u8]> {
        let n = self.length()?;
        let bytes = self.bytes.get(self.at..)?.get(..n)?;
        self.at += n;
        Some(bytes)
    }

    fn length(&mut self) -> Option<usize> {
        let n = u32::try_from(self.varint(5)?).ok()?;
        usize::try_from(n).ok()
    }

    /// Zigzag: 0, -1, 1, -2 ...
    fn signed(&mut self, most_bytes: u32) -> Option<i64> {
        let value = self.varint(most_bytes)?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn varint(&mut self, most_bytes: u32) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..most_bytes).map(|i| 7 * i) {
            let byte = self.byte()?;
            let part = u64::from(byte & 127);
            if part << shift >> shift != part {
                return None;
            }
            value |= part << shift;
            if byte < 128 {
                return Some(value);
            }
        }
        None
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_length_goes_beyond_the_bytes() {
        for bytes in [
            &b"\xff\xff\xff\x7f"[..],
            b"\x05ab",
            b"\xff\xff\xff\xff\xff\x01",
            b"",
        ] {
            assert_eq!(Compact::new(bytes).binary(), None, "{bytes:?}");
        }
        for bytes in [&b"\xfc\xff\xff\xff\x7f"[..], b"\x2c\x00", b"\x15\x00", b""] {
            assert_eq!(Compact::new(bytes).list(kind::STRUCT), None, "{bytes:?}");
        }
        assert_eq!(Compact::new(b"\x2c\x00\x00").list(kind::STRUCT), Some(2));
    }

    #[test]
    fn a_number_is_as_long_as_its_kind() {
        let longest = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(Compact::new(longest).i64(), Some(i64::MIN));
        assert_eq!(Compact::new(b"\xff\xff\xff\xff\x0f").i32(), Some(i32::MIN));
        // One bit, one byte and one value too many.
        assert_eq!(
            Compact::new(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x03").i64(),
            None
        );
        assert_eq!(Compact::new(b"\x82\x80\x80\x80\x80\x00").i32(), None);
        assert_eq!(Compact::new(b"\x80\x80\x80\x80\x10").i32(), None);
        assert_eq!(Compact::new(b"\x80\x80\x04").i16(), None);
    }

    #[test]
    fn numbers_of_fields_rise() {
        let fields = |bytes: &[u8]| {
            let mut found = Vec::new();
            let mut compact = Compact::new(bytes);
            compact.fields(&mut |c, id, kind| {
                found.push((id, kind));
                c.i32().map(drop)
            })?;
            assert_eq!(compact.position(), bytes.len());
            Some(found)
        };
        let read = fields(b"\x15\x03\x25\x02\x00");
        assert_eq!(read, Some(vec![(1, kind::I32), (3, kind::I32)]));
        // Written out, twice, an end that is none, no end.
        for bytes in [
            &b"\x05\x02\x03\x00"[..],
            b"\x15\x03\x05\x02\x03\x00",
            b"\x10",
            b"\x15\x03",
        ] {
            assert_eq!(fields(bytes), None, "{bytes:?}");
        }
    }
}
