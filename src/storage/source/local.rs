//! A folder of images on this machine.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use walkdir::WalkDir;

use super::chosen;
use super::listing::{Listing, Object, State, Unlisted, is_left_behind};
use super::looks::Looks;
use crate::error::{Error, Result};
pub use crate::storage::digest::{hex, of_file as sha256};
use crate::storage::rejection::Reason;

const LINK_OUT: &str = "a link out of the input folder is not followed; put the file itself there, or give --input a folder \
                        that holds both";

/// A folder of images; keys are paths below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFolder {
    root: PathBuf,
    /// Keys of the only files that are listed; absent where all are.
    only: Option<Arc<BTreeSet<String>>>,
}

/// What a walk found.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Walked {
    pub n_files: u64,
    /// A run follows links within the folder, so it may have listed more files.
    pub has_links: bool,
}

impl LocalFolder {
    /// Takes a folder that exists.
    ///
    /// # Errors
    /// [`Error::Storage`] if `root` is missing or is no folder.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let metadata = root
            .metadata()
            .map_err(Error::storage("read folder", &root))?;
        if !metadata.is_dir() {
            let source = io::Error::new(io::ErrorKind::NotADirectory, "it is a file, not a folder");
            return Err(Error::storage("read folder", &root)(source));
        }
        Ok(Self { root, only: None })
    }

    /// The same folder, of which these files are listed alone, each by its key and none behind a link.
    #[must_use]
    pub(crate) fn only(&self, keys: BTreeSet<String>) -> Self {
        Self {
            root: self.root.clone(),
            only: Some(Arc::new(keys)),
        }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All files below the folder but what systems leave and hide, sorted by key. Links are followed within the folder. A
    /// link out of it is an [`Unlisted`] entry, as are a link to nothing, a loop of links and a folder that cannot be opened.
    /// `keep_going` hears several times a second how many files there are.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if it says no.
    pub fn list(&self, keep_going: &mut dyn FnMut(u64) -> bool) -> Result<Listing> {
        if let Some(keys) = &self.only {
            return chosen::list(&self.root, keys, keep_going);
        }
        let mut listing = Listing::default();
        let root = self.root.canonicalize();
        let root = root.map_err(Error::storage("read folder", &self.root))?;
        let mut walk = WalkDir::new(&self.root)
            .follow_links(true)
            .min_depth(1)
            .into_iter();
        let mut looks = Looks::default();
        while let Some(entry) = walk.next() {
            looks.look(listing.objects.len() as u64, keep_going)?;
            // Links to nothing and loops of links, among them the locks that Emacs makes beside a file.
            if let Err(fault) = &entry
                && fault.path().is_some_and(|path| self.is_left_behind(path))
            {
                listing.n_left_behind += 1;
                continue;
            }
            if let Ok(entry) = &entry {
                let is_folder = entry.file_type().is_dir();
                if is_left_behind(&entry.file_name().to_string_lossy(), is_folder) {
                    listing.n_left_behind += 1;
                    if is_folder {
                        walk.skip_current_dir();
                    }
                    continue;
                }
                if entry.path_is_symlink() && !leads_below(entry.path(), &root) {
                    listing.unlisted.push(Unlisted {
                        key: self.key(entry.path()),
                        reason: Reason::Unreadable,
                        message: LINK_OUT.to_owned(),
                    });
                    if is_folder {
                        walk.skip_current_dir();
                    }
                    continue;
                }
            }
            match entry.and_then(|e| Ok((e.metadata()?, e))) {
                Ok((metadata, entry)) if metadata.is_file() => listing.objects.push(Object {
                    key: self.key(entry.path()),
                    size_bytes: metadata.len(),
                    state: State::File(entry.into_path()),
                }),
                Ok(_) => {}
                Err(fault) => listing.unlisted.push(Unlisted {
                    key: self.key(fault.path().unwrap_or(&self.root)),
                    reason: fault
                        .io_error()
                        .map_or(Reason::Unreadable, Reason::of_reading),
                    message: fault
                        .io_error()
                        .map_or(fault.to_string(), ToString::to_string),
                }),
            }
        }
        listing
            .objects
            .sort_by(|a, b| (&a.key, &a.state).cmp(&(&b.key, &b.state)));
        listing.unlisted.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(listing)
    }

    /// Tells `see` the key of each file below the folder, in no order, and counts them, at most `most`: links are not
    /// followed and count as files, and what systems leave and hide is left out as in [`LocalFolder::list`].
    ///
    /// # Errors
    /// [`Error::Cancelled`] with `stop`.
    pub(crate) fn walk(
        &self,
        most: u64,
        stop: &AtomicBool,
        see: &mut dyn FnMut(&str),
    ) -> Result<Walked> {
        let mut walked = Walked::default();
        let mut walk = WalkDir::new(&self.root).min_depth(1).into_iter();
        while walked.n_files < most {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            let entry = match walk.next() {
                None => break,
                Some(Ok(entry)) => entry,
                Some(Err(fault)) if fault.path().is_some_and(|path| self.is_left_behind(path)) => {
                    continue;
                }
                // A folder that cannot be opened, which the list of a run has, too.
                Some(Err(_)) => {
                    walked.n_files += 1;
                    continue;
                }
            };
            let kind = entry.file_type();
            let is_folder = kind.is_dir() || kind.is_symlink() && entry.path().is_dir();
            if is_left_behind(&entry.file_name().to_string_lossy(), is_folder) {
                if kind.is_dir() {
                    walk.skip_current_dir();
                }
            } else if kind.is_file() || kind.is_symlink() {
                walked.n_files += 1;
                walked.has_links |= kind.is_symlink();
                see(&self.key(entry.path()));
            }
        }
        Ok(walked)
    }

    /// The bytes of the file with this key, and no more than one above `size_bytes`, its size when it was listed. A manifest may
    /// be anybody's, so what lies elsewhere and what is no file is not opened.
    ///
    /// # Errors
    /// What the operating system said; [`io::ErrorKind::InvalidInput`] if the key leads out of the folder or to what is no
    /// regular file.
    pub fn read(&self, key: &str, size_bytes: u64) -> io::Result<Vec<u8>> {
        let refused = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        let is_name = |part: Component| matches!(part, Component::Normal(_));
        if !Path::new(key).components().all(is_name) {
            return refused("the key leads out of the input folder");
        }
        let path = self.root.join(key).canonicalize()?;
        if !path.starts_with(self.root.canonicalize()?) {
            return refused(LINK_OUT);
        }
        if !path.metadata()?.is_file() {
            return refused("it is no regular file");
        }
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path)?;
        file.take(size_bytes.saturating_add(1))
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether a path below the folder has a name that systems leave; the folder itself may be called so.
    fn is_left_behind(&self, path: &Path) -> bool {
        let below = path.strip_prefix(&self.root).ok();
        let name = below.and_then(Path::file_name);
        name.is_some_and(|name| is_left_behind(&name.to_string_lossy(), path.is_dir()))
    }

    fn key(&self, path: &Path) -> String {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }
}

/// Whether a link ends at something below `root`, which has no links in it.
fn leads_below(link: &Path, root: &Path) -> bool {
    link.canonicalize().is_ok_and(|end| end.starts_with(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_folder_are_read_and_no_more_than_was_listed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("in/a")).unwrap();
        std::fs::write(at("in/a/image"), [7; 10]).unwrap();
        std::fs::write(at("secret"), "theirs").unwrap();
        std::os::unix::fs::symlink(at("in/a/image"), at("in/within")).unwrap();
        std::os::unix::fs::symlink(at("secret"), at("in/out")).unwrap();
        std::os::unix::fs::symlink(folder.path(), at("in/up")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("in/zero")).unwrap();
        let images = LocalFolder::open(at("in")).unwrap();
        assert_eq!(images.read("a/image", 10).unwrap(), [7; 10]);
        assert_eq!(images.read("within", 10).unwrap(), [7; 10]);
        assert_eq!(images.read("a/image", 4).unwrap().len(), 5);
        let secret = at("secret").display().to_string();
        let dots = ["../secret", "a/../../secret", ".", "..", "", "a"];
        let others = ["out", "up/secret", "zero", "/dev/zero", &secret];
        for key in dots.into_iter().chain(others) {
            assert!(images.read(key, 10).is_err(), "{key}");
        }
    }
}
