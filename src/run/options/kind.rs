//! What values an option takes, and how they are read from text.

use std::fmt;
use std::str::FromStr;

use super::value::Value;
use crate::record::gates::MostRejected;
use crate::record::list;

/// What values an option takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// None on the command line; elsewhere true or false.
    Flag,
    /// A whole number.
    Whole {
        /// The smallest.
        least: u64,
    },
    /// A number.
    Number {
        /// Whether it may be this one.
        is_valid: fn(f64) -> bool,
        /// What it must be, in words.
        rule: &'static str,
    },
    /// A number of files, or a share of them such as `1%`.
    Files,
    /// Any text; an empty one is none.
    Text,
    /// A list of names: with commas between them, of which `\,` is part of a name.
    Texts,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A text that this reader takes.
    Parsed(fn(&str) -> Result<(), String>),
}

pub(super) const POSITIVE: Kind = Kind::Whole { least: 1 };
pub(super) const SHARE: Kind = Kind::Number {
    is_valid: |r| r > 0.0 && r < 1.0,
    rule: "must be above 0 and below 1, such as 0.9",
};
pub(super) const LIMIT: Kind = Kind::Number {
    is_valid: |r| (0.0..=1.0).contains(&r),
    rule: "must be between 0 and 1, such as 0.9",
};
pub(super) const PERPLEXITY: Kind = Kind::Number {
    is_valid: |p| (1.0..=10_000.0).contains(&p),
    rule: "must be between 1 and 10000",
};
pub(super) const SECONDS: Kind = Kind::Number {
    is_valid: |s| s > 0.0 && s <= 3600.0,
    rule: "must be above 0 and at most 3600 seconds, such as 30",
};
pub(super) const PATIENCE: Kind = Kind::Number {
    is_valid: |s| (1.0..=86_400.0).contains(&s),
    rule: "must be between 1 and 86400 seconds",
};

impl Kind {
    /// A text that reads as a `T`.
    pub(super) const fn parsed<T: FromStr<Err: fmt::Display>>() -> Self {
        Self::Parsed(|text| text.parse::<T>().map(drop).map_err(|e| e.to_string()))
    }

    /// The value of a text; none of an empty one, where any text will do.
    ///
    /// # Errors
    /// Why it is not a value of this kind.
    pub fn read(self, text: &str) -> Result<Option<Value>, String> {
        let value = match self {
            Self::Flag => Value::Flag(flag(text)?),
            Self::Whole { least } => Value::Whole(whole(text, least)?),
            Self::Number { is_valid, rule } => match text.parse() {
                Ok(x) if is_valid(x) => Value::Number(x),
                _ => return Err(rule.to_owned()),
            },
            Self::Files => match text.parse().map_err(|e: crate::Error| e.to_string())? {
                MostRejected::Files(n) => Value::Whole(n),
                MostRejected::Share(_) => Value::Text(text.to_owned()),
            },
            Self::Text if text.is_empty() => return Ok(None),
            Self::Text => Value::Text(text.to_owned()),
            Self::Texts => return self.list(list::split(text)),
            Self::Choice(words) if words.contains(&text) => Value::Text(text.to_owned()),
            Self::Choice(words) => return Err(format!("there are {}", words.join(" and "))),
            Self::Parsed(check) => {
                check(text)?;
                Value::Text(text.to_owned())
            }
        };
        Ok(Some(value))
    }

    /// The value of a list of names.
    ///
    /// # Errors
    /// Why it is not a value of this kind.
    pub fn list(self, names: Vec<String>) -> Result<Option<Value>, String> {
        match self {
            Self::Texts if names.is_empty() => Err("is an empty list; leave it out".to_owned()),
            Self::Texts if names.iter().any(String::is_empty) => {
                Err(r"has an empty name in it; a comma in a name is written \,".to_owned())
            }
            Self::Texts => Ok(Some(Value::Texts(names))),
            _ => Err("takes one value, not a list".to_owned()),
        }
    }
}

/// As clap reads variables of flags.
fn flag(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err("is neither true nor false".to_owned()),
    }
}

fn whole(text: &str, least: u64) -> Result<u64, String> {
    match text.parse() {
        Ok(n) if n < least => Err(format!("must be at least {least}")),
        Ok(n) => Ok(n),
        Err(_) => Err("is no whole number".to_owned()),
    }
}
