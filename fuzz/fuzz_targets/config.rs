//! The file of options: what is taken of it is printed as a file that says the same.
#![no_main]
#![allow(dead_code, reason = "the files of the package are whole")]

#[path = "../../crates/fruits-report/src/config.rs"]
mod config;
#[path = "../../crates/fruits-report/src/settings.rs"]
mod settings;

use fruits::record::Origin;
use libfuzzer_sys::fuzz_target;
use settings::Settings;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let values = match config::values(text) {
        Ok(values) => values,
        Err(said) => return assert!(!said.trim().is_empty()),
    };
    let settings = match Settings::layered(&[(Origin::File, values)]) {
        Ok(settings) => settings,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let printed = config::to_toml(&settings);
    let again = config::values(&printed);
    let again = again.unwrap_or_else(|why| panic!("{why}, in what was printed:\n{printed}"));
    let again = Settings::layered(&[(Origin::File, again)]).expect("options that were in force");
    for (setting, other) in settings.iter().zip(again.iter()) {
        assert_eq!(setting.option.name, other.option.name);
        assert_eq!(
            setting.value, other.value,
            "{} in\n{printed}",
            setting.option.name
        );
        // As a record holds it.
        let parameter = setting
            .option
            .parameter(setting.value.as_ref(), setting.origin);
        let recorded = setting
            .option
            .recorded(&parameter)
            .expect("a value that was read");
        assert_eq!(recorded, setting.value, "{}", setting.option.name);
    }
});
