//! What a cell shows: no value ends its own content, and HTML is one line.
#![no_main]

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::sync::{Mutex, OnceLock};

use fruits::notebook::{Sentence, Show};
use fruits::polars::prelude::*;
use fruits::rejection::{Reason, Rejection};
use fruits_fuzz::folder;
use libfuzzer_sys::fuzz_target;

const END: &str = "EVCXR_END_CONTENT";
const COMPLETE: &str = "EVCXR_EXECUTION_COMPLETE";

/// A file in the place of standard output: libFuzzer writes to the other one.
fn output() -> &'static Mutex<File> {
    static OUTPUT: OnceLock<Mutex<File>> = OnceLock::new();
    OUTPUT.get_or_init(|| {
        let path = folder().path().join("output");
        let mut options = File::options();
        let file = options
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .expect("a file");
        // SAFETY: both are open, and nothing of Rust's owns standard output.
        assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), 1) }, 1);
        Mutex::new(file)
    })
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(rest);
    match kind % 4 {
        0 => {
            let parts: Vec<&str> = text.split('\0').collect();
            let name = parts[0];
            let column = Column::new(name.into(), &parts);
            let frame = DataFrame::new(parts.len(), vec![column]).expect("a frame");
            assert_is_shown(&printed(&frame));
        }
        1 => assert_is_shown(&printed(&rejection(&text))),
        2 => assert_is_shown(&printed(&vec![rejection(&text), rejection("x")])),
        _ => {
            // A fault is printed where faults are.
            let fault = Sentence::from(fruits::Error::Invalid(text.into()));
            assert_eq!(printed(&Err::<DataFrame, _>(fault)), "");
        }
    }
});

fn rejection(text: &str) -> Rejection {
    let (key, message) = text.split_once('\0').unwrap_or((text, text));
    Rejection {
        key: key.to_owned(),
        size_bytes: 1,
        reason: Reason::Truncated,
        message: message.to_owned(),
    }
}

/// What evcxr reads when a value is shown.
fn printed(value: &impl Show) -> String {
    assert!(!value.html().contains(['\n', '\r']), "HTML of two lines");
    let mut file = output().lock().expect("one thread");
    file.set_len(0).expect("a file");
    value.evcxr_display();
    let mut printed = Vec::new();
    file.seek(SeekFrom::Start(0)).expect("a file");
    file.read_to_end(&mut printed).expect("a file");
    String::from_utf8(printed).expect("text")
}

/// Asserts that there are two contents, HTML and plain text, each up to its own end.
fn assert_is_shown(printed: &str) {
    let is_mark = |line: &&str| matches!(line.trim(), END | COMPLETE);
    let ends = printed.split('\n').filter(is_mark);
    let n_ends = ends.filter(|line| !line.starts_with(' ')).count();
    let n_begun = printed.matches("EVCXR_BEGIN_CONTENT text/").count();
    assert!(n_ends == 2 && n_begun >= 2, "{printed:?}");
}
