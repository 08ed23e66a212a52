//! Small folders of real images, made from `data-sample/`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::project;

/// The files of a class of `data-sample/`, sorted.
pub fn of_class(class: &str) -> Vec<PathBuf> {
    let folder = project().join("data-sample").join(class);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the class exists")
        .map(|e| e.expect("readable").path())
        .collect();
    files.sort();
    files
}

/// The classes of `data-sample/`, sorted.
pub fn classes() -> Vec<String> {
    let entries = fs::read_dir(project().join("data-sample")).expect("the sample is there");
    let folders = entries
        .map(|e| e.expect("readable"))
        .filter(|e| e.path().is_dir());
    let mut names: Vec<_> = folders
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Copies `per_class` images of each of the first `n_classes` classes below `root`.
pub fn sample(root: &Path, n_classes: usize, per_class: usize) {
    for class in classes().into_iter().take(n_classes) {
        let files = of_class(&class);
        let step = files.len() / per_class;
        assert!(step > 0, "{class} has only {} images", files.len());
        for file in files.into_iter().step_by(step).take(per_class) {
            put(
                root,
                &class,
                &file.file_name().expect("a name").to_string_lossy(),
                &fs::read(&file).expect("bytes"),
            );
        }
    }
}

/// Writes one file into a class.
pub fn put(root: &Path, class: &str, name: &str, bytes: &[u8]) {
    let folder = root.join(class);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(name), bytes).expect("a file");
}
