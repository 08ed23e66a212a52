//! A list of names as one text: commas between them, and `\,` for a comma in a name.

/// The names as one text, from which [`split`] reads them again.
///
/// A backslash is doubled only where it would be taken for an escape: in front of a comma or a backslash, and at the end
/// of a name.
pub(crate) fn join(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| escaped(name)).collect();
    names.join(",")
}

fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut rest = name.chars().peekable();
    while let Some(c) = rest.next() {
        if c == ',' || (c == '\\' && matches!(rest.peek(), None | Some(',' | '\\'))) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// The names of a text. A backslash before anything but a comma or a backslash stands for itself.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            (',', _) => names.push(std::mem::take(&mut name)),
            ('\\', Some(&next @ (',' | '\\'))) => {
                name.push(next);
                rest.next();
            }
            _ => name.push(c),
        }
    }
    names.push(name);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_whatever_they_hold() {
        let parts = ["a", ",", "\\", " ", "\n", "\u{e4}", ""];
        let mut names = Vec::new();
        for first in parts {
            for second in parts {
                for third in parts {
                    names.push([first, second, third].concat());
                }
            }
        }
        for name in &names {
            let list = [name.clone(), "b".to_owned(), name.clone()];
            assert_eq!(split(&join(&list)), list, "{name:?}");
        }
        assert_eq!(split(&join(&names)), names);
    }

    #[test]
    fn what_needs_no_escape_has_none() {
        for (text, names) in [
            ("A,B", vec!["A", "B"]),
            (r"a\b,c", vec![r"a\b", "c"]),
            (r"a\,b", vec!["a,b"]),
            (r"a\\,b\\", vec![r"a\", r"b\"]),
        ] {
            assert_eq!(split(text), names);
            let names: Vec<_> = names.into_iter().map(str::to_owned).collect();
            assert_eq!(join(&names), text);
        }
    }
}
