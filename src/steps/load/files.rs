//! Which files may be images, and which can be read.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;

use super::labels::{LabelRule, Labels};
use super::names::{Kind, kind};
use crate::error::{Error, Result};
use crate::storage::rejection::{Reason, Rejection};
use crate::storage::source::{BETWEEN_LOOKS, Object, Source, State};

/// A file larger than this is no photograph: the largest that is decoded, 89 megapixels, is a JPEG of 30 to 60 MB. What a
/// decoder does for each byte is bounded with it.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

const SIGNATURE_LEN: u64 = 32;

/// Most files whose digests are taken between two looks whether to go on; fewer where they take longer than is between looks.
const FILES_AT_A_TIME: usize = 256;
/// And most of their bytes, but for a single one: a tenth of a second of SHA-256.
const BYTES_AT_A_TIME: u64 = 32 << 20;

/// Whether a file may be a photograph: by its name, and where that says nothing by its first bytes if it is here.
pub(super) fn kind_of(object: &Object) -> Kind {
    match (kind(&object.key), &object.state) {
        (Kind::Unknown, State::File(path)) => {
            let begins_like_one =
                |head: &[u8]| image::guess_format(head).is_ok() || head.get(4..8) == Some(b"ftyp");
            // One that cannot be read is told later.
            match head(path).is_none_or(|head| begins_like_one(&head)) {
                true => Kind::Image,
                false => Kind::Other,
            }
        }
        (kind, _) => kind,
    }
}

/// Objects of a bucket whose names say nothing, which nobody reads to know: those in a class of known images are images, and all
/// are where no image is known. So no file beside the classes makes one, nor ends that first folders are splits. Gives the labels,
/// and the objects that are left.
pub(super) fn admit(
    rule: LabelRule,
    images: &mut Vec<Object>,
    unknown: Vec<Object>,
) -> (Labels, Vec<Object>) {
    let labels = Labels::new(rule, images);
    let known = images.iter().filter_map(|image| labels.label(&image.key));
    let known: BTreeSet<String> = known.map(str::to_owned).collect();
    if known.is_empty() {
        images.extend(unknown);
        return (Labels::new(rule, images), Vec::new());
    }
    let is_in_class = |object: &Object| {
        let is_in_split = !labels.has_splits() || labels.split(&object.key).is_some();
        is_in_split
            && labels
                .label(&object.key)
                .is_some_and(|label| known.contains(label))
    };
    let (in_classes, left): (Vec<_>, Vec<_>) = unknown.into_iter().partition(is_in_class);
    images.extend(in_classes);
    (labels, left)
}

pub(super) fn left_out(n: usize) -> String {
    let (objects, are) = if n == 1 {
        ("object", "is")
    } else {
        ("objects", "are")
    };
    format!(
        "{n} {objects} without an ending in the name {are} in no class of known images, and {are} left out; give images an \
         ending, as `.jpg`"
    )
}

/// Whether the size of a file lets it be an image.
pub(super) fn is_usable(object: &Object) -> bool {
    (1..=MAX_FILE_BYTES).contains(&object.size_bytes)
}

/// Objects with their ETags; those that cannot be used go to `rejected`.
pub(super) fn identified(
    chosen: Vec<Object>,
    rejected: &mut Vec<Rejection>,
    keep_going: &mut dyn FnMut() -> bool,
) -> Result<Vec<(Object, String)>> {
    let mut rows = Vec::with_capacity(chosen.len());
    let mut chosen = chosen.into_iter();
    let n_threads = rayon::current_num_threads();
    let mut n_at_a_time = n_threads;
    while !chosen.as_slice().is_empty() {
        if !keep_going() {
            return Err(Error::Cancelled);
        }
        let began = Instant::now();
        let n = part(chosen.as_slice(), n_at_a_time);
        let part: Vec<_> = chosen.by_ref().take(n).collect();
        let identified: Vec<_> = part.into_par_iter().map(identify).collect();
        for outcome in identified {
            match outcome {
                Ok(row) => rows.push(row),
                Err(rejection) => rejected.push(rejection),
            }
        }
        n_at_a_time = match began.elapsed() < BETWEEN_LOOKS {
            true => (2 * n_at_a_time).min(FILES_AT_A_TIME),
            false => (n_at_a_time / 2).max(n_threads),
        };
    }
    Ok(rows)
}

/// How many of these files to read before the next look.
fn part(files: &[Object], most: usize) -> usize {
    let mut n_bytes = 0;
    let is_more = |file: &&Object| {
        let is_first = n_bytes == 0;
        // Objects of a bucket are not read for it.
        if matches!(file.state, State::File(_)) {
            n_bytes += file.size_bytes.min(MAX_FILE_BYTES);
        }
        is_first || n_bytes <= BYTES_AT_A_TIME
    };
    files.iter().take(most).take_while(is_more).count().max(1)
}

/// The first bytes of a file, as far as signatures of images go.
fn head(path: &Path) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(SIGNATURE_LEN).read_to_end(&mut head).ok()?;
    Some(head)
}

/// The object with its ETag, or why it cannot be used.
fn identify(object: Object) -> Result<(Object, String), Rejection> {
    let outcome = match object.size_bytes {
        0 => Err((Reason::ZeroBytes, "the file is empty".to_owned())),
        size_bytes if size_bytes > MAX_FILE_BYTES => {
            let message = format!(
                "{size_bytes} bytes are too many for a photograph (at most {MAX_FILE_BYTES}); save it smaller"
            );
            Err((Reason::TooLarge, message))
        }
        _ => Source::etag(&object),
    };
    match outcome {
        Ok(etag) => Ok((object, etag)),
        Err((reason, message)) => Err(Rejection {
            key: object.key,
            size_bytes: object.size_bytes,
            reason,
            message,
        }),
    }
}
