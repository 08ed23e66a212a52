//! The files of a run without what lies beside them: what may be looked at where the record alone says where they are.

use std::path::Path;

use super::recorded::Recorded;
use crate::error::{Error, Result};
use crate::frame::strings;
use crate::record::Run;
use crate::schema::KEY;
use crate::storage::foreign::{self, Folder};
use crate::storage::source::Source;

/// Whether a folder that the record alone names is opened: one that is there lies on a disk of this machine, and behind no
/// link. To open another one may start what asks a server for it.
///
/// # Errors
/// [`Error::Invalid`] that says why not, and what to do.
pub fn check_root(root: &Path) -> Result<()> {
    foreign::on_a_disk(root).map_err(|why| {
        Error::Invalid(format!(
            "`{}` {why}, and the record alone names it; say with --input where the images are",
            root.display()
        ))
    })
}

impl Recorded {
    /// `source`, of which only the files of the run are listed; a bucket is listed whole.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the manifest or the list of rejected files cannot be read, or a rejected file cannot be had by its
    /// name; [`Error::Storage`] if the folder cannot be opened.
    pub fn alone(&self, source: &Source) -> Result<Source> {
        let Source::Folder(folder) = source else {
            return Ok(source.clone());
        };
        let unread = |reason: &String| Error::Invalid(reason.clone());
        let manifest = self.manifest.as_ref().map_err(unread)?;
        let rejected = self.rejected.as_ref().map_err(unread)?;
        let root = folder.root();
        let open = Folder::open(root).map_err(Error::storage("read folder", root))?;
        for file in rejected {
            // A link, a loop of them, a folder that cannot be opened, or a name that is no UTF-8.
            if !matches!(open.look(&file.key), Ok(Some(_))) {
                return Err(Error::Invalid(format!(
                    "`{}` was rejected then and is no file that its name leads to; name the folder with --input",
                    file.key
                )));
            }
        }
        let used = strings(manifest, KEY)?.into_iter();
        let keys = used.chain(rejected.iter().map(|file| file.key.as_str()));
        Ok(Source::Folder(
            folder.only(keys.map(str::to_owned).collect()),
        ))
    }

    /// Enters what was skipped into the record of a run of these files alone: it has no names, and nobody looks for it.
    pub fn enter_skipped(&self, run: &mut Run) {
        let (then, now) = (&self.run, run);
        now.images.skipped = then.images.skipped;
        now.images.listed = now.images.listed.saturating_add(then.images.skipped);
        now.source.n_objects = then.source.n_objects;
        now.source.size_bytes = then.source.size_bytes;
    }
}
