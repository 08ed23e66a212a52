//! Sequences: frames of one object, taken one after the other while it turns.

/// Digits of the number of a frame; the longest of Fruits-360 have three, and a date has eight.
const MAX_DIGITS: usize = 4;

/// What the frames of a sequence have in common: the folder, and the file's name before the number of the frame, if it
/// ends in two numbers of at most four digits as those of Fruits-360 do (`r2_17_100.jpg`: frame 17 of `r2_`, 100 pixels).
/// Another name, such as a camera's of date and time, is a sequence of its own.
pub(super) fn sequence(key: &str) -> &str {
    let stem = key.rsplit_once('.').map_or(key, |(stem, _)| stem);
    let without_number = |text: &'_ str| {
        let rest = text.trim_end_matches(|c: char| c.is_ascii_digit());
        (1..=MAX_DIGITS)
            .contains(&(text.len() - rest.len()))
            .then_some(rest.len())
    };
    let frame = without_number(stem)
        .filter(|&end| stem[..end].ends_with('_'))
        .and_then(|end| without_number(&stem[..end - 1]))
        .filter(|&end| end == 0 || stem[..end].ends_with(['_', '/']));
    frame.map_or(key, |end| &key[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_frames() {
        for (key, expected) in [
            ("Plum 3/0_100.jpg", "Plum 3/"),
            ("Plum 3/r_10_100.jpg", "Plum 3/r_"),
            ("Plum 3/r2_10_100.jpg", "Plum 3/r2_"),
            ("7_100.jpg", ""),
            ("a/IMG_2034.jpg", "a/IMG_2034.jpg"),
            ("a/2034.jpg", "a/2034.jpg"),
            ("a/photo", "a/photo"),
            ("a/x1_2.png", "a/x1_2.png"),
            ("a/IMG_20240101_123456.jpg", "a/IMG_20240101_123456.jpg"),
        ] {
            assert_eq!(sequence(key), expected, "{key}");
        }
    }
}
