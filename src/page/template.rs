//! Templates, style and script: the only file that knows them.

use base64::prelude::{BASE64_STANDARD, Engine};
use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

const HTML: &str = include_str!("../../templates/report.html");
const MACROS: &str = include_str!("../../templates/macros.html");
const COMPARISON: &str = include_str!("../../templates/comparison.html");
const CLUSTER: &str = include_str!("../../templates/cluster.html");
const GLOSSARY: &str = include_str!("../../templates/glossary.html");
const QUALITY: &str = include_str!("../../templates/quality.html");
const DIFF: &str = include_str!("../../templates/diff.html");
/// One style sheet, its files in the order of the cascade.
pub(super) const STYLE: &str = concat!(
    include_str!("../../templates/report.css"),
    include_str!("../../templates/scatter.css"),
    include_str!("../../templates/pictures.css"),
);
/// One script in one scope, its files in the order of use.
pub(super) const SCRIPT: &str = concat!(
    "\"use strict\";\n{\n",
    include_str!("../../templates/script/page.js"),
    include_str!("../../templates/script/store.js"),
    include_str!("../../templates/script/model.js"),
    include_str!("../../templates/script/axes.js"),
    include_str!("../../templates/script/painter.js"),
    include_str!("../../templates/script/view.js"),
    include_str!("../../templates/script/hand.js"),
    include_str!("../../templates/script/controls.js"),
    include_str!("../../templates/script/panel.js"),
    include_str!("../../templates/script/start.js"),
    "}\n"
);

/// Fills the template `name` with `page`.
pub(super) fn render(name: &str, page: &impl Serialize) -> Result<String> {
    environment()?
        .get_template(name)
        .and_then(|template| template.render(Value::from(Serde(page))))
        .map_err(|error| fault(&error))
}

fn environment() -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, text) in [
        ("report.html", HTML),
        ("macros.html", MACROS),
        ("comparison.html", COMPARISON),
        ("cluster.html", CLUSTER),
        ("glossary.html", GLOSSARY),
        ("quality.html", QUALITY),
        ("diff.html", DIFF),
    ] {
        environment
            .add_template(name, text)
            .map_err(|error| fault(&error))?;
    }
    Ok(environment)
}

/// What the page may do: show pictures that it holds itself, use its one style sheet and its
/// scripts, and nothing else.
pub(super) fn policy(scripts: &[&str]) -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    let scripts: String = scripts
        .iter()
        .map(|script| format!(" script-src 'sha256-{}';", hash(script)))
        .collect();
    format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{}';{scripts} base-uri 'none'; \
         form-action 'none'",
        hash(STYLE)
    )
}

/// `value` as JSON that may stand in a script element: no `<`, `>` or `&`, no line separator of
/// JavaScript, and nothing that reorders text in an editor.
pub(super) fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(value)
        .map_err(|error| Error::Internal(format!("the report's data as JSON: {error}")))?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<'
            | '>'
            | '&'
            | '\u{7F}'..='\u{9F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2066}'..='\u{2069}' => {
                out += &format!("\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

fn fault(error: &minijinja::Error) -> Error {
    Error::Internal(format!("the report's template: {error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_cannot_end_its_script() {
        let text = json(&["</script><!--", "a & b", "\u{2028}"]).unwrap();
        assert!(!text.contains(['<', '>', '&', '\u{2028}']));
        let back: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(back[0], "</script><!--");
    }

    #[test]
    fn style_and_script_cannot_end_their_elements() {
        assert!(!STYLE.contains("</") && !SCRIPT.contains("</script") && !SCRIPT.contains("<!--"));
    }
}
