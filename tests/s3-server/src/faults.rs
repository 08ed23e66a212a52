//! The rules of `--fault`: which request is broken, and how.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::Error;
use crate::target::Target;

/// What happens to the request. The empty braces make serde refuse unknown fields there too. `broken` does what happens to the answer's body.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Kind {
    /// An S3 error, without asking the backend
    Error {
        status: u16,
        code: String,
        #[serde(default)]
        message: String,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// Half of the body, then a TCP reset
    Reset {},
    /// Half of the body, then a clean close
    Short {},
    /// One byte of the body changed
    Corrupt {},
    /// A wait before anything else
    Delay {
        #[serde(rename = "seconds", deserialize_with = "duration")]
        wait: Duration,
    },
    /// Half of the body, a pause, the rest
    Stall {
        #[serde(rename = "seconds", deserialize_with = "duration")]
        pause: Duration,
    },
    /// The object is removed first
    Delete {},
    /// The object has the content of this file first
    Replace { file: PathBuf },
    /// A TCP reset before any answer
    Refuse {},
    /// A length in the headers that the body has not
    Claim { bytes: u64 },
    /// A listing whose next page is always the same
    Endless {},
    /// The object has the content of this file first, and no condition is looked at
    Unconditional { file: Option<PathBuf> },
    /// Half of the body as if it were all, without a checksum
    Cut {},
    /// A byte of the body at a time
    Drip {
        #[serde(rename = "seconds", deserialize_with = "duration")]
        pause: Duration,
    },
    /// A body without an end, of this status
    Flood { status: Option<u16> },
    /// An S3 error for who sends a checksum
    Checksums { status: u16, code: String },
}

impl Kind {
    /// As it is written in the rule and in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Error { .. } => "error",
            Self::Reset {} => "reset",
            Self::Short {} => "short",
            Self::Corrupt {} => "corrupt",
            Self::Delay { .. } => "delay",
            Self::Stall { .. } => "stall",
            Self::Delete {} => "delete",
            Self::Replace { .. } => "replace",
            Self::Refuse {} => "refuse",
            Self::Claim { .. } => "claim",
            Self::Endless {} => "endless",
            Self::Unconditional { .. } => "unconditional",
            Self::Cut {} => "cut",
            Self::Drip { .. } => "drip",
            Self::Flood { .. } => "flood",
            Self::Checksums { .. } => "checksums",
        }
    }
}

fn duration<'de, D: Deserializer<'de>>(seconds: D) -> Result<Duration, D::Error> {
    Duration::try_from_secs_f64(f64::deserialize(seconds)?).map_err(serde::de::Error::custom)
}

/// The requests that a rule is about, and how often.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Scope {
    method: Option<String>,
    key: Option<String>,
    key_prefix: Option<String>,
    key_suffix: Option<String>,
    list: bool,
    skip: u64,
    times: Option<u64>,
}

/// The fields of [`Scope`]: the others belong to [`Kind`], so that a misspelt one is an error and not a fault that never
/// comes (serde cannot refuse unknown fields across a flattened struct).
const SCOPE_FIELDS: [&str; 7] = [
    "method",
    "key",
    "key_prefix",
    "key_suffix",
    "list",
    "skip",
    "times",
];

#[derive(Debug)]
struct Rule {
    scope: Scope,
    kind: Kind,
    n_matched: AtomicU64,
}

impl Rule {
    fn parse(text: &str) -> Result<Self, Error> {
        let in_rule = |error: serde_json::Error| format!("--fault {text}: {error}");
        let fields: Map<String, Value> = serde_json::from_str(text).map_err(in_rule)?;
        let (scope, kind): (Map<_, _>, Map<_, _>) = fields
            .into_iter()
            .partition(|(name, _)| SCOPE_FIELDS.contains(&name.as_str()));
        Ok(Self {
            scope: serde_json::from_value(scope.into()).map_err(in_rule)?,
            kind: serde_json::from_value(kind.into()).map_err(in_rule)?,
            n_matched: AtomicU64::new(0),
        })
    }

    fn is_about(&self, target: &Target) -> bool {
        let Scope {
            method,
            key,
            key_prefix,
            key_suffix,
            list,
            ..
        } = &self.scope;
        method
            .as_ref()
            .is_none_or(|method| target.method.as_str() == method)
            && key.as_ref().is_none_or(|key| target.key == *key)
            && key_prefix
                .as_ref()
                .is_none_or(|prefix| target.key.starts_with(prefix))
            && key_suffix
                .as_ref()
                .is_none_or(|suffix| target.key.ends_with(suffix))
            && (!list || target.is_list())
    }

    /// Whether this match, which counts, is neither among the skipped nor past the last.
    fn applies(&self) -> bool {
        let number = self.n_matched.fetch_add(1, Ordering::Relaxed);
        let Scope { skip, times, .. } = self.scope;
        number >= skip && times.is_none_or(|times| number - skip < times)
    }
}

/// All rules, in the order of the command line.
#[derive(Debug)]
pub struct Faults {
    rules: Vec<Rule>,
    /// From then on nothing goes wrong.
    is_healed: AtomicBool,
}

impl Faults {
    pub fn parse(texts: &[String]) -> Result<Self, Error> {
        texts
            .iter()
            .map(|text| Rule::parse(text))
            .collect::<Result<_, _>>()
            .map(|rules| Self {
                rules,
                is_healed: AtomicBool::new(false),
            })
    }

    pub fn heal(&self) {
        self.is_healed.store(true, Ordering::Relaxed);
    }

    /// The first rule that applies. Those after it do not count the request.
    pub fn pick(&self, target: &Target) -> Option<&Kind> {
        if self.is_healed.load(Ordering::Relaxed) {
            return None;
        }
        self.rules
            .iter()
            .find(|rule| rule.is_about(target) && rule.applies())
            .map(|rule| &rule.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(rules: &[&str], uri: &str, n_requests: usize) -> Vec<&'static str> {
        let texts: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        let faults = Faults::parse(&texts).unwrap();
        let target = Target::of(&hyper::Request::get(uri).body(()).unwrap());
        (0..n_requests)
            .map(|_| faults.pick(&target).map_or("-", Kind::name))
            .collect()
    }

    #[test]
    fn rules_skip_then_apply_then_are_spent() {
        let rules = [
            r#"{"kind":"reset","key":"k","skip":1,"times":2}"#,
            r#"{"kind":"short","times":2}"#,
        ];
        assert_eq!(
            names(&rules, "/b/k", 6),
            ["short", "reset", "reset", "short", "-", "-"]
        );
    }

    #[test]
    fn rules_match_only_what_they_name() {
        let rules = [
            r#"{"kind":"refuse","list":true}"#,
            r#"{"kind":"short","key_suffix":".jpg","method":"GET"}"#,
        ];
        assert_eq!(names(&rules, "/b?list-type=2", 1), ["refuse"]);
        assert_eq!(names(&rules, "/b/a.jpg", 1), ["short"]);
        assert_eq!(names(&rules, "/b/a.png", 1), ["-"]);
    }

    #[test]
    fn misspelt_rules_are_errors() {
        for rule in [
            r#"{"kind":"delay"}"#,
            r#"{"kind":"reset","tiems":1}"#,
            r#"{"kind":"x"}"#,
            "[]",
        ] {
            assert!(Rule::parse(rule).is_err(), "{rule}");
        }
    }
}
