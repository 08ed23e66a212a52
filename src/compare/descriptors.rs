//! Whether two runs describe images by the same.

use crate::record::Run;

/// The descriptors of the baseline and of this run, where these are two.
pub(super) fn two_descriptors<'a>(baseline: &'a Run, now: &'a Run) -> Option<[&'a str; 2]> {
    let (before, after) = (baseline.features.as_ref()?, now.features.as_ref()?);
    let both = [before.descriptor.as_str(), after.descriptor.as_str()];
    (both[0] != both[1]).then_some(both)
}

pub(super) fn same_descriptor(baseline: &Run, now: &Run) -> bool {
    two_descriptors(baseline, now).is_none()
}
