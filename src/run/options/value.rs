//! Values of options.

use std::fmt;

/// What an option was told.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Whether a flag is up.
    Flag(bool),
    /// A whole number.
    Whole(u64),
    /// A number.
    Number(f64),
    /// A text, among them addresses and choices.
    Text(String),
    /// A list of names.
    Texts(Vec<String>),
}

impl fmt::Display for Value {
    /// As a record has it: the names of a list with commas between them, whatever they hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(is_up) => is_up.fmt(f),
            Self::Whole(n) => n.fmt(f),
            Self::Number(x) => x.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Texts(names) => f.write_str(&names.join(",")),
        }
    }
}
