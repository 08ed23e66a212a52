//! Footers that two readers may read in two ways.

use std::process::Command;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;

const SEED: u64 = 42;
/// Footers that are tried.
const N_FOOTERS: usize = 4000;
/// Set where the footers are tried: in a process with so many kilobytes of addresses.
const WITHIN: &str = "FRUITS_TEST_WITHIN";
const KILOBYTES: u32 = 2_500_000;

fn with_footer(before: &[u8], footer: &[u8]) -> Vec<u8> {
    let length = (footer.len() as u32).to_le_bytes();
    [before, footer, &length, b"PAR1"].concat()
}

fn parts(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.len() - 8;
    let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
    (&bytes[..end - length], &bytes[end - length..end])
}

/// Field 5 is written as a number, and the decoder reads a list of 2^31 - 1 texts there, whatever is written: 103 GB.
#[test]
fn a_field_is_known_by_its_number_and_its_kind() {
    let footer =
        b"\x15\x02\x19\x1c\x48\x01\x61\x15\x00\x00\x16\x00\x19\x0c\x16\xfc\xff\xff\xff\xff\x07\x00";
    assert!(refused(with_footer(b"PAR1", footer)).contains("its footer is damaged"));
}

/// Its schema in Arrow's words would be parsed without bound, and could make columns of other kinds.
#[test]
fn a_second_schema_is_not_looked_at() {
    let frame = frame(50);
    let mut bytes = zstd(frame.clone());
    let key = b"ARROW:schema";
    let at = bytes.windows(key.len()).position(|part| part == key);
    let value = at.unwrap() + key.len() + 4;
    bytes[value..value + 40].fill(b'?');
    assert!(read(bytes, "").unwrap().0.equals_missing(&frame));
}

#[test]
fn parts_are_counted_before_they_are_kept() {
    // A root of no columns, and groups of no rows, of five bytes each.
    let groups = |n: usize| {
        let mut footer = b"\x15\x02\x19\x1c\x48\x01a\x15\x00\x00\x16\x00\x19\xfc".to_vec();
        footer.extend([0, 7, 14].map(|shift| (n >> shift) as u8 | 128));
        footer.push((n >> 21) as u8);
        footer.extend(b"\x19\x0c\x26\x00\x00".repeat(n));
        footer.push(0);
        with_footer(b"PAR1", &footer)
    };
    assert!(refused(groups(3 << 20)).contains("its footer is damaged"));
    // Columns without rows: each would take a kilobyte.
    let wide = |n: usize| {
        let names = (0..n).map(|i| Column::new(format!("{i}").into(), Vec::<f32>::new()));
        zstd(DataFrame::new(0, names.collect()).unwrap())
    };
    assert!(read(wide(1000), "").is_ok());
    assert!(refused(wide(70_000)).contains("its footer is damaged"));
}

/// A field of a footer: where its head stands, and where its value begins and ends.
#[derive(Debug, Clone, Copy)]
struct Field {
    at: usize,
    value: usize,
    end: usize,
}

/// Fields of a footer, as the protocol has them; those of a struct come before it.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    fields: Vec<Field>,
}

impl Walk<'_> {
    fn byte(&mut self) -> u8 {
        self.at += 1;
        self.bytes[self.at - 1]
    }

    fn varint(&mut self) -> usize {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte();
            value |= usize::from(byte & 127) << shift;
            if byte < 128 {
                break;
            }
        }
        value
    }

    fn fields(&mut self) {
        loop {
            let at = self.at;
            let head = self.byte();
            if head == 0 {
                return;
            }
            let value = self.at;
            self.value(head & 15);
            let end = self.at;
            self.fields.push(Field { at, value, end });
        }
    }

    fn value(&mut self, kind: u8) {
        match kind {
            1 | 2 => {}
            3 => self.at += 1,
            4..=6 => drop(self.varint()),
            7 => self.at += 8,
            8 => {
                let n = self.varint();
                self.at += n;
            }
            9 => {
                let head = self.byte();
                let n = match head >> 4 {
                    15 => self.varint(),
                    n => usize::from(n),
                };
                (0..n).for_each(|_| self.value(head & 15));
            }
            12 => self.fields(),
            kind => panic!("kind {kind}"),
        }
    }
}

/// A footer in which a field has another kind or number, stands there twice, or has another value.
fn changed(footer: &[u8], fields: &[Field], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut below = |n: usize| random.next_u32() as usize % n;
    let Field { at, value, end } = fields[below(fields.len())];
    let head = footer[at];
    let huge = b"\xfc\xff\xff\xff\xff\x07";
    let kind = 1 + below(12) as u8;
    let id = 1 + below(15) as u8;
    let head: Vec<u8> = match below(6) {
        0 => vec![(head & 0xf0) | kind],
        1 => vec![(id << 4) | (head & 15)],
        // The number written out, whatever came before.
        2 => vec![head & 15, 2 * id],
        3 => vec![kind, 2 * id],
        // As a number, what the decoder may take for a list or a text of any length.
        4 => [&[(head & 0xf0) | 6][..], huge].concat(),
        _ => vec![head],
    };
    let own = &footer[value..end];
    let (own, twice): (&[u8], &[u8]) = match below(4) {
        0 => (huge, &[]),
        1 => (own, &footer[at..end]),
        2 => (own, huge),
        _ => (own, &[]),
    };
    [&footer[..at], &head, own, twice, &footer[end..]].concat()
}

#[test]
fn no_kind_and_no_number_of_a_field_ends_the_process() {
    let name =
        "storage::parquet::tests::foreign::no_kind_and_no_number_of_a_field_ends_the_process";
    if std::env::var_os(WITHIN).is_none() {
        let script = format!("ulimit -v {KILOBYTES}; exec \"$0\" --exact {name}");
        let tried = Command::new("sh")
            .args(["-c", &script])
            .arg(std::env::current_exe().unwrap())
            .env(WITHIN, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&tried.stdout);
        assert!(
            tried.status.success() && said.contains("1 passed"),
            "{tried:?}"
        );
        return;
    }
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let bytes = zstd(frame(40));
    let (before, footer) = parts(&bytes);
    let mut walk = Walk {
        bytes: footer,
        at: 0,
        fields: Vec::new(),
    };
    walk.fields();
    assert!(walk.at == footer.len() && walk.fields.len() > 100);
    for _ in 0..N_FOOTERS {
        let mut other = changed(footer, &walk.fields, &mut random);
        // Every fourth time somewhere else, too, where that still is a field.
        if random.next_u32().is_multiple_of(4) {
            let at = random.next_u32() as usize % other.len();
            other[at] = random.next_u32() as u8;
        }
        let _ = read(with_footer(before, &other), "");
    }
    // The heads of pages have another reader. That of the first one stands behind the magic number.
    let mut walk = Walk {
        bytes: before,
        at: 4,
        fields: Vec::new(),
    };
    walk.fields();
    for _ in 0..N_FOOTERS {
        let other = changed(before, &walk.fields, &mut random);
        let _ = read(with_footer(&other, footer), "");
    }
}
