//! Files of a folder that are listed by their keys: nothing else of the folder is looked at.

use std::collections::BTreeSet;
use std::path::Path;

use super::listing::{Listing, Object, State, Unlisted};
use crate::error::{Error, Result};
use crate::storage::foreign::{Fault, Folder};
use crate::storage::rejection::Reason;

/// Files between two looks whether to go on.
const FILES_AT_A_TIME: usize = 1000;

/// Those of `keys` that are regular files below `root` and behind no link.
///
/// # Errors
/// [`Error::Storage`] if the folder cannot be opened, [`Error::Cancelled`] if `keep_going` says no.
pub(super) fn list(
    root: &Path,
    keys: &BTreeSet<String>,
    keep_going: &mut dyn FnMut(u64) -> bool,
) -> Result<Listing> {
    let folder = Folder::open(root).map_err(Error::storage("read folder", root))?;
    let mut listing = Listing::default();
    for (i, key) in keys.iter().enumerate() {
        if i.is_multiple_of(FILES_AT_A_TIME) && !keep_going(listing.objects.len() as u64) {
            return Err(Error::Cancelled);
        }
        match folder.look(key) {
            Ok(Some(size_bytes)) => listing.objects.push(Object {
                key: key.clone(),
                size_bytes,
                state: State::File(root.join(key)),
            }),
            Err(Fault::Io(error)) => listing.unlisted.push(Unlisted {
                key: key.clone(),
                reason: Reason::of_reading(&error),
                message: error.to_string(),
            }),
            _ => {}
        }
    }
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_is_listed_but_the_chosen_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("a/b")).unwrap();
        for name in ["a/1", "a/2", "c"] {
            std::fs::write(at(name), name).unwrap();
        }
        symlink("a", at("link")).unwrap();
        let keys = [
            "a/1",
            "c",
            "a/b",
            "link/2",
            "../c",
            "a",
            "/etc/passwd",
            "none",
            "a//2",
        ];
        let keys: BTreeSet<String> = keys.map(str::to_owned).into_iter().collect();
        let found = list(folder.path(), &keys, &mut |_| true).unwrap();
        let names: Vec<_> = found
            .objects
            .iter()
            .map(|o| (o.key.as_str(), o.size_bytes))
            .collect();
        assert_eq!(
            (names, found.unlisted),
            (vec![("a/1", 3), ("c", 1)], vec![])
        );
        let stopped = list(folder.path(), &keys, &mut |_| false);
        assert!(matches!(stopped, Err(Error::Cancelled)));
    }
}
