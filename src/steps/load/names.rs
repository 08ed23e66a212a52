//! What names of files and classes tell.

use std::collections::BTreeMap;

use icu_normalizer::ComposingNormalizerBorrowed;

/// Endings of photographs: those that decode, and those that are refused with a word on what to do.
const IMAGES: [&str; 89] = [
    "3fr", "apng", "arw", "avci", "avif", "avifs", "bmp", "cr2", "cr3", "crw", "cur", "dcr", "dds",
    "dib", "dng", "erf", "exr", "ff", "fff", "fits", "gif", "hdp", "hdr", "heic", "heics", "heif",
    "heifs", "hif", "icb", "icns", "ico", "iiq", "j2c", "j2k", "jfi", "jfif", "jif", "jls", "jp2",
    "jpc", "jpe", "jpeg", "jpf", "jpg", "jpm", "jpx", "jxl", "jxr", "k25", "kdc", "mef", "mos",
    "mpo", "mrw", "nef", "nrw", "orf", "pam", "pbm", "pcd", "pcx", "pef", "pgm", "pic", "png",
    "pnm", "ppm", "psb", "psd", "qoi", "raf", "ras", "raw", "rw2", "rwl", "sgi", "sr2", "srf",
    "srw", "svg", "tga", "tif", "tiff", "vda", "vst", "wdp", "webp", "x3f", "xcf",
];
/// Letters of the longest ending that is taken for one.
const MAX_ENDING: usize = 10;
/// Warnings name this many groups of classes.
const MAX_GROUPS: usize = 5;

/// What the name of a file says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A photograph.
    Image,
    /// Something else: notes, tables, weights.
    Other,
    /// Nothing: it has no ending.
    Unknown,
}

/// By the ending, in any case. A name without one, or with one that is no word, says nothing.
#[must_use]
pub fn kind(key: &str) -> Kind {
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    let Some((_, ending)) = name.rsplit_once('.') else {
        return Kind::Unknown;
    };
    let ending = ending.to_lowercase();
    let is_word = ending.len() <= MAX_ENDING
        && ending.chars().all(char::is_alphanumeric)
        && ending.chars().any(char::is_alphabetic);
    match (IMAGES.contains(&ending.as_str()), is_word) {
        (true, _) => Kind::Image,
        (false, true) => Kind::Other,
        (false, false) => Kind::Unknown,
    }
}

/// What stays of a name when forms of Unicode, case, spaces and what nobody sees are the same. Capitals first: those of `ß` are
/// `SS`, and small letters alone would keep it.
#[must_use]
pub fn folded(name: &str) -> String {
    let compatible = ComposingNormalizerBorrowed::new_nfkc();
    let lower = compatible.normalize(name).to_uppercase().to_lowercase();
    let composed = compatible.normalize(&lower);
    composed
        .chars()
        .filter(|c| !c.is_whitespace() && !is_unseen(*c))
        .collect()
}

/// Controls, joiners, marks of direction, selectors of variants and byte order marks.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

/// The one warning on classes whose names look alike; none where all differ.
#[must_use]
pub fn lookalikes<'a>(classes: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for class in classes {
        groups.entry(folded(class)).or_default().push(class);
    }
    let alike: Vec<_> = groups
        .into_values()
        .filter(|names| names.len() > 1)
        .collect();
    let said: Vec<_> = alike
        .iter()
        .take(MAX_GROUPS)
        .map(|names| told_apart(names).join(" and "))
        .collect();
    let more = match alike.len().saturating_sub(said.len()) {
        0 => String::new(),
        n => format!("; and {n} more groups"),
    };
    (!said.is_empty()).then(|| {
        format!(
            "names of classes look alike and are different classes: {}{more}; rename the folders if they are one",
            said.join("; ")
        )
    })
}

/// A name in quotes, with what is not seen, and what is seen in two forms, as code points.
#[must_use]
pub fn revealed(name: &str) -> String {
    shown(name, false)
}

/// Names that look alike, [`revealed`]; those that would print alike even so, as the micro sign and the Greek letter do, with
/// what only stands for something else as code points.
#[must_use]
pub fn told_apart(names: &[&str]) -> Vec<String> {
    let printed = |name: &str| {
        let compatible = ComposingNormalizerBorrowed::new_nfkc();
        compatible.normalize(&revealed(name)).into_owned()
    };
    let printed: Vec<_> = names.iter().map(|name| printed(name)).collect();
    let is_alone = |text: &String| printed.iter().filter(|other| *other == text).count() == 1;
    let names = names.iter().zip(&printed);
    names
        .map(|(name, text)| shown(name, !is_alone(text)))
        .collect()
}

/// With `are_forms` also what has another form that it is compatible with.
fn shown(name: &str, are_forms: bool) -> String {
    let composed = ComposingNormalizerBorrowed::new_nfc().normalize(name);
    let is_composed = composed == name;
    let compatible = ComposingNormalizerBorrowed::new_nfkc();
    let last = name.trim_end().chars().count();
    let first = name.chars().count() - name.trim_start().chars().count();
    let shown: String = name
        .chars()
        .enumerate()
        .map(|(i, c)| {
            let is_at_an_end = c.is_whitespace() && (i < first || i >= last);
            let is_odd_space = c.is_whitespace() && c != ' ';
            let is_mark = !is_composed && !composed.contains(c);
            let is_form = are_forms && !compatible.is_normalized(c.encode_utf8(&mut [0; 4]));
            match is_at_an_end || is_odd_space || is_mark || is_form || is_unseen(c) {
                true => format!("[U+{:04X}]", u32::from(c)),
                false => c.to_string(),
            }
        })
        .collect();
    format!("`{shown}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_tells_what_a_file_is() {
        for key in ["a/b.JPG", "x.HEIC", "a.b.png", "DSC_0001.NRW", "x.pcx"] {
            assert_eq!(kind(key), Kind::Image, "{key}");
        }
        for key in [
            "a/b.txt",
            "b.xml",
            "epoch 3.ckpt",
            "a.jpg/notes.md",
            "x.json",
        ] {
            assert_eq!(kind(key), Kind::Other, "{key}");
        }
        for key in ["a.jpg/b", "b", "photo.2", "x.jpg_large", "x.", "a.b c"] {
            assert_eq!(kind(key), Kind::Unknown, "{key}");
        }
        assert!(IMAGES.is_sorted());
    }

    #[test]
    fn every_image_of_the_corpus_is_one_by_its_name() {
        let none = [
            "eps", "gz", "json", "mov", "mp4", "pdf", "webm", "xml", "zip",
        ];
        let files = std::fs::read_dir("tests/fixtures/corpus/files").unwrap();
        for file in files {
            let name = file.unwrap().file_name().into_string().unwrap();
            let (_, ending) = name.rsplit_once('.').unwrap();
            let right = match none.contains(&ending) {
                true => Kind::Other,
                false => Kind::Image,
            };
            assert_eq!(kind(&name), right, "{name}");
        }
    }

    #[test]
    fn names_that_look_alike_are_told_with_their_difference() {
        let names = [
            "P\u{ea}che",
            "Pe\u{302}che",
            "Apple",
            "Apple ",
            "Apple\u{200b}",
            "apple",
            "Pear",
            "Stra\u{df}e",
            "STRASSE",
            "5 \u{b5}m",
            "5 \u{3bc}m",
            "\u{ff08}red\u{ff09}",
        ];
        let warning = lookalikes(names.into_iter()).unwrap();
        for part in [
            "`Apple` and `Apple[U+0020]` and `Apple[U+200B]` and `apple`",
            "`P\u{ea}che` and `Pe[U+0302]che`",
            "`Stra\u{df}e` and `STRASSE`",
            "`5 [U+00B5]m` and `5 \u{3bc}m`",
        ] {
            assert!(warning.contains(part), "{warning}");
        }
        assert!(!warning.contains("Pear") && !warning.contains("red"));
        // A form by itself is a name like others.
        assert_eq!(
            revealed("\u{ff08}5 \u{b5}m\u{ff09}"),
            "`\u{ff08}5 \u{b5}m\u{ff09}`"
        );
        assert_eq!(lookalikes(["Apple", "Pear"].into_iter()), None);
    }
}
