//! What a check found, as a line.

use std::fmt;

use crate::steps::load::is_unseen;

/// Files, keys and such that a finding names at most.
pub(super) const MAX_NAMED: usize = 10;
/// Characters of a name at most, and of all that is said; what is too much goes out of the middle.
const MAX_NAME: usize = 200;
const MAX_DETAIL: usize = 4000;

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: a file, `counts`, `inputs` ...
    pub what: String,
    /// Whether it is as it should be.
    pub state: State,
    /// What was found, in words.
    pub detail: String,
}

/// Whether something is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is.
    Ok,
    /// It is not.
    Differs,
    /// Nobody can tell here.
    Skipped,
}

impl State {
    /// `ok`, `DIFFERS` or `skipped`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Differs => "DIFFERS",
            Self::Skipped => "skipped",
        }
    }
}

impl Finding {
    /// As it should be.
    pub fn ok(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(what, State::Ok, detail)
    }

    /// Not as it should be.
    pub fn differs(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(what, State::Differs, detail)
    }

    /// Not looked at.
    pub fn skipped(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(what, State::Skipped, detail)
    }

    fn new(what: impl Into<String>, state: State, detail: impl Into<String>) -> Self {
        let (what, detail): (String, String) = (what.into(), detail.into());
        Self {
            what: shortened(&what, MAX_NAME),
            state,
            detail: shortened(&detail, MAX_DETAIL),
        }
    }

    /// What is wrong, or that nothing is.
    pub(super) fn of(what: &str, faults: &[String], otherwise: String) -> Self {
        match faults {
            [] => Self::ok(what, otherwise),
            faults => Self::differs(what, faults.join("; ")),
        }
    }
}

/// One line, whatever is in it: names come from files that anybody may have written.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, what) = (self.state.word(), one_line(&self.what));
        write!(f, "{word:<7}  {what:<26}  {}", one_line(&self.detail))
    }
}

/// `text` without line breaks and what else moves a cursor, turns the direction of writing or is not seen.
fn one_line(text: &str) -> String {
    let moves = |c: char| is_unseen(c) || matches!(c, '\u{2028}' | '\u{2029}');
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match moves(c) {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    line
}

/// What is not known without a file, which has a finding of its own; `reason` names it and what became of it.
pub(super) fn unknown(what: &str, reason: &str) -> Finding {
    Finding::skipped(what, format!("not known: {reason}"))
}

/// The first of `names`, and how many more there are.
pub(super) fn named<S: AsRef<str>>(names: &[S]) -> String {
    let first = names.iter().take(MAX_NAMED);
    let first = first.map(|name| format!("`{}`", shortened(name.as_ref(), MAX_NAME)));
    let first: Vec<_> = first.collect();
    match names.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// At most `most` characters of `text`, its beginning and its end.
fn shortened(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let (head, tail) = (most / 2, most - most / 2 - 1);
    let ends = text.chars().rev().take(tail).collect::<Vec<_>>();
    let begins = text.chars().take(head).chain(['…']);
    begins.chain(ends.into_iter().rev()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line() {
        let finding = Finding::differs("a\nb", "`Apple/\u{1b}[2Jé\u{202e}x\".png`");
        assert_eq!(
            finding.to_string(),
            "DIFFERS  a\\nb                        `Apple/\\u{1b}[2Jé\\u{202e}x\".png`"
        );
    }

    #[test]
    fn what_nobody_sees_is_told() {
        for c in [
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{feff}',
            '\u{e0041}',
            '\u{2028}',
        ] {
            let line = Finding::ok("inputs", format!("a{c}b")).to_string();
            let code = format!("a\\u{{{:x}}}b", u32::from(c));
            assert!(line.ends_with(&code), "{line}");
        }
    }

    #[test]
    fn long_names_are_shortened() {
        let name = format!("{}é.jpg", "a".repeat(1 << 20));
        let said = named(&[&name, &name]);
        assert_eq!(said.chars().count(), 2 * (MAX_NAME + 2) + 2);
        assert!(said.ends_with("é.jpg`") && said.contains('…'), "{said}");
        let finding = Finding::differs(&name, &name);
        assert!(finding.to_string().chars().count() < MAX_NAME + MAX_DETAIL + 20);
        assert_eq!(
            shortened(&"é".repeat(MAX_NAME), MAX_NAME),
            "é".repeat(MAX_NAME)
        );
    }

    #[test]
    fn ten_names_and_how_many_more() {
        assert_eq!(named(&["a", "b"]), "`a`, `b`");
        let many: Vec<_> = (0..13).map(|i| i.to_string()).collect();
        assert!(named(&many).ends_with("`9` and 3 more"));
    }
}
