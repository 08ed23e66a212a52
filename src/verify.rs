//! Whether a run that has been written still is what it says, and whether it can be had again.
//!
//! [`open`] reads `run.json`, and [`Recorded::files`] holds the other files against it; [`model`] and [`inputs`] look
//! at what the run was made of; [`compare`] holds a run against a second one of the same parameters. Each check gives
//! one [`Finding`].

mod alone;
mod derived;
mod differences;
mod files;
mod finding;
mod gates;
mod images;
mod metrics;
mod outcome;
mod recorded;
mod rerun;
mod scores;
mod spaces;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::error::{Error, Result};
use crate::record::Run;
use crate::steps::describe::{DescriptorName, RuntimeFolder};
use crate::storage::foreign::{Fault, Foreign};

pub use self::alone::check_root;
pub use self::finding::{Finding, State};
pub use self::images::{NamedBy, inputs};
pub use self::recorded::{Recorded, open};
pub use self::rerun::compare;

/// Holds the model that a run here would use, `own` or the one that set-up made, against the recorded one.
///
/// # Errors
/// [`Error::Cancelled`] with `stop`.
pub fn model(run: &Run, own: Option<&Path>, stop: &AtomicBool) -> Result<Finding> {
    let what = "model";
    let Some(features) = &run.features else {
        return Ok(Finding::skipped(what, "the run has no descriptors"));
    };
    let Some(network) = &features.network else {
        return Ok(match features.descriptor == DescriptorName::Vgg16.name() {
            true => Finding::differs(what, "the record names no model, which VGG16 has"),
            false => Finding::ok(what, format!("`{}` has none", features.descriptor)),
        });
    };
    let path = own.map_or_else(|| RuntimeFolder::find().model(), Path::to_path_buf);
    let found = Foreign::named(&path).and_then(|file| file.sha256(u64::MAX, stop));
    Ok(match found {
        Err(Fault::Stopped) => return Err(Error::Cancelled),
        Err(fault) => Finding::skipped(what, format!("`{}` {fault}", path.display())),
        Ok(found) if found == network.model_sha256 => {
            Finding::ok(what, format!("`{}` is the recorded one", path.display()))
        }
        Ok(found) => Finding::differs(
            what,
            format!(
                "`{}` is another than the recorded one: SHA-256 {found}, not {}",
                path.display(),
                network.model_sha256
            ),
        ),
    })
}
