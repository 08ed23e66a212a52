//! Options of a run on the command line.

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use fruits::options::{InVerify, Kind, OPTIONS, RunOption, Value, find};

use crate::settings::Values;

/// What was typed of the options of a run.
#[derive(Debug, Clone)]
pub struct Typed(pub Values);

impl Args for Typed {
    fn augment_args(command: Command) -> Command {
        command.args(OPTIONS.iter().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Typed {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(values(matches, OPTIONS.iter())))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// An option as clap has it. Its variable is read by `settings::environment`.
pub fn arg(option: &'static RunOption) -> Arg {
    let kind = option.kind;
    let arg = Arg::new(option.name)
        .long(option.name)
        .help(option.help)
        .help_heading(option.group);
    let action = match kind {
        Kind::Flag => return arg.action(ArgAction::SetTrue),
        Kind::Texts => ArgAction::Append,
        _ => ArgAction::Set,
    };
    let arg = arg
        .action(action)
        .value_name(option.value_name)
        .value_parser(move |text: &str| kind.read(text));
    match option.default {
        "" => arg,
        default => arg.default_value(default),
    }
}

/// The values that stand on the command line; lists of an option that is given several times are one list.
pub fn values(matches: &ArgMatches, options: impl Iterator<Item = &'static RunOption>) -> Values {
    let typed = options
        .filter(|option| matches.value_source(option.name) == Some(ValueSource::CommandLine));
    let value = |option: &'static RunOption| match option.kind {
        Kind::Flag => Some(Value::Flag(matches.get_flag(option.name))),
        Kind::Texts => {
            let lists = matches.get_many::<Option<Value>>(option.name)?.flatten();
            let names = lists.flat_map(|list| match list {
                Value::Texts(names) => names.clone(),
                _ => Vec::new(),
            });
            Some(Value::Texts(names.collect()))
        }
        _ => matches
            .get_one::<Option<Value>>(option.name)
            .cloned()
            .flatten(),
    };
    typed.map(|option| (option.name, value(option))).collect()
}

/// The command whose help tells the variables, too. Only its help is used: it would take an empty variable for a value.
pub fn with_variables(command: Command) -> Command {
    let shown = |arg: Arg| {
        let option = find(arg.get_id().as_str());
        match option.and_then(RunOption::variable) {
            Some(variable) => arg.env(variable),
            None => arg,
        }
    };
    let shown_in_verify = move |arg: Arg| match find(arg.get_id().as_str()) {
        Some(option) if matches!(option.in_verify, InVerify::Now(_)) => arg,
        _ => shown(arg),
    };
    command
        .mut_args(shown)
        .mut_subcommand("verify", |verify| verify.mut_args(shown_in_verify))
        .mut_subcommand("cache", |cache| {
            cache.mut_subcommands(|task| task.mut_args(shown))
        })
}
