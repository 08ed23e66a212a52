//! The file of options, as it is read and as `--print-config` prints it.

use std::path::Path;

use fruits::options::{Kind, OPTIONS, Role, RunOption, Value};
use fruits::{Error, Result};
use toml::Table;

use crate::settings::{Setting, Settings, Values};

/// What the file says.
pub fn read(path: &Path) -> Result<Values> {
    let bytes = std::fs::read(path).map_err(Error::storage("read", path))?;
    // UTF-16 of plain letters is UTF-8, too, with a NUL beside each of them.
    let text = String::from_utf8(bytes).ok();
    let text = text.filter(|text| !text.contains('\0')).ok_or_else(|| {
        let file = path.display();
        Error::Invalid(format!(
            "configuration `{file}` is not UTF-8 text, as an editor that saves UTF-16 writes it; save it as UTF-8"
        ))
    })?;
    // Some editors begin a text with a mark of its encoding.
    let text = text.trim_start_matches('\u{feff}').to_owned();
    values(&text).map_err(|why| {
        let file = path.display();
        Error::Invalid(format!("configuration `{file}`: {why}"))
    })
}

/// What a text of a file says.
pub fn values(text: &str) -> Result<Values, String> {
    let table: Table = toml::from_str(text).map_err(|e| e.to_string())?;
    let mut values = Values::new();
    for (name, value) in &table {
        let option = options().find(|option| option.name == name);
        let option = option.ok_or_else(|| {
            let all: Vec<_> = options().map(|option| option.name).collect();
            format!("no option `{name}`; there are: {}", all.join(", "))
        })?;
        let value = self::value(option, value).map_err(|e| format!("`{name}`: {e}"))?;
        values.insert(option.name, value);
    }
    Ok(values)
}

/// Those that may stand in a file.
fn options() -> impl Iterator<Item = &'static RunOption> {
    OPTIONS.iter().filter(|option| option.role != Role::Call)
}

fn value(option: &RunOption, value: &toml::Value) -> Result<Option<Value>> {
    let wrong = |why: &str| option.invalid(&value.to_string(), why);
    let takes_numbers = matches!(
        option.kind,
        Kind::Whole { .. } | Kind::Number { .. } | Kind::Files
    );
    match (value, option.kind) {
        (toml::Value::String(text), _) => option.read(text),
        (toml::Value::Boolean(is_up), Kind::Flag) => Ok(Some(Value::Flag(*is_up))),
        (toml::Value::Integer(_) | toml::Value::Float(_), _) if takes_numbers => {
            option.read(&value.to_string())
        }
        (toml::Value::Array(parts), kind) => {
            let names = parts.iter().map(|part| part.as_str().map(str::to_owned));
            let names: Option<Vec<_>> = names.collect();
            let names = names.ok_or_else(|| wrong("takes a list of strings"))?;
            kind.list(names).map_err(|why| wrong(&why))
        }
        (_, Kind::Flag) => Err(wrong("is neither true nor false")),
        (_, Kind::Texts) => Err(wrong("takes a list of strings")),
        (_, _) if takes_numbers => Err(wrong("takes a number")),
        _ => Err(wrong("takes a text; put it in quotes")),
    }
}

/// The options in force as such a file.
pub fn to_toml(settings: &Settings) -> String {
    let in_file = settings.iter().filter(|s| s.option.role != Role::Call);
    in_file.map(line).collect()
}

fn line(setting: &Setting) -> String {
    let name = setting.option.name;
    match &setting.value {
        None => format!("# {name} is not set\n"),
        Some(value) => {
            let origin = format!("{:?}", setting.origin).to_lowercase();
            format!("{name} = {} # {origin}\n", literal(value))
        }
    }
}

/// A value as TOML has it, on one line.
fn literal(value: &Value) -> String {
    match value {
        Value::Flag(is_up) => is_up.to_string(),
        // TOML's whole numbers have a sign.
        Value::Whole(n) => {
            i64::try_from(*n).map_or_else(|_| quoted(&n.to_string()), |n| n.to_string())
        }
        // A whole one as such, as far as these are exact.
        Value::Number(x) if x.fract() == 0.0 && x.abs() < 1e15 => x.to_string(),
        Value::Number(x) => toml::Value::Float(*x).to_string(),
        Value::Text(text) => quoted(text),
        Value::Texts(names) => {
            let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
            format!("[{}]", names.join(", "))
        }
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
