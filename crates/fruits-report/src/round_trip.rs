//! For every option and values that are easily taken for something else: they are read alike from flag, variable and file,
//! and what is printed or recorded of them gives the same run again.

use std::ffi::OsString;

use fruits::features::DescriptorName;
use fruits::options::{Kind, OPTIONS, Role, RunOption, Value, command, find};
use fruits::record::{Origin, Parameter};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;

use crate::cli::typed;
use crate::config;
use crate::options::Options;
use crate::settings::{Setting, Settings, Values, environment};

/// Texts that are dates, numbers, comments, lists or syntax somewhere on the way.
const HOSTILE: [&str; 40] = [
    "",
    " ",
    " a ",
    "a b",
    "1979-05-27",
    "1979-05-27T07:32:00Z",
    "07:32:00",
    "1e5",
    "1E-3",
    "0x10",
    "0b1",
    "1_000",
    "+7",
    "-0",
    "007",
    "18446744073709551615",
    "0.1",
    "0.30000000000000004",
    "5",
    "5 # five",
    "# five",
    "nan",
    "inf",
    "true",
    "no",
    "[1]",
    "[\"a\"]",
    "{ a = 1 }",
    "a,b",
    "a\\,b,c",
    "a\\",
    "\\\\,\\",
    ",",
    "it's",
    "say \"no\"",
    "\"\"\"'''",
    "a\nb\r\n\tc\u{1b}\u{7f}",
    "$HOME `id` !! * ~ \\n %s",
    "Äpfel 🍎 \u{2028}\u{feff}",
    "--limit=3",
];

/// Values that each option takes, beside those of [`HOSTILE`] that it does.
fn plain(option: &RunOption) -> Vec<&'static str> {
    match option.kind {
        Kind::Choice(words) => words.to_vec(),
        Kind::Files => vec!["10", "2.5%"],
        Kind::Whole { .. } => vec!["7"],
        Kind::Number { .. } => vec!["1", "0.5", "30", "1e3"],
        Kind::Flag => vec!["true", "false"],
        Kind::Text | Kind::Texts => vec!["A", "A,B"],
        Kind::Parsed(_) => vec![
            "a folder",
            "s3://bucket/pre fix",
            "colour",
            "nearest",
            "parent",
            "bf16",
            "linfa",
            "ballista://h:1",
        ],
    }
}

fn cases() -> impl Iterator<Item = (&'static RunOption, &'static str)> {
    OPTIONS.iter().flat_map(|option| {
        let texts = plain(option).into_iter().chain(HOSTILE);
        texts.map(move |text| (option, text))
    })
}

fn from_words(words: &[String]) -> Result<Values, String> {
    let words = std::iter::once("report").chain(words.iter().map(String::as_str));
    let words: Vec<_> = words.map(OsString::from).collect();
    typed(&words)
        .map(|cli| cli.typed.0)
        .map_err(|e| e.to_string())
}

fn from_variable(option: &RunOption, text: &str) -> Result<Values, String> {
    let name = option.variable();
    let variable = |asked: &str| (name.as_deref() == Some(asked)).then(|| text.into());
    environment(OPTIONS.iter(), &variable).map_err(|e| e.to_string())
}

fn from_file(option: &RunOption, text: &str) -> Result<Values, String> {
    let line = toml::Table::from_iter([(option.name.to_owned(), toml::Value::from(text))]);
    config::values(&line.to_string())
}

fn settings(origin: Origin, values: Values) -> Settings {
    Settings::layered(&[(origin, values)]).unwrap()
}

/// Name and value of each option that `is_meant`.
fn values(settings: &Settings, is_meant: fn(&Setting) -> bool) -> Vec<(&str, Option<Value>)> {
    let meant = settings.iter().filter(|s| is_meant(s));
    meant.map(|s| (s.option.name, s.value.clone())).collect()
}

#[test]
fn flag_variable_and_file_are_read_alike() {
    let mut n_taken = 0;
    for (option, text) in cases() {
        let case = format!("{} {text:?}", option.name);
        let file = from_file(option, text);
        if option.role == Role::Call {
            assert!(file.unwrap_err().contains("no option"), "{case}");
            continue;
        }
        let variable = from_variable(option, text);
        if text.is_empty() {
            assert_eq!(variable.unwrap(), Values::new(), "{case}");
        } else {
            assert_alike(&variable, &file, &case);
        }
        if !matches!(option.kind, Kind::Flag) {
            let flag = from_words(&[format!("--{}={text}", option.name)]);
            assert_alike(&flag, &file, &case);
        }
        if let Err(why) = &file {
            assert!(why.contains(&format!("--{}", option.name)), "{why}");
        }
        n_taken += usize::from(file.is_ok());
    }
    assert!(n_taken > 300, "only {n_taken} values were taken");
}

/// The same values, or refused for the same reason.
fn assert_alike(a: &Result<Values, String>, b: &Result<Values, String>, case: &str) {
    match (a, b) {
        (Ok(a), Ok(b)) => assert_eq!(a, b, "{case}"),
        (Err(a), Err(b)) => {
            let reason = |why: &str| {
                let from = why.find("invalid value").unwrap_or_else(|| panic!("{why}"));
                let why = why[from..].split("\n\nFor more information").next();
                why.unwrap_or_default().trim_end().to_owned()
            };
            assert_eq!(reason(a), reason(b), "{case}");
        }
        _ => panic!("{case}: {a:?} and {b:?}"),
    }
}

#[test]
fn what_is_printed_reads_back() {
    for (option, text) in cases() {
        let Ok(read) = from_file(option, text) else {
            continue;
        };
        let said = settings(Origin::Flag, read);
        let printed = config::to_toml(&said);
        let descriptor = said
            .parsed::<DescriptorName>("descriptor")
            .unwrap()
            .unwrap();
        let in_file = |o: &&RunOption| o.role != Role::Call && !o.is_idle(descriptor.name());
        let n_lines = OPTIONS.iter().filter(in_file).count();
        assert_eq!(printed.lines().count(), n_lines, "{printed}");
        assert_reads_back(&said, &printed);
    }
}

fn assert_reads_back(said: &Settings, printed: &str) {
    let again = config::values(printed).unwrap_or_else(|why| panic!("{why}\n{printed}"));
    let again = settings(Origin::File, again);
    let all = |_: &Setting| true;
    assert_eq!(values(said, all), values(&again, all), "{printed}");
}

/// An option that may stand in a file, and any value that its kind takes.
fn option_and_value() -> impl Strategy<Value = (&'static RunOption, Value)> {
    let options: Vec<_> = OPTIONS.iter().filter(|o| o.role != Role::Call).collect();
    select(options).prop_flat_map(|option| {
        let whole = any::<u64>().prop_map(|n| n.to_string());
        let text = match option.kind {
            Kind::Whole { .. } => whole.boxed(),
            Kind::Number { .. } => prop_oneof![0.0..=1.0, 1.0..=3600.0, any::<f64>()]
                .prop_map(|x: f64| x.to_string())
                .boxed(),
            Kind::Files => {
                let share = (0.0..=100.0).prop_map(|share: f64| format!("{share}%"));
                prop_oneof![whole, share].boxed()
            }
            Kind::Flag | Kind::Choice(_) | Kind::Text | Kind::Texts | Kind::Parsed(_) => {
                let plain = select(plain(option)).prop_map(str::to_owned);
                prop_oneof![
                    plain,
                    "(?s).{0,16}",
                    "[\"'\\\\,a\n]{1,8}",
                    "s3://[ -~]{1,16}"
                ]
                .boxed()
            }
        };
        text.prop_filter_map("its kind takes it", move |text| {
            Some((option, option.read(&text).ok()??))
        })
    })
}

proptest! {
    // The same cases in every run; what fails is printed, and nothing is written.
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(42),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_value_that_is_printed_reads_back((option, value) in option_and_value()) {
        let said = settings(Origin::Flag, Values::from([(option.name, Some(value))]));
        assert_reads_back(&said, &config::to_toml(&said));
    }
}

#[test]
fn the_command_of_a_record_reads_back() {
    for (option, text) in cases().filter(|(option, _)| option.role == Role::Result) {
        let Ok(read) = from_file(option, text) else {
            continue;
        };
        let said = settings(Origin::Flag, read);
        let parameters = said.parameters(Role::Result);
        let words = shell_words(&command(&parameters));
        assert_eq!(words[0], "report");
        assert!(words.len() <= 2, "{words:?}");
        let again = from_words(&words[1..]).unwrap_or_else(|why| panic!("{why}\n{words:?}"));
        let decide = |s: &Setting| s.option.role == Role::Result;
        let again = settings(Origin::Flag, again);
        assert_eq!(values(&said, decide), values(&again, decide), "{words:?}");
        // So does the record itself.
        for parameter in &parameters {
            let json = serde_json::to_string(parameter).unwrap();
            let parameter: Parameter = serde_json::from_str(&json).unwrap();
            let option = find(&parameter.name).unwrap();
            let recorded = option.recorded(&parameter).unwrap();
            let own = said.iter().find(|s| s.option.name == option.name).unwrap();
            assert_eq!(recorded, own.value, "{json}");
        }
    }
}

/// Words as a POSIX shell splits them; panics where it would do more.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        let word = words.last_mut().unwrap();
        match c {
            ' ' => words.push(String::new()),
            '\'' => word.extend(rest.by_ref().take_while(|&c| c != '\'')),
            '\\' => word.extend(rest.next()),
            c => {
                assert!(!"\"$`*?[]{}()<>|&;#~!\n\t".contains(c), "{c:?} in {line}");
                word.push(c);
            }
        }
    }
    words
}

#[test]
fn lists_keep_their_names() {
    let names = |values: &Values| match &values["classes"] {
        Some(Value::Texts(names)) => names.clone(),
        other => panic!("{other:?}"),
    };
    let words = ["--classes", r"a\,b,c", "--classes=d"].map(str::to_owned);
    assert_eq!(names(&from_words(&words).unwrap()), ["a,b", "c", "d"]);
    let file = r#"classes = ["a,b", 'c\', "d\\,"]"#;
    let read = config::values(file).unwrap();
    assert_eq!(names(&read), ["a,b", r"c\", r"d\,"]);
    let recorded = settings(Origin::File, read).parameters(Role::Result);
    let classes = recorded.iter().find(|p| p.name == "classes").unwrap();
    assert_eq!(classes.value, r"a,b,c\,d\,");
    assert_eq!(command(&recorded), r"report --classes='a\,b,c\\,d\\\,'");

    // Records without `values` are of programs that split at every comma.
    let old = r#"{"name":"classes","value":"a,b\\,c","origin":"flag"}"#;
    let old: Parameter = serde_json::from_str(old).unwrap();
    let recorded = find("classes").unwrap().recorded(&old).unwrap();
    let names = ["a", r"b\", "c"].map(str::to_owned).to_vec();
    assert_eq!(recorded, Some(Value::Texts(names)));
}

#[test]
fn numbers_of_a_file_are_numbers_and_texts_stand_in_quotes() {
    for (line, value) in [
        ("seed = 0x10", Value::Whole(16)),
        ("seed = 1_000", Value::Whole(1000)),
        ("perplexity = 1e1", Value::Number(10.0)),
        ("perplexity = 11", Value::Number(11.0)),
        ("max-rejected = 3", Value::Whole(3)),
        ("quiet = true", Value::Flag(true)),
        ("quiet = \"yes\"", Value::Flag(true)),
    ] {
        let values = config::values(line).unwrap();
        assert_eq!(values.values().next(), Some(&Some(value)), "{line}");
    }
    for (line, words) in [
        ("prefix = 2024", "put it in quotes"),
        ("prefix = 1979-05-27", "put it in quotes"),
        ("input = true", "put it in quotes"),
        ("limit = true", "takes a number"),
        ("limit = 1e5", "is no whole number"),
        ("perplexity = nan", "must be between"),
        ("classes = 5", "list of strings"),
        ("classes = [1]", "list of strings"),
        ("classes = []", "empty list"),
        ("bucket = [\"a\"]", "not a list"),
        ("quiet = 1", "neither true nor false"),
    ] {
        let why = config::values(line).unwrap_err();
        let name = line.split(' ').next().unwrap();
        assert!(why.contains(words) && why.contains(name), "{line}: {why}");
    }
}

#[test]
fn every_option_is_used() {
    let told = |values| {
        format!(
            "{:?}",
            Options::of(&settings(Origin::Flag, values)).unwrap()
        )
    };
    let nothing = told(Values::new());
    for option in OPTIONS.iter().filter(|option| option.name != "config") {
        let mut texts = plain(option).into_iter();
        let changes = texts.any(|text| match option.read(text) {
            Ok(value) => told(Values::from([(option.name, value)])) != nothing,
            Err(_) => false,
        });
        assert!(changes, "{} changes nothing", option.name);
    }
}
