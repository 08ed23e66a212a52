//! Files that are whole or absent: written beside their place, synced, then renamed.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Writes a file through `fill`; `path` holds the old content until the new one is whole.
///
/// # Errors
/// [`Error::Storage`] if the folder cannot be written to, and whatever `fill` returns.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let fault = |source| Error::Storage {
        action: "write",
        path: path.to_path_buf(),
        source,
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    #[cfg(unix)]
    {
        // tempfile's 0600 would keep a report from the colleagues it is for; the umask still applies.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(folder).map_err(fault)?;
    let mut writer = BufWriter::new(file);
    fill(&mut writer)?;
    let file = writer.into_inner().map_err(|e| fault(e.into_error()))?;
    file.as_file().sync_data().map_err(fault)?;
    file.persist(path).map_err(|e| fault(e.error))?;
    Ok(())
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

/// Creates `folder` and checks that files can be made in it, before hours of work depend on it.
///
/// # Errors
/// [`Error::Storage`] with what the operating system said.
pub fn writable_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(Error::storage("create folder", folder))?;
    let probe = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .tempfile_in(folder);
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

/// Starts the name of a file that is not whole yet; a killed run leaves such files behind.
pub(crate) const TEMPORARY_PREFIX: &str = ".fruits-partial-";
