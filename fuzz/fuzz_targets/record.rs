//! `run.json` as `report verify` reads it: a record comes back as it was written, and its numbers are looked at without a fault.
#![no_main]

use std::fs;
use std::sync::atomic::AtomicBool;

use fruits::Error;
use fruits::verify;
use fruits_fuzz::{folder, write};
use libfuzzer_sys::fuzz_target;

static GOES_ON: AtomicBool = AtomicBool::new(false);

fuzz_target!(init: fruits_fuzz::tell_panics_apart(), |data: &[u8]| {
    write("run.json", data);
    let (recorded, finding) = verify::open(folder().path(), &GOES_ON).expect("a record is there");
    let Some(recorded) = recorded else {
        return assert!(!finding.detail.is_empty());
    };
    let mut n_found = 0;
    let looked = recorded.files(&GOES_ON, &mut |finding| {
        n_found += 1;
        assert!(!finding.what.is_empty() && !finding.detail.is_empty());
    });
    assert!(looked.is_ok() && n_found > 5);
    for option in fruits::options::OPTIONS {
        let parameters = recorded.run.parameters.iter().filter(|p| p.name == option.name);
        for parameter in parameters {
            match option.recorded(parameter) {
                Ok(value) => {
                    let again = option.parameter(value.as_ref(), parameter.origin);
                    assert_eq!(option.recorded(&again).expect("a value that was read"), value);
                }
                Err(Error::Invalid(said)) => assert!(said.contains(option.name)),
                Err(error) => panic!("{error}"),
            }
        }
    }
    let text = serde_json::to_vec(&recorded.run).expect("a record is JSON");
    fs::write(folder().path().join("run.json"), &text).expect("a file");
    let (again, _) = verify::open(folder().path(), &GOES_ON).expect("a record is there");
    let again = again.expect("what was written can be read").run;
    assert_eq!(serde_json::to_vec(&again).expect("JSON"), text);
});
