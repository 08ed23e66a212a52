//! Sections on the images and on files that are not as they should be.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine};
use sha2::{Digest, Sha256};

use super::context::{Contact, Dataset, ExampleView, Fact, Files, RejectedView, ShareRow, Thumb};
use super::format::{bytes, count, counted, number};
use super::input::ReportInput;
use super::pieces::{KEY_CHARS, LABEL_CHARS, class_rows, share, thumb};
use super::rows::Rows;
use crate::error::Result;
use crate::plot::{
    About, CONTACT_EDGE, CONTACT_QUALITY, ClassBar, class_counts, contact_sheet, shortened, shown,
};
use crate::record::{Example, NearDuplicate, Run, SourceRecord};

/// Classes in the chart; more would be taller than three screens, and the table has them all.
const MAX_BARS: usize = 60;
/// Contact sheets, and images on all of them together: 240 thumbnails are about 400 kB.
const MAX_CONTACTS: usize = 150;
const MAX_CONTACT_IMAGES: usize = 240;
/// Images on one contact sheet, in two rows.
const CONTACT_COLUMNS: usize = 6;
/// Rows of rejected files on the page; `rejected.csv` has them all.
const MAX_REJECTED: usize = 500;
/// Images shown of a group of duplicates.
const MAX_IN_GROUP: usize = 6;
/// Bytes of the pictures before and after the resize.
const MAX_EXAMPLE_BYTES: usize = 1_500_000;
/// What every browser shows.
const BROWSER_TYPES: [&str; 5] = [
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "image/bmp",
];

pub(super) fn dataset(input: &ReportInput, rows: &Rows) -> Result<Dataset> {
    let run = input.run;
    let (chart, chart_note) = chart(run)?;
    let seed = run.pca.as_ref().map_or(0, |pca| pca.seed);
    let (contacts, contacts_note) = contacts(run, rows, seed)?;
    let (examples, examples_note) = examples(input.examples, rows);
    let sizes = run.dataset.sizes.iter();
    let modes = run.dataset.modes.iter();
    let accepted = run.images.accepted;
    Ok(Dataset {
        facts: facts(run),
        chart,
        chart_note,
        classes: class_rows(run),
        sizes: sizes
            .map(|size| ShareRow {
                name: format!("{} × {}", size.width, size.height),
                n: count(size.n),
                share: share(size.n, accepted),
            })
            .collect(),
        n_more_sizes: run
            .dataset
            .n_sizes
            .saturating_sub(run.dataset.sizes.len() as u64),
        modes: modes
            .map(|mode| ShareRow {
                name: shown(&mode.mode),
                n: count(mode.n),
                share: share(mode.n, accepted),
            })
            .collect(),
        seed,
        contacts,
        contacts_note,
        examples,
        examples_note,
    })
}

fn facts(run: &Run) -> Vec<Fact> {
    let mut facts = vec![
        Fact::new("Source", source(&run.source)),
        Fact::new("Files found", count(run.source.n_objects)),
        Fact::new("Their size", bytes(run.source.size_bytes)),
        Fact::new("Labels", shown(&run.source.label_rule)),
    ];
    let splits = run.dataset.splits.iter().map(|part| {
        let n = counted(part.n, "image", "images");
        format!("{}: {n}", shown(&part.split))
    });
    let splits: Vec<_> = splits.collect();
    if !splits.is_empty() {
        facts.push(Fact::new("Splits", splits.join("; ")));
    }
    facts.push(Fact::new(
        "Turned upright by EXIF",
        counted(run.dataset.n_rotated, "image", "images"),
    ));
    facts
}

fn chart(run: &Run) -> Result<(Option<String>, Option<String>)> {
    if run.classes.is_empty() {
        return Ok((None, None));
    }
    let mut order: Vec<usize> = (0..run.classes.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(run.classes[i].n), i));
    order.truncate(MAX_BARS);
    let bars: Vec<_> = order
        .iter()
        .map(|&i| ClassBar {
            label: &run.classes[i].label,
            class: i,
            n: run.classes[i].n,
        })
        .collect();
    let description = format!(
        "Horizontal bars, largest class first: from {} images of {} down to {} of {}.",
        bars[0].n,
        bars[0].label,
        bars[bars.len() - 1].n,
        bars[bars.len() - 1].label
    );
    let about = About {
        id: "plot-classes",
        title: "Accepted images of each class",
        description: &description,
    };
    let note = (run.classes.len() > MAX_BARS).then(|| {
        format!(
            "The {MAX_BARS} largest of {} classes; the table has them all.",
            run.classes.len()
        )
    });
    Ok((Some(class_counts(&about, &bars)?), note))
}

/// Where the images came from, in words.
fn source(source: &SourceRecord) -> String {
    let name = shown(&source.name);
    match &source.region {
        Some(region) => match &source.endpoint {
            Some(url) => format!("bucket {name} at {}", shown(url)),
            None => format!("bucket {name} in {}", shown(region)),
        },
        None => format!("{} {name}", shown(&source.kind)),
    }
}

/// Some images of every class, chosen by the SHA-256 of seed and key: the same for the same seed,
/// and no view is preferred.
fn contacts(run: &Run, rows: &Rows, seed: u64) -> Result<(Vec<Contact>, Option<String>)> {
    let numbers = rows.class_numbers(&run.classes)?;
    let mut members: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for (image, class) in numbers.into_iter().enumerate() {
        members.entry(class).or_default().push(image);
    }
    let n_classes = members.len();
    let each = (MAX_CONTACT_IMAGES / n_classes.max(1)).clamp(2, 2 * CONTACT_COLUMNS);
    let mut contacts = Vec::new();
    for (class, mut images) in members.into_iter().take(MAX_CONTACTS) {
        let class = &run.classes[usize::from(class)];
        images.sort_by_cached_key(|&i| {
            let digest = Sha256::new().chain_update(seed.to_le_bytes());
            digest.chain_update(rows.images[i].key).finalize()
        });
        images.truncate(each);
        let thumbnails: Vec<_> = images.iter().map(|&i| rows.images[i].thumbnail).collect();
        let jpeg = contact_sheet(&thumbnails, CONTACT_COLUMNS, CONTACT_EDGE, CONTACT_QUALITY)?;
        contacts.push(Contact {
            label: shortened(&class.label, LABEL_CHARS),
            n: count(class.n),
            n_shown: images.len(),
            jpeg: BASE64_STANDARD.encode(jpeg),
            width: images.len().min(CONTACT_COLUMNS) as u32 * CONTACT_EDGE,
            height: images.len().div_ceil(CONTACT_COLUMNS) as u32 * CONTACT_EDGE,
        });
    }
    let note = (n_classes > MAX_CONTACTS)
        .then(|| format!("Shown are the first {MAX_CONTACTS} of {n_classes} classes."));
    Ok((contacts, note))
}

fn examples(examples: &[Example], rows: &Rows) -> (Vec<ExampleView>, Option<String>) {
    let mut room = MAX_EXAMPLE_BYTES;
    let mut views = Vec::new();
    let mut n_left_out = 0;
    for example in examples {
        let Some(after) = room.checked_sub(example.resized_png.len()) else {
            n_left_out += 1;
            continue;
        };
        room = after;
        let mime = BROWSER_TYPES
            .iter()
            .find(|mime| **mime == example.original_mime);
        let mime = mime.filter(|_| example.original.len() <= room);
        let row = rows.find(&example.key).map(|i| &rows.images[i]);
        if mime.is_some() {
            room -= example.original.len();
        }
        let data = |mime: &str, bytes: &[u8]| {
            format!("data:{mime};base64,{}", BASE64_STANDARD.encode(bytes))
        };
        views.push(ExampleView {
            key: shortened(&example.key, KEY_CHARS),
            original: mime.map(|mime| data(mime, &example.original)),
            size: row.map_or_else(String::new, |row| format!("{} × {}", row.width, row.height)),
            resized: data("image/png", &example.resized_png),
        });
    }
    let note = (n_left_out > 0).then(|| {
        format!(
            "{} left out to keep this file small.",
            counted(n_left_out, "example", "examples")
        )
    });
    (views, note)
}

pub(super) fn files(run: &Run, rows: &Rows) -> Files {
    let n = run.images;
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &rows.rejected {
        *reasons.entry(row.reason).or_default() += 1;
    }
    let rejected = rows.rejected.iter().take(MAX_REJECTED);
    let group = |keys: &Vec<String>| {
        let mut thumbs: Vec<_> = keys
            .iter()
            .take(MAX_IN_GROUP)
            .map(|key| thumb(rows, key, String::new()))
            .collect();
        if let (Some(last), true) = (thumbs.last_mut(), keys.len() > MAX_IN_GROUP) {
            last.note = format!("and {} more", keys.len() - MAX_IN_GROUP);
        }
        thumbs
    };
    let groups = run.dataset.n_duplicate_groups;
    let shown_groups = run.dataset.duplicates.len() as u64;
    let duplicates_sentence = match groups {
        0 => "No two accepted files have the same bytes.".to_owned(),
        n if n > shown_groups => {
            format!(
                "{} groups of files have the same bytes; the first {shown_groups}:",
                count(n)
            )
        }
        1 => "One group of files has the same bytes:".to_owned(),
        n => format!("{} groups of files have the same bytes:", count(n)),
    };
    Files {
        sentence: format!(
            "{} listed = {} accepted + {} rejected + {} skipped \
             ({}in no class folder, or left out by an option).{}",
            count(n.listed),
            count(n.accepted),
            count(n.rejected),
            count(n.skipped),
            match n.other {
                0 => String::new(),
                n => format!("{} no images by their names, the others ", count(n)),
            },
            match n.left_behind {
                0 => String::new(),
                n => format!(
                    " Not listed: {} that systems leave, such as caches of thumbnails, bins and hidden files.",
                    counted(n, "file or folder", "files or folders")
                ),
            }
        ),
        reasons: reasons
            .into_iter()
            .map(|(reason, n_files)| ShareRow {
                name: shown(reason),
                n: count(n_files),
                share: share(n_files, n.rejected),
            })
            .collect(),
        rejected: rejected
            .map(|row| RejectedView {
                key: shown(row.key),
                size: bytes(row.size_bytes),
                reason: shown(row.reason),
                message: shown(row.message),
            })
            .collect(),
        n_more_rejected: match rows.rejected.len().saturating_sub(MAX_REJECTED) {
            0 => String::new(),
            more => count(more as u64),
        },
        duplicates: run.dataset.duplicates.iter().map(group).collect(),
        duplicates_sentence,
        near: run
            .dataset
            .near_duplicates
            .iter()
            .map(|pair| near_pair(rows, pair))
            .collect(),
        near_sentence: if run.dataset.near_duplicates.is_empty() {
            "Not looked for: that takes the principal components of two different files.".to_owned()
        } else {
            "The pairs of different files that lie closest in the kept components; the usual distance is the median of \
             that of an image to its nearest. Copies that were saved again lie far below it; neighbouring views of one \
             turning object do not."
                .to_owned()
        },
    }
}

fn near_pair(rows: &Rows, pair: &NearDuplicate) -> Vec<Thumb> {
    // Of descriptors of norm 1 no distance is large.
    let distance = match pair.distance {
        small if small > 0.0 && small < 1.0 => number(small),
        distance => format!("{distance:.1}"),
    };
    let note = format!("distance {distance}, {:.2} of the usual", pair.relative);
    vec![
        thumb(rows, &pair.first, note),
        thumb(rows, &pair.second, String::new()),
    ]
}
