//! What the targets share. Each of them asserts what the library promises of foreign bytes; that it does not panic, hang or
//! take too much memory, libFuzzer asserts of all.

pub mod image;

use std::path::PathBuf;
use std::sync::OnceLock;

use fruits::storage::guard;
use tempfile::TempDir;

/// Lets panics pass that the library takes for a fault of the file: those of a decoder of another crate, under its guard. All
/// others end the process, as libFuzzer has it, among them those of the library's own code under that guard.
pub fn tell_panics_apart() {
    let end = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let file = panic.location().map_or("", std::panic::Location::file);
        let is_of_another = file.contains("/registry/src/");
        if !(guard::is_guarded() && is_of_another) {
            end(panic);
        }
    }));
}

/// A folder of this process that goes away with it, in memory where the machine has such a place.
pub fn folder() -> &'static TempDir {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let memory = PathBuf::from("/dev/shm");
        let parent = if memory.is_dir() {
            memory
        } else {
            std::env::temp_dir()
        };
        tempfile::Builder::new()
            .prefix("fruits-fuzz-")
            .tempdir_in(parent)
            .expect("a temporary folder")
    })
}

/// Writes a file of [`folder`].
pub fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().path().join(name);
    std::fs::write(&path, bytes).expect("a file in the temporary folder");
    path
}

/// Asserts that a text for people has something to say, on one line, whatever the bytes held.
pub fn assert_is_sentence(text: &str) {
    assert!(!text.trim().is_empty(), "nothing is said");
    assert!(!text.contains(char::is_control), "not one line: {text:?}");
}
