//! Files that anybody may have made, such as those of a report that came by mail: a folder is held open, and what is read
//! lies in it, is a regular file behind no link, and is no larger than it may be.

mod entries;
mod roots;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

pub(crate) use self::entries::What;
pub(crate) use self::roots::on_a_disk;
use crate::storage::digest::Hasher;

/// Bytes between two looks at the stop flag: half a millisecond of SHA-256.
const BYTES_AT_A_TIME: usize = 1 << 20;

/// Why nothing was read.
#[derive(Debug)]
pub(crate) enum Fault {
    /// There is no such file.
    Missing,
    /// It, or a folder on the way to it, is a link.
    Link,
    /// It is a folder, a pipe, a device or a socket.
    NoFile,
    /// No path below a folder: it is absolute, leads upwards or has an empty part.
    NoPath,
    /// So many bytes, where at most so many are read.
    TooLarge { size_bytes: u64, most: u64 },
    /// It was written to in the meantime.
    Changed,
    /// The stop flag is up.
    Stopped,
    /// What the operating system said.
    Io(io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::Link => f.write_str("is a link or lies behind one, and links are not followed"),
            Self::NoFile => f.write_str("is no regular file, so it is not read"),
            Self::NoPath => f.write_str("is no path below the folder, so it is not read"),
            Self::TooLarge { size_bytes, most } => write!(
                f,
                "has {size_bytes} bytes, and at most {most} are read of such a file"
            ),
            Self::Changed => f.write_str("changed while it was read"),
            Self::Stopped => f.write_str("was not read to its end: a signal came"),
            Self::Io(error) => write!(f, "cannot be read: {error}"),
        }
    }
}

impl From<rustix::io::Errno> for Fault {
    fn from(error: rustix::io::Errno) -> Self {
        match error {
            rustix::io::Errno::NOENT => Self::Missing,
            rustix::io::Errno::LOOP => Self::Link,
            error => Self::Io(error.into()),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A folder that is held open. Its own name comes from the user and may be a link; nothing below it may.
#[derive(Debug)]
pub(crate) struct Folder {
    handle: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens a folder that is there.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let named = match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        };
        Ok(Self {
            handle: rustix::fs::open(named, flags, Mode::empty())?,
            path: path.to_path_buf(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file `key`, whose parts stand between `/`.
    pub fn file(&self, key: &str) -> Result<Foreign, Fault> {
        let (folder, name) = self.way(key)?;
        let folder = folder.as_ref().map_or(self.handle.as_fd(), AsFd::as_fd);
        // Only a regular file is opened: to open a device can do something.
        let found = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        regular(&found)?;
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Foreign::of(rustix::fs::openat(folder, name, flags, Mode::empty())?)
    }

    /// Says whether the file `key` is there, and its size if it is a regular one; a link is there, whatever it leads to.
    pub fn look(&self, key: &str) -> Result<Option<u64>, Fault> {
        let (folder, name) = self.way(key)?;
        let folder = folder.as_ref().map_or(self.handle.as_fd(), AsFd::as_fd);
        let found = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(regular(&found).ok().map(|()| found.st_size as u64))
    }

    /// The folder that holds `key`, and the name in it.
    fn way<'a>(&self, key: &'a str) -> Result<(Option<OwnedFd>, &'a str), Fault> {
        let mut parts: Vec<&str> = key.split('/').collect();
        let is_name = |part: &&str| !matches!(*part, "" | "." | "..") && !part.contains('\0');
        if !parts.iter().all(is_name) {
            return Err(Fault::NoPath);
        }
        let name = parts.pop().unwrap_or_default();
        let flags = OFlags::RDONLY
            | OFlags::DIRECTORY
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::CLOEXEC;
        let mut inner: Option<OwnedFd> = None;
        for part in parts {
            let outer = inner.as_ref().map_or(self.handle.as_fd(), AsFd::as_fd);
            let found = rustix::fs::statat(outer, part, AtFlags::SYMLINK_NOFOLLOW)?;
            match FileType::from_raw_mode(found.st_mode) {
                FileType::Directory => {}
                FileType::Symlink => return Err(Fault::Link),
                _ => return Err(Fault::Missing),
            }
            inner = Some(rustix::fs::openat(outer, part, flags, Mode::empty())?);
        }
        Ok((inner, name))
    }
}

fn regular(found: &rustix::fs::Stat) -> Result<(), Fault> {
    match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => Ok(()),
        FileType::Symlink => Err(Fault::Link),
        _ => Err(Fault::NoFile),
    }
}

/// An open regular file.
#[derive(Debug)]
pub(crate) struct Foreign {
    file: File,
    size_bytes: u64,
}

impl Foreign {
    /// Opens a file that the user named, be it a link; a pipe or a device is refused.
    pub fn named(path: &Path) -> Result<Self, Fault> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Self::of(rustix::fs::open(path, flags, Mode::empty())?)
    }

    fn of(handle: OwnedFd) -> Result<Self, Fault> {
        let found = rustix::fs::fstat(&handle)?;
        regular(&found)?;
        Ok(Self {
            file: File::from(handle),
            size_bytes: found.st_size as u64,
        })
    }

    /// Its size when it was opened, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Its bytes, at most `most`.
    pub fn read(mut self, most: u64, stop: &AtomicBool) -> Result<Vec<u8>, Fault> {
        let mut bytes = self.room(most)?;
        self.pieces(most, stop, &mut |piece| bytes.extend_from_slice(piece))?;
        Ok(bytes)
    }

    /// Its bytes, at most `most`, and their SHA-256.
    pub fn content(mut self, most: u64, stop: &AtomicBool) -> Result<(Vec<u8>, String), Fault> {
        let (mut bytes, mut hasher) = (self.room(most)?, Hasher::default());
        self.pieces(most, stop, &mut |piece| {
            bytes.extend_from_slice(piece);
            hasher.update(piece);
        })?;
        Ok((bytes, hasher.hex()))
    }

    /// Its SHA-256; of a file that has more than `most` bytes, none is read.
    pub fn sha256(mut self, most: u64, stop: &AtomicBool) -> Result<String, Fault> {
        let mut hasher = Hasher::default();
        self.pieces(most, stop, &mut |piece| hasher.update(piece))?;
        Ok(hasher.hex())
    }

    /// Room for its bytes, if there may be so many.
    fn room(&self, most: u64) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        let n = usize::try_from(self.size_bytes.min(most));
        let is_there = n.is_ok_and(|n| bytes.try_reserve_exact(n).is_ok());
        is_there.then_some(bytes).ok_or(self.too_large(most))
    }

    fn too_large(&self, most: u64) -> Fault {
        Fault::TooLarge {
            size_bytes: self.size_bytes,
            most,
        }
    }

    fn pieces(
        &mut self,
        most: u64,
        stop: &AtomicBool,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Fault> {
        if self.size_bytes > most {
            return Err(self.too_large(most));
        }
        let mut buffer = vec![0; BYTES_AT_A_TIME.min(self.size_bytes as usize + 1)];
        let mut left = self.size_bytes;
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(Fault::Stopped);
            }
            let n = match self.file.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            match n as u64 {
                0 if left == 0 => return Ok(()),
                0 => return Err(Fault::Changed),
                n if n > left => return Err(Fault::Changed),
                n => left -= n,
            }
            take(&buffer[..n]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    static GOES_ON: AtomicBool = AtomicBool::new(false);

    #[test]
    fn only_regular_files_below_the_folder_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("in/Apple")).unwrap();
        std::fs::write(at("in/Apple/a"), "abc").unwrap();
        std::fs::write(at("secret"), "secret").unwrap();
        symlink("../secret", at("in/out")).unwrap();
        symlink("Apple", at("in/Pear")).unwrap();
        symlink("Apple/a", at("in/inside")).unwrap();
        symlink("in", at("named")).unwrap();
        symlink("/dev/zero", at("in/zero")).unwrap();
        let pipe = Command::new("mkfifo").arg(at("in/pipe")).status().unwrap();
        assert!(pipe.success());
        let open = Folder::open(&at("named")).unwrap();
        let read = |key: &str| open.file(key).and_then(|file| file.read(9, &GOES_ON));
        assert_eq!(read("Apple/a").unwrap(), b"abc");
        assert_eq!(open.look("Apple/a").unwrap(), Some(3));
        for key in ["out", "Pear/a", "inside", "zero"] {
            assert!(matches!(read(key), Err(Fault::Link)), "{key}");
        }
        for key in ["pipe", "Apple"] {
            assert!(matches!(read(key), Err(Fault::NoFile)), "{key}");
        }
        for key in [
            "../secret",
            "/etc/passwd",
            "Apple/../out",
            "",
            "Apple//a",
            "a\0b",
        ] {
            assert!(matches!(read(key), Err(Fault::NoPath)), "{key}");
        }
        for key in ["none", "none/a", "Apple/a/b"] {
            assert!(matches!(read(key), Err(Fault::Missing)), "{key}");
        }
        assert!(matches!(Foreign::named(&at("in/pipe")), Err(Fault::NoFile)));
        assert!(matches!(
            Foreign::named(Path::new("/dev/zero")),
            Err(Fault::NoFile)
        ));
        assert!(Folder::open(&at("in/pipe")).is_err());
    }

    #[test]
    fn no_more_is_read_than_may_be_and_a_signal_ends_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let file = File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        let large = || Foreign::named(&path).unwrap();
        assert!(matches!(
            large().read(1 << 20, &GOES_ON),
            Err(Fault::TooLarge { .. })
        ));
        assert!(matches!(
            large().sha256(1 << 20, &GOES_ON),
            Err(Fault::TooLarge { .. })
        ));
        let stopped = AtomicBool::new(true);
        assert!(matches!(
            large().sha256(u64::MAX, &stopped),
            Err(Fault::Stopped)
        ));
        // What says of itself that it is empty and is not.
        let status = Foreign::named(Path::new("/proc/self/status"));
        assert!(matches!(
            status.and_then(|f| f.read(9, &GOES_ON)),
            Err(Fault::Changed)
        ));
    }
}
