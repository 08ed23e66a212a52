//! What names of files and classes tell.

use std::collections::BTreeMap;

use icu_normalizer::ComposingNormalizerBorrowed;

/// Endings of photographs: those that decode, and those that are refused with a word on what to do.
const IMAGES: [&str; 45] = [
    "apng", "arw", "avif", "bmp", "cr2", "cr3", "dib", "dng", "exr", "fff", "gif", "hdr", "heic",
    "heif", "hif", "ico", "j2k", "jfif", "jp2", "jpe", "jpeg", "jpg", "jxl", "mpo", "nef", "orf",
    "pbm", "pef", "pgm", "pic", "png", "pnm", "ppm", "psd", "qoi", "raf", "raw", "rw2", "srw",
    "svg", "tga", "tif", "tiff", "webp", "x3f",
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

/// What stays of a name when forms of Unicode, case, spaces and what nobody sees are the same.
#[must_use]
pub fn folded(name: &str) -> String {
    let compatible = ComposingNormalizerBorrowed::new_nfkc();
    let lower = compatible.normalize(name).to_lowercase();
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
        .map(|names| {
            let names: Vec<_> = names.iter().map(|name| revealed(name)).collect();
            names.join(" and ")
        })
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
    let composed = ComposingNormalizerBorrowed::new_nfc().normalize(name);
    let is_composed = composed == name;
    let last = name.trim_end().chars().count();
    let first = name.chars().count() - name.trim_start().chars().count();
    let shown: String = name
        .chars()
        .enumerate()
        .map(|(i, c)| {
            let is_at_an_end = c.is_whitespace() && (i < first || i >= last);
            let is_odd_space = c.is_whitespace() && c != ' ';
            let is_mark = !is_composed && !composed.contains(c);
            match is_at_an_end || is_odd_space || is_mark || is_unseen(c) {
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
        for key in ["a/b.JPG", "x.HEIC", "a.b.png"] {
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
    fn names_that_look_alike_are_told_with_their_difference() {
        let names = [
            "P\u{ea}che",
            "Pe\u{302}che",
            "Apple",
            "Apple ",
            "Apple\u{200b}",
            "apple",
            "Pear",
        ];
        let warning = lookalikes(names.into_iter()).unwrap();
        for part in [
            "`Apple` and `Apple[U+0020]` and `Apple[U+200B]` and `apple`",
            "`P\u{ea}che` and `Pe[U+0302]che`",
        ] {
            assert!(warning.contains(part), "{warning}");
        }
        assert!(!warning.contains("Pear"));
        assert_eq!(lookalikes(["Apple", "Pear"].into_iter()), None);
    }
}
