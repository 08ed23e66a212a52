//! Parameters of a run.

use serde::{Deserialize, Serialize};

use super::list;

/// A parameter, its value and where the value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// As on the command line, without dashes.
    pub name: String,
    /// As text; the names of a list with commas between them, whatever they hold. Empty if there is none.
    pub value: String,
    /// The names of a list; empty for other values, and in records that are older than this field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Who set it.
    pub origin: Origin,
}

impl Parameter {
    /// The value as it is typed: a comma in a name of a list is `\,`.
    #[must_use]
    pub fn typed(&self) -> String {
        match self.values.is_empty() {
            true => self.value.clone(),
            false => list::join(&self.values),
        }
    }
}

/// Who set a parameter; a later one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Nobody.
    Default,
    /// The file named by `--config`.
    File,
    /// A `FRUITS_*` variable.
    Environment,
    /// The command line.
    Flag,
    /// The code that called the library, in a notebook or elsewhere.
    Code,
}
