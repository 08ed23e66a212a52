//! The command that gives the same numbers.

use super::table::find;
use super::value::Value;
use crate::record::{Origin, Parameter, list};

/// The shortest command of `report` that gives the same numbers as `parameters`, as words of a POSIX shell; empty if one
/// of them is no option, or has a value that is none.
#[must_use]
pub fn command(parameters: &[Parameter]) -> String {
    let set = parameters.iter().filter(|p| p.origin != Origin::Default);
    let words: Option<Vec<_>> = set.map(word).collect();
    words.map_or_else(String::new, |words| format!("report{}", words.concat()))
}

/// With a space in front; empty where nothing need be said.
fn word(parameter: &Parameter) -> Option<String> {
    let option = find(&parameter.name)?;
    let value = match option.recorded(parameter).ok()? {
        None | Some(Value::Flag(false)) => return Some(String::new()),
        Some(Value::Flag(true)) => return Some(format!(" --{}", option.name)),
        Some(Value::Texts(names)) => list::join(&names),
        Some(value) => value.to_string(),
    };
    Some(format!(" --{}={}", option.name, quoted(&value)))
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/,=+:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
