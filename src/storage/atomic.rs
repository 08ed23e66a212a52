//! Files that are whole or absent: written beside their place, synced, then renamed.
//!
//! What is not whole yet is locked by who writes it, so that what a dead process left can be told from it.

use std::fs::{self, File, FileType};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use tempfile::{NamedTempFile, TempDir};

use crate::error::{Error, Result};
use crate::storage::digest;
use crate::storage::lock::{self, host_name};

/// Starts the name of a file or folder that is not whole yet; a killed run leaves it behind.
#[doc(hidden)]
pub const TEMPORARY_PREFIX: &str = ".fruits-partial-";

/// Age of what another machine left on a drive that both have, before it counts as left behind: such a drive need not tell of
/// its locks.
const OTHERS_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Writes a file through `fill`; `path` holds the old content until the new one is whole.
///
/// # Errors
/// [`Error::Storage`] if the folder cannot be written to, and whatever `fill` returns.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    write_through(folder_of(path), path, fill)
}

/// [`write_with`], with what is not whole yet in the folder `partial` of the same file system.
fn write_through(
    partial: &Path,
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let fault = |source| Error::Storage {
        action: "write",
        path: path.to_path_buf(),
        source,
    };
    let file = partial_file(partial).map_err(fault)?;
    let mut writer = BufWriter::new(file);
    fill(&mut writer)?;
    let file = writer.into_inner().map_err(|e| fault(e.into_error()))?;
    file.as_file().sync_data().map_err(fault)?;
    file.persist(path).map_err(|e| fault(e.error))?;
    sync_folder(folder_of(path))
}

/// A new file in `folder` that is not whole yet, held by this process.
fn partial_file(folder: &Path) -> io::Result<NamedTempFile> {
    let prefix = own_prefix();
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    #[cfg(unix)]
    {
        // tempfile's 0600 would keep a report from the colleagues it is for; the umask still applies.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    loop {
        let file = builder.tempfile_in(folder)?;
        // A drive without locks removes nothing either. Without a lock for an instant, it may have been taken for a dead one's.
        let _ = file.as_file().try_lock();
        if lock::is_at(file.as_file(), file.path()) {
            return Ok(file);
        }
    }
}

/// [`TEMPORARY_PREFIX`], and which machine writes.
fn own_prefix() -> String {
    format!(
        "{TEMPORARY_PREFIX}{}-",
        &digest::of(host_name().as_bytes())[..8]
    )
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Has the names in a folder outlive a power cut, where its file system can do that.
///
/// # Errors
/// [`Error::Storage`].
pub fn sync_folder(folder: &Path) -> Result<()> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Where a folder may be written to and not read, nobody can have it synced.
        Err(e)
            if !matches!(
                e.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::PermissionDenied
            ) =>
        {
            Err(Error::storage("write to folder", folder)(e))
        }
        _ => Ok(()),
    }
}

/// Writes `bytes` as one whole file.
///
/// # Errors
/// As [`write_with`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |out| {
        out.write_all(bytes).map_err(Error::storage("write", path))
    })
}

/// [`write()`] for a file below `root`, in whose top folder lies what is not whole yet: [`remove_partial`] finds it there.
///
/// # Errors
/// As [`write_with`].
pub fn write_below(root: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    write_through(root, path, |out| {
        out.write_all(bytes).map_err(Error::storage("write", path))
    })
}

/// A folder for files that are not whole together yet; it goes away with its value.
#[derive(Debug)]
pub struct PartialFolder {
    folder: TempDir,
    /// Says that its process lives.
    _held: Option<File>,
}

impl PartialFolder {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves it there until [`remove_partial`].
    #[must_use]
    pub fn keep(self) -> std::path::PathBuf {
        self.folder.keep()
    }
}

/// A new [`PartialFolder`] in `folder`.
///
/// # Errors
/// [`Error::Storage`].
pub fn partial_folder(folder: &Path) -> Result<PartialFolder> {
    create_folder(folder)?;
    let prefix = own_prefix();
    loop {
        let made = tempfile::Builder::new().prefix(&prefix).tempdir_in(folder);
        let made = made.map_err(Error::storage("write to folder", folder))?;
        let held = lock::hold(made.path());
        // Without a lock for an instant, it may have been taken for a dead one's.
        if made.path().exists() {
            return Ok(PartialFolder {
                folder: made,
                _held: held,
            });
        }
    }
}

/// Removes what killed runs left in `folder`: what no process of this machine holds, and what another one left a day ago.
///
/// # Errors
/// [`Error::Storage`].
pub fn remove_partial(folder: &Path) -> Result<()> {
    remove_left(folder, |_| true)
}

/// [`remove_partial`] of the files in the folder of `path`: among the folders there may be a report that could not be put in its
/// place.
///
/// # Errors
/// [`Error::Storage`].
pub fn remove_partial_beside(path: &Path) -> Result<()> {
    remove_left(folder_of(path), |kind| !kind.is_dir())
}

fn remove_left(folder: &Path, is_meant: impl Fn(FileType) -> bool) -> Result<()> {
    let own = own_prefix();
    let fault = |source| Error::storage("clear folder", folder)(source);
    for entry in fs::read_dir(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with(TEMPORARY_PREFIX) || !entry.file_type().is_ok_and(&is_meant) {
            continue;
        }
        let path = entry.path();
        let Some(_held) = lock::hold(&path) else {
            continue;
        };
        if !name.starts_with(&own) && !is_older(&path, OTHERS_AGE) {
            continue;
        }
        let removed = match entry.file_type().is_ok_and(|t| t.is_dir()) {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
        match removed {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                return Err(Error::storage("remove", path)(e));
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_older(path: &Path, age: Duration) -> bool {
    let changed = path.symlink_metadata().and_then(|m| m.modified());
    changed.is_ok_and(|at| at.elapsed().is_ok_and(|elapsed| elapsed > age))
}

/// Creates `folder` and those above it that lack, and has their names outlive a power cut.
///
/// # Errors
/// [`Error::Storage`].
pub fn create_folder(folder: &Path) -> Result<()> {
    let named = |folder: &&Path| !folder.as_os_str().is_empty();
    let lacking = folder.ancestors().take_while(named);
    let lacking: Vec<&Path> = lacking.take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(folder).map_err(Error::storage("create folder", folder))?;
    lacking
        .iter()
        .rev()
        .try_for_each(|made| sync_folder(folder_of(made)))
}

/// Creates `folder` and checks that files can be made in it, before hours of work depend on it.
///
/// # Errors
/// [`Error::Storage`] with what the operating system said.
pub fn writable_folder(folder: &Path) -> Result<()> {
    create_folder(folder)?;
    let probe = partial_file(folder);
    probe
        .map(drop)
        .map_err(Error::storage("write to folder", folder))
}

/// Reads a whole file.
///
/// # Errors
/// [`Error::Storage`].
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(Error::storage("read", path))
}

/// Opens a file for reading.
///
/// # Errors
/// [`Error::Storage`].
pub fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(Error::storage("read", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_still_writes_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let file = partial_file(root).unwrap();
        let staged = partial_folder(root).unwrap();
        fs::write(staged.path().join("half"), b"half").unwrap();
        let dead = [own_prefix() + "file", own_prefix() + "folder"].map(|name| root.join(name));
        fs::write(&dead[0], b"half").unwrap();
        fs::create_dir(&dead[1]).unwrap();
        // Of another machine, whose locks are perhaps not seen.
        let others = root.join(format!("{TEMPORARY_PREFIX}00000000-abc"));
        fs::write(&others, b"half").unwrap();
        remove_partial_beside(&root.join("page.html")).unwrap();
        assert!(!dead[0].exists() && dead[1].exists());
        remove_partial(root).unwrap();
        assert!(file.path().exists() && staged.path().join("half").exists());
        assert!(!dead[0].exists() && !dead[1].exists());
        assert!(others.exists());
        let long_ago = std::time::UNIX_EPOCH;
        File::open(&others).unwrap().set_modified(long_ago).unwrap();
        let kept = staged.keep();
        remove_partial(root).unwrap();
        assert!(!others.exists() && !kept.exists());
    }

    #[test]
    fn a_folder_is_made_with_those_above_it() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b/c");
        create_folder(&deep).unwrap();
        create_folder(&deep).unwrap();
        assert!(deep.is_dir());
        fs::write(folder.path().join("file"), b"").unwrap();
        assert!(create_folder(&folder.path().join("file/a")).is_err());
    }
}
