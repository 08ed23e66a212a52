//! Values of options, where each came from, and which of several wins.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::str::FromStr;

use fruits::features::DescriptorName;
use fruits::options::{OPTIONS, Role, RunOption, Value};
use fruits::record::{Origin, Parameter};
use fruits::{Error, Result};

/// What one origin says, by the name of the option: a value, or that there is none.
pub type Values = BTreeMap<&'static str, Option<Value>>;

/// Looks up an environment variable.
pub type Variable<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// An option, its value and who set it.
#[derive(Debug, Clone)]
pub struct Setting {
    pub option: &'static RunOption,
    pub value: Option<Value>,
    pub origin: Origin,
}

/// All options, in the order of the help.
#[derive(Debug, Clone)]
pub struct Settings(Vec<Setting>);

impl Settings {
    /// Of each option the value of the first layer that says something of it, else its default.
    pub fn layered(layers: &[(Origin, Values)]) -> Result<Self> {
        let setting = |option: &'static RunOption| {
            let mut said = layers
                .iter()
                .filter_map(|(origin, values)| Some((values.get(option.name)?.clone(), *origin)));
            let (value, origin) = said
                .next()
                .unwrap_or_else(|| (option.default_value(), Origin::Default));
            Setting {
                option,
                value,
                origin,
            }
        };
        let mut settings = Self(OPTIONS.iter().map(setting).collect());
        settings.one_of("components", "variance")?;
        let bucket = settings.origin("bucket");
        if settings.one_of("input", "bucket")? == Some("bucket")
            && settings.origin("prefix") <= bucket
        {
            settings.clear("prefix");
        }
        settings.one_descriptor()?;
        Ok(settings)
    }

    /// Drops what the descriptor has no use for; that is an error where it was said in no weaker place than the descriptor.
    fn one_descriptor(&mut self) -> Result<()> {
        let Some(descriptor) = self.parsed::<DescriptorName>("descriptor")? else {
            return Ok(());
        };
        let chosen = self.origin("descriptor");
        let idle = |s: &Setting| s.option.is_idle(descriptor.name());
        let is_said = |s: &&Setting| s.origin != Origin::Default && Some(s.origin) >= chosen;
        if let Some(setting) = self.0.iter().filter(|s| idle(s)).find(is_said) {
            let name = setting.option.name;
            let only = setting.option.only_for.unwrap_or_default();
            return Err(Error::Invalid(format!(
                "{name} is for the descriptor {only}, and {descriptor} has none; leave it out, or take --descriptor {only}"
            )));
        }
        self.0.retain(|s| !idle(s));
        Ok(())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter()
    }

    /// What is recorded of the options of a role.
    pub fn parameters(&self, role: Role) -> Vec<Parameter> {
        let recorded = self.iter().filter(|setting| setting.option.role == role);
        recorded
            .map(|s| s.option.parameter(s.value.as_ref(), s.origin))
            .collect()
    }

    pub fn is_up(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Flag(true)))
    }

    pub fn whole(&self, name: &str) -> Option<u64> {
        match self.value(name) {
            Some(Value::Whole(n)) => Some(*n),
            _ => None,
        }
    }

    pub fn count(&self, name: &str) -> Option<usize> {
        self.whole(name).map(|n| n as usize)
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        match self.value(name) {
            Some(Value::Number(x)) => Some(*x),
            _ => None,
        }
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.value(name).map(ToString::to_string)
    }

    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        match self.value(name) {
            Some(Value::Texts(names)) => Some(names.clone()),
            _ => None,
        }
    }

    /// A text as what it stands for.
    pub fn parsed<T>(&self, name: &str) -> Result<Option<T>>
    where
        T: FromStr,
        Error: From<T::Err>,
    {
        let text = self.value(name).map(ToString::to_string);
        Ok(text.map(|text| text.parse()).transpose()?)
    }

    fn value(&self, name: &str) -> Option<&Value> {
        let setting = self.iter().find(|s| s.option.name == name)?;
        setting.value.as_ref()
    }

    fn origin(&self, name: &str) -> Option<Origin> {
        let setting = self.iter().find(|s| s.option.name == name)?;
        Some(setting.origin)
    }

    /// Where both are set, clears the one of weaker origin and says which that is.
    fn one_of<'a>(&mut self, a: &'a str, b: &'a str) -> Result<Option<&'a str>> {
        if self.value(a).is_none() || self.value(b).is_none() {
            return Ok(None);
        }
        let weaker = match self.origin(a).cmp(&self.origin(b)) {
            Ordering::Less => a,
            Ordering::Greater => b,
            Ordering::Equal => {
                let message = format!("{a} and {b} are both given; name one of them");
                return Err(Error::Invalid(message));
            }
        };
        self.clear(weaker);
        Ok(Some(weaker))
    }

    fn clear(&mut self, name: &str) {
        if let Some(setting) = self.0.iter_mut().find(|s| s.option.name == name) {
            setting.value = None;
            setting.origin = Origin::Default;
        }
    }
}

/// What the variables of `options` say. An empty variable is an unset one.
pub fn environment(
    options: impl Iterator<Item = &'static RunOption>,
    variable: Variable,
) -> Result<Values> {
    let mut values = Values::new();
    for option in options {
        let Some(name) = option.variable() else {
            continue;
        };
        let Some(text) = variable(&name).filter(|text| !text.is_empty()) else {
            continue;
        };
        let wrong = |why: String| Error::Invalid(format!("variable {name}: {why}"));
        let text = text
            .to_str()
            .ok_or_else(|| wrong(format!("the value for '--{}' is no UTF-8", option.name)))?;
        let value = option.read(text).map_err(|e| wrong(e.to_string()))?;
        values.insert(option.name, value);
    }
    Ok(values)
}
