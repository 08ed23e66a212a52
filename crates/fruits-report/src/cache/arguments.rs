//! What the user typed of `report cache`.

use std::path::Path;

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};
use fruits::Result;
use fruits::options::{RunOption, Value, find};
use fruits::record::Origin;

use crate::options::{LogFormat, Options};
use crate::settings::{Settings, Values, Variable, environment};
use crate::{config, typed};

/// What can be done with a cache.
#[derive(Debug, Clone, Subcommand)]
pub enum CacheTask {
    /// Read everything in the cache and say what is damaged; exit code 4 if something is. Changes nothing
    Check(Said),
    /// Remove what no run of this program can use: damaged shards, those of other versions, and what killed runs left
    Prune(Prune),
}

/// What goes beside what cannot be used.
#[derive(Debug, Clone, Args)]
pub struct Prune {
    /// Remove shards that were written this many days ago or earlier, too, however good; 0 removes all
    #[arg(long, value_name = "DAYS")]
    pub older_than: Option<u64>,
    /// Say what would be removed, and remove nothing
    #[arg(id = DRY_RUN, long)]
    dry_run: bool,
    #[command(flatten)]
    said: Said,
}

/// What was said of the options of a run that are options here, too.
#[derive(Debug, Clone)]
pub struct Said {
    typed: Values,
    variables: Values,
}

const DRY_RUN: &str = "dry-run";
/// These options by name, and what they mean here; without a word the same as to a run.
const SHARED: [(&str, &str); 11] = [
    (
        "cache",
        "The cache, here or s3://bucket/prefix [default: that of a run, fruits in the user's cache folder]",
    ),
    (
        "region",
        "Region of the bucket [default: AWS_REGION, the profile's or the instance's]",
    ),
    ("endpoint-url", ""),
    ("profile", ""),
    ("no-sign-request", ""),
    ("request-payer", ""),
    ("s3-timeout", ""),
    ("threads", "Threads [default: all cores]"),
    (
        "config",
        "TOML file of the options of a run, of which these are heeded",
    ),
    (
        "log",
        "How progress and findings are told: text, or json, an object a line",
    ),
    (
        "quiet",
        "Show what is damaged, errors and the final line only",
    ),
];

fn shared() -> impl Iterator<Item = &'static RunOption> {
    SHARED.iter().filter_map(|(name, _)| find(name))
}

impl Args for Said {
    fn augment_args(command: Command) -> Command {
        let args = SHARED.iter().filter_map(|(name, help)| {
            let arg = typed::arg(find(name)?).help_heading(None::<&str>);
            Some(match help.is_empty() {
                true => arg,
                false => arg.help(*help),
            })
        });
        command.args(args)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Said {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            typed: typed::values(matches, shared()),
            variables: Values::new(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl CacheTask {
    /// Reads the variables of the options that a run has, too.
    pub fn heed(&mut self, variable: Variable) -> Result<()> {
        match self {
            Self::Check(said) => said.variables = environment(shared(), variable)?,
            Self::Prune(task) => {
                let heeded = shared().chain(find(DRY_RUN));
                task.said.variables = environment(heeded, variable)?;
            }
        }
        Ok(())
    }

    pub fn log(&self) -> LogFormat {
        self.options()
            .map_or(LogFormat::Text, |options| options.log)
    }

    /// What was said, by flags, variables and the file.
    pub fn options(&self) -> Result<Options> {
        let (said, is_dry) = match self {
            Self::Check(said) => (said, false),
            Self::Prune(task) => (&task.said, task.dry_run),
        };
        let Said { typed, variables } = said;
        let mut file = match typed.get("config").or_else(|| variables.get("config")) {
            Some(Some(Value::Text(path))) => config::read(Path::new(path))?,
            _ => Values::new(),
        };
        file.retain(|name, _| SHARED.iter().any(|(shared, _)| shared == name));
        let mut options = Options::of(&Settings::layered(&[
            (Origin::Flag, typed.clone()),
            (Origin::Environment, variables.clone()),
            (Origin::File, file),
        ])?)?;
        options.dry_run |= is_dry;
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::{SHARED, find};

    #[test]
    fn each_shared_option_is_in_the_table() {
        for (name, _) in SHARED {
            assert!(find(name).is_some(), "{name}");
        }
    }
}
