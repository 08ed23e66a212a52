//! Where two JSON values differ.

use std::collections::BTreeSet;

use serde_json::Value;

/// Differences that a finding names at most.
const MAX_NAMED: usize = 5;

/// Characters of a value that a finding shows at most.
const MAX_SHOWN: usize = 80;

static ABSENT: Value = Value::Null;

/// Tells each value that is another in `now` than in `then`, with its path: `pca.needed[0].exact`. Lists that are not
/// as long are one value.
pub(super) fn walk(
    path: &str,
    then: &Value,
    now: &Value,
    tell: &mut dyn FnMut(&str, &Value, &Value),
) {
    match (then, now) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let inner = match path {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                let [a, b] = [a, b].map(|object| object.get(name).unwrap_or(&ABSENT));
                walk(&inner, a, b, tell);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                walk(&format!("{path}[{i}]"), a, b, tell);
            }
        }
        (then, now) if then != now => tell(path, then, now),
        _ => {}
    }
}

/// Whether both are numbers, not both whole ones, and apart by `relative` of the larger one at most.
pub(super) fn are_close(a: &Value, b: &Value, relative: f64) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(x), Some(y)) if a.is_f64() || b.is_f64() => {
            (x - y).abs() <= relative * x.abs().max(y.abs())
        }
        _ => false,
    }
}

/// What is different, in words; the first few, and how many more.
#[derive(Default)]
pub(super) struct Differences {
    sentences: Vec<String>,
    n: usize,
}

impl Differences {
    /// `path: a WORDS[0], b WORDS[1]`.
    pub fn push(&mut self, path: &str, values: [&Value; 2], words: [&str; 2]) {
        self.n += 1;
        if self.sentences.len() < MAX_NAMED {
            let [a, b] = values.map(shown);
            let [of_a, of_b] = words;
            self.sentences
                .push(format!("{path}: {a} {of_a}, {b} {of_b}"));
        }
    }

    /// None if nothing differs.
    pub fn sentence(self) -> Option<String> {
        let more = match self.n - self.sentences.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (self.n > 0).then(|| self.sentences.join("; ") + &more)
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return "none".to_owned(),
        Value::Array(values) => return format!("a list of {}", values.len()),
        Value::String(text) => format!("`{text}`"),
        value => value.to_string(),
    };
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_and_values_of_what_differs() {
        let then = json!({"a": [1, {"b": 0.5}], "c": "x", "d": [1, 2], "e": 1});
        let now = json!({"a": [1, {"b": 0.25}], "c": "x", "d": [1], "f": null});
        let mut found = Differences::default();
        walk("", &then, &now, &mut |path, a, b| {
            found.push(path, [a, b], ["then", "now"]);
        });
        assert_eq!(
            found.sentence().unwrap(),
            "a[1].b: 0.5 then, 0.25 now; d: a list of 2 then, a list of 1 now; e: 1 then, none now"
        );
    }

    #[test]
    fn counts_are_equal_or_not() {
        assert!(are_close(&json!(1.0), &json!(1.000_000_1), 1e-6));
        assert!(!are_close(&json!(1_000_000), &json!(1_000_001), 1e-3));
        assert!(!are_close(&json!(null), &json!(0.0), 1.0));
    }
}
