//! What lies in a folder that is held open: listed and removed by name, through no link.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

use super::{Fault, Folder};

/// A name in a folder.
#[derive(Debug)]
pub(crate) struct Entry {
    pub name: String,
    pub what: What,
}

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum What {
    File {
        size_bytes: u64,
        /// When it was last written to.
        modified: SystemTime,
        /// Another one as soon as it is replaced or written to.
        state: String,
    },
    Folder,
    Link,
    /// A pipe, a device, a socket.
    Other,
}

impl Folder {
    /// What lies in the folder `key`, sorted by name; of an empty `key` in this one. A name that is no UTF-8 is left out.
    pub fn entries(&self, key: &str) -> Result<Vec<Entry>, Fault> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |folder: &dyn AsFd, name: &str| -> Result<OwnedFd, Fault> {
            match rustix::fs::openat(folder.as_fd(), name, flags, Mode::empty()) {
                Err(rustix::io::Errno::NOTDIR) => Err(Fault::Missing),
                opened => Ok(opened?),
            }
        };
        let folder = match key {
            "" => open(&self.handle, ".")?,
            key => match self.way(key)? {
                (Some(outer), name) => open(&outer, name)?,
                (None, name) => open(&self.handle, name)?,
            },
        };
        let mut entries = Vec::new();
        for found in Dir::read_from(&folder)? {
            let found = found?;
            let name = OsStr::from_bytes(found.file_name().to_bytes()).to_str();
            let Some(name) = name.filter(|name| !matches!(*name, "." | "..")) else {
                continue;
            };
            match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(found) => entries.push(Entry {
                    name: name.to_owned(),
                    what: what(&found),
                }),
                // Somebody removed it meanwhile.
                Err(rustix::io::Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Removes the name `key`, if it is there and no folder.
    pub fn remove(&self, key: &str) -> Result<(), Fault> {
        self.unlink(key, AtFlags::empty())
    }

    /// Removes the folder `key`, if it is there and empty.
    pub fn remove_empty(&self, key: &str) -> Result<(), Fault> {
        self.unlink(key, AtFlags::REMOVEDIR)
    }

    fn unlink(&self, key: &str, flags: AtFlags) -> Result<(), Fault> {
        let removed = self.way(key).and_then(|(folder, name)| {
            let folder = folder.as_ref().map_or(self.handle.as_fd(), AsFd::as_fd);
            Ok(rustix::fs::unlinkat(folder, name, flags)?)
        });
        match removed {
            Err(Fault::Missing) => Ok(()),
            removed => removed,
        }
    }
}

fn what(found: &Stat) -> What {
    match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => What::File {
            size_bytes: found.st_size as u64,
            modified: SystemTime::UNIX_EPOCH
                + Duration::from_secs(u64::try_from(found.st_mtime).unwrap_or_default()),
            state: format!(
                "{}:{} {}.{} {}.{}",
                found.st_dev,
                found.st_ino,
                found.st_mtime,
                found.st_mtime_nsec,
                found.st_ctime,
                found.st_ctime_nsec
            ),
        },
        FileType::Directory => What::Folder,
        FileType::Symlink => What::Link,
        _ => What::Other,
    }
}
