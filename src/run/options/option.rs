//! What is known of an option.

use super::kind::Kind;
use super::value::Value;
use crate::error::{Error, Result};
use crate::record::{Origin, Parameter};
use crate::run::params::Params;
use crate::steps::describe::DescriptorName;

/// An option of a run.
#[derive(Debug, Clone, Copy)]
pub struct RunOption {
    /// Without dashes in front.
    pub name: &'static str,
    /// What stands for the value in the help; empty for a flag.
    pub value_name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// The value where nothing is said, as text; empty if there is none.
    pub default: &'static str,
    /// What it does, for the help.
    pub help: &'static str,
    /// Under which heading the help lists it.
    pub group: &'static str,
    /// What it decides, and so where it is recorded.
    pub role: Role,
    /// Whether [`RunOption::variable`] sets it, too.
    pub has_variable: bool,
    /// Whether it is an option of `report verify`, too.
    pub in_verify: InVerify,
    /// Whether `report verify` may take the value from a record, which anybody may have written: nothing that names a file
    /// or a server, nor a consent. What it knows from elsewhere (input, model, precision) it does not take either.
    pub from_record: bool,
    /// The one descriptor that has a use for it; absent where all have, or none.
    pub only_for: Option<DescriptorName>,
    /// The value in the parameters of a run that code began; absent where they have none.
    pub of: Option<fn(&Params) -> Option<Value>>,
}

/// What an option decides, and so where it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A number, a limit on one, or where images come from: stands in `run.json` and in the command that gives the same
    /// numbers again.
    Result,
    /// How the work is done and where it goes; no number. Stands in `timings.json`, since `run.json` is the same bytes
    /// whatever these are.
    Work,
    /// What is done instead of a run, or which file holds options: is recorded nowhere and stands in no such file.
    Call,
}

/// What `report verify` has of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InVerify {
    /// Nothing.
    Absent,
    /// The same.
    Same,
    /// The same under this help.
    As(&'static str),
    /// Under this help, and without the variable: it says where something is now, the variable where the next run finds it.
    Now(&'static str),
}

impl RunOption {
    /// The environment variable that sets it, `FRUITS_TOP_CLASSES` for instance; none where it has none.
    #[must_use]
    pub fn variable(&self) -> Option<String> {
        let name = || self.name.replace('-', "_").to_uppercase();
        self.has_variable.then(|| format!("FRUITS_{}", name()))
    }

    /// Whether it is of no use to a run by this descriptor.
    #[must_use]
    pub fn is_idle(&self, descriptor: &str) -> bool {
        self.only_for.is_some_and(|only| only.name() != descriptor)
    }

    /// The value where nothing is said.
    #[must_use]
    pub fn default_value(&self) -> Option<Value> {
        match self.kind {
            Kind::Flag => Some(Value::Flag(false)),
            _ if self.default.is_empty() => None,
            kind => kind.read(self.default).ok().flatten(),
        }
    }

    /// The value of a text.
    ///
    /// # Errors
    /// [`Error::Invalid`], which names the option.
    pub fn read(&self, text: &str) -> Result<Option<Value>> {
        self.kind.read(text).map_err(|why| self.invalid(text, &why))
    }

    /// The value that a record holds.
    ///
    /// # Errors
    /// [`Error::Invalid`], which names the option.
    pub fn recorded(&self, parameter: &Parameter) -> Result<Option<Value>> {
        let text = &parameter.value;
        let names = match (self.kind, parameter.values.is_empty()) {
            _ if text.is_empty() => return Ok(None),
            (Kind::Texts, false) => parameter.values.clone(),
            // What wrote only this much took every comma for one between two names.
            (Kind::Texts, true) => text.split(',').map(str::to_owned).collect(),
            _ => return self.read(text),
        };
        self.kind
            .list(names)
            .map_err(|why| self.invalid(text, &why))
    }

    /// What is recorded of a value.
    #[must_use]
    pub fn parameter(&self, value: Option<&Value>, origin: Origin) -> Parameter {
        Parameter {
            name: self.name.to_owned(),
            value: value.map(ToString::to_string).unwrap_or_default(),
            values: match value {
                Some(Value::Texts(names)) => names.clone(),
                _ => Vec::new(),
            },
            origin,
        }
    }

    /// A text that is no value of this option, and why.
    #[must_use]
    pub fn invalid(&self, text: &str, why: &str) -> Error {
        let option = match self.value_name {
            "" => format!("--{}", self.name),
            value => format!("--{} <{value}>", self.name),
        };
        Error::Invalid(format!("invalid value '{text}' for '{option}': {why}"))
    }
}
