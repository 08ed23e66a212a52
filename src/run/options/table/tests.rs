//! What must hold for every option.

use super::*;
use crate::run::{DEFAULT_TIMEOUT_S, Params};
use crate::storage::s3::S3Params;
use crate::storage::source::Source;

#[test]
fn defaults_are_those_of_a_run_from_code() {
    let folder = tempfile::tempdir().unwrap();
    let params = Params::new(Source::folder(folder.path()).unwrap());
    for option in OPTIONS.iter().filter(|option| option.name != "input") {
        if let Some(of) = option.of {
            assert_eq!(of(&params), option.default_value(), "{}", option.name);
        }
    }
    for (name, default_s) in [
        ("s3-timeout", S3Params::default().timeout_s),
        ("engine-timeout", DEFAULT_TIMEOUT_S),
    ] {
        let default = find(name).unwrap().default_value();
        assert_eq!(default, Some(Value::Number(default_s)), "{name}");
    }
}

#[test]
fn names_are_unique_and_defaults_are_values() {
    for (i, option) in OPTIONS.iter().enumerate() {
        let same = OPTIONS[..i].iter().find(|other| other.name == option.name);
        assert!(same.is_none(), "{}", option.name);
        if !option.default.is_empty() {
            let default = option.default_value().map(|value| value.to_string());
            assert_eq!(default.as_deref(), Some(option.default), "{}", option.name);
        }
    }
}

#[test]
fn a_record_chooses_no_file_and_no_server() {
    for option in OPTIONS.iter().filter(|option| option.from_record) {
        assert_eq!(option.role, Role::Result, "{}", option.name);
        let names_something = matches!(option.value_name, "DIR" | "FILE" | "URL" | "RUN");
        assert!(!names_something, "{}", option.name);
    }
}
